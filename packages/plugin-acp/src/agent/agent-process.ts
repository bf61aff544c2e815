import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import type { AgentOptions } from '../options.ts';
import { settledWithin } from './settled-within.ts';

/** What programs need to find their way, and nothing that is secret. */
const INHERITED = ['HOME', 'LANG', 'LC_ALL', 'LOGNAME', 'PATH', 'SHELL', 'TERM', 'TMPDIR', 'TZ', 'USER'];

const TAIL_CHARS = 4_096;

const environmentOf = (names: readonly string[]): NodeJS.ProcessEnv =>
  Object.fromEntries(
    [...INHERITED, ...names].flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );

/** An agent and all processes that it starts: a group of their own, which is ended as one. */
export class AgentProcess {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #exited: Promise<void>;
  #ending: Promise<void> | null = null;
  #tail = '';
  #hasExited = false;

  private constructor(child: ChildProcessByStdio<Writable, Readable, Readable>) {
    this.#child = child;
    this.#exited = once(child, 'exit').then(() => {
      this.#hasExited = true;
      // what it started and left behind
      this.#signal('SIGKILL');
    });
    // its input may be closed at its end, at any time
    child.stdin.on('error', () => {});
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#tail = (this.#tail + text).slice(-TAIL_CHARS);
    });
  }

  /** @throws Error the program cannot be started */
  static async start({ command, args = [], env = [] }: AgentOptions, cwd: string): Promise<AgentProcess> {
    const child = spawn(command, args, {
      cwd,
      env: environmentOf(env),
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    await once(child, 'spawn');
    return new AgentProcess(child);
  }

  get input(): Writable {
    return this.#child.stdin;
  }

  get output(): Readable {
    return this.#child.stdout;
  }

  /** The end of what it wrote to its standard error: for the operator's log alone. */
  get lastWords(): string {
    return this.#tail;
  }

  /** Resolves when it has ended, by whatever cause. */
  get exited(): Promise<void> {
    return this.#exited;
  }

  /** Closes its input, then asks it to end, then ends it; each after so long. On return it is gone. */
  end(exitMs: number): Promise<void> {
    this.#ending ??= this.#end(exitMs);
    return this.#ending;
  }

  async #end(exitMs: number): Promise<void> {
    this.#child.stdin.end();
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      if (await this.#exitsIn(exitMs)) return;
      this.#signal(signal);
    }
    await this.#exited;
  }

  async #exitsIn(ms: number): Promise<boolean> {
    await settledWithin(this.#exited, ms);
    return this.#hasExited;
  }

  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // nobody is left
    }
  }
}
