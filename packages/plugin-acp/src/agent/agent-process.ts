import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { ResolvedAgent } from '../options.ts';

const STDERR_TAIL_CHARS = 4_096;
/** The time in which the last output of an exited agent is read. */
const LAST_OUTPUT_MS = 100;

/** Resolves when the promise has resolved, or after `ms` milliseconds. */
export const settledWithin = async (promise: Promise<unknown>, ms: number): Promise<void> => {
  const timer = new AbortController();
  await Promise.race([promise, delay(ms, undefined, { signal: timer.signal }).catch(() => {})]);
  timer.abort();
};

/** An agent and all processes that it starts. They share a process group, which is ended as a whole. */
export class AgentProcess {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #exited: Promise<void>;
  #closing: Promise<void> | null = null;
  #stderrTail = '';
  #hasExited = false;

  private constructor(child: ChildProcessByStdio<Writable, Readable, Readable>) {
    this.#child = child;
    this.#exited = once(child, 'exit').then(() => {
      this.#hasExited = true;
      // Ends the processes that the agent started and left running.
      this.#signal('SIGKILL');
    });
    // The agent may close its input at any time, which makes writing fail.
    child.stdin.on('error', () => {});
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderrTail = (this.#stderrTail + text).slice(-STDERR_TAIL_CHARS);
    });
  }

  /** @throws Error the program cannot be started */
  static async start(
    { command, args }: ResolvedAgent,
    cwd: string,
    env: Readonly<Record<string, string>>,
  ): Promise<AgentProcess> {
    const child = spawn(command, args, {
      cwd,
      env,
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

  /** The end of the agent's standard error output, for the operator's log only. */
  get stderrTail(): string {
    return this.#stderrTail;
  }

  /** Resolves when the agent has exited, for any reason. */
  get exited(): Promise<void> {
    return this.#exited;
  }

  /**
   * Closes the agent's input; after `exitMs` milliseconds sends SIGTERM, and after as many again SIGKILL. Resolves when
   * the agent has exited and its output is closed, which a process that it left behind may hold open.
   */
  close(exitMs: number): Promise<void> {
    this.#closing ??= this.#close(exitMs);
    return this.#closing;
  }

  async #close(exitMs: number): Promise<void> {
    this.#child.stdin.end();
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      if (await this.#exitsWithin(exitMs)) break;
      this.#signal(signal);
    }
    await this.#exited;
    const { stdout, stderr } = this.#child;
    await settledWithin(
      finished(stdout).catch(() => {}),
      LAST_OUTPUT_MS,
    );
    stdout.destroy();
    stderr.destroy();
  }

  async #exitsWithin(ms: number): Promise<boolean> {
    await settledWithin(this.#exited, ms);
    return this.#hasExited;
  }

  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // The group has no process left.
    }
  }
}
