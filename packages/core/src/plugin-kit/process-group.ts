import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';

const STDERR_TAIL_CHARS = 4_096;
/** The time in which the last output of an exited program is read. */
const LAST_OUTPUT_MS = 100;

/** A program to start, with its complete environment. */
export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string | undefined;
  readonly env: Readonly<Record<string, string>>;
}

/** Resolves with true when the promise has resolved, or with false after `ms` milliseconds. */
const within = async (promise: Promise<unknown>, ms: number): Promise<boolean> => {
  const timer = new AbortController();
  const isInTime = promise.then(() => true);
  const late = delay(ms, false, { signal: timer.signal }).catch(() => false);
  const result = await Promise.race([isInTime, late]);
  timer.abort();
  return result;
};

/** The groups that have not ended. They end with this process, unless it is killed: a program may not notice that its input ends. */
const running = new Set<ProcessGroup>();
const endAll = (): void => {
  for (const group of running) group.kill();
};

/** A program and all processes that it starts. They share a process group, which is ended as a whole. */
export class ProcessGroup {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #exited: Promise<void>;
  #closing: Promise<void> | null = null;
  #stderrTail = '';

  private constructor(child: ChildProcessByStdio<Writable, Readable, Readable>) {
    this.#child = child;
    if (running.size === 0) process.on('exit', endAll);
    running.add(this);
    this.#exited = once(child, 'exit').then(() => {
      // Ends the processes that the program started and left running.
      this.kill();
      running.delete(this);
      if (running.size === 0) process.off('exit', endAll);
    });
    // The program may close its input at any time, which makes writing fail.
    child.stdin.on('error', () => {});
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderrTail = (this.#stderrTail + text).slice(-STDERR_TAIL_CHARS);
    });
  }

  /** Starts the program. On return it runs. @throws Error the program cannot be started */
  static async start({ command, args, cwd, env }: Program): Promise<ProcessGroup> {
    const child = spawn(command, args, {
      ...(cwd !== undefined && { cwd }),
      env,
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    await once(child, 'spawn');
    return new ProcessGroup(child);
  }

  get input(): Writable {
    return this.#child.stdin;
  }

  get output(): Readable {
    return this.#child.stdout;
  }

  /** The standard error output, as text. It is read in any case. */
  get errors(): Readable {
    return this.#child.stderr;
  }

  /** The end of the standard error output, for the operator's log only. */
  get stderrTail(): string {
    return this.#stderrTail;
  }

  /** Resolves when the program has exited, for any reason. */
  get exited(): Promise<void> {
    return this.#exited;
  }

  /**
   * Closes the input of the program; after `exitMs` milliseconds sends SIGTERM, and after as many again SIGKILL. Resolves when
   * the program has exited and its output is closed, which a process that left the group may hold open.
   */
  close(exitMs: number): Promise<void> {
    this.#closing ??= this.#close(exitMs);
    return this.#closing;
  }

  /** Ends all processes at once. */
  kill(): void {
    this.#signal('SIGKILL');
  }

  async #close(exitMs: number): Promise<void> {
    const { stdin, stdout, stderr } = this.#child;
    stdin.end();
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      if (await within(this.#exited, exitMs)) break;
      this.#signal(signal);
    }
    await this.#exited;
    await within(
      finished(stdout).catch(() => {}),
      LAST_OUTPUT_MS,
    );
    stdout.destroy();
    stderr.destroy();
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
