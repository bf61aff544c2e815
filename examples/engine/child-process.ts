// An engine of your own: each Worker gets a process that reads one line an input and answers until its next newline.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import type { Engine, EngineContext, EngineOutput, EngineSession, Run } from '@worker-runtime/core';

type Child = ChildProcessByStdio<Writable, Readable, null>;

class ChildProcessSession implements EngineSession {
  readonly #start: () => Child;
  readonly #context: EngineContext;
  /** Processes that this session ended itself: their end is no loss. */
  readonly #dismissed = new WeakSet<Child>();
  #child: Child | null = null;

  constructor(context: EngineContext, start: () => Child) {
    this.#context = context;
    this.#start = start;
  }

  /** Rejects when the program cannot be started, which refuses the command that wanted the engine. */
  async begin(): Promise<Child> {
    const child = this.#start();
    child.stdout.setEncoding('utf8');
    child.stdin.on('error', () => {}); // a process that is gone says so by its exit
    await once(child, 'spawn');
    this.#child = child;
    child.once('exit', (code, signal) => {
      this.#child = null;
      if (!this.#dismissed.has(child))
        this.#context.lost(new Error(`the process ended by ${signal ?? code}`));
    });
    return child;
  }

  async *run(run: Run): AsyncGenerator<EngineOutput> {
    const child = this.#child ?? (await this.begin()); // a cancelled run took the process with it
    const dismiss = (): void => this.#dismiss(child);
    run.signal.addEventListener('abort', dismiss);
    try {
      run.signal.throwIfAborted();
      const line = run.input?.parts.map(({ text }) => text).join(' ') ?? '';
      child.stdin.write(`${line.replaceAll('\n', ' ')}\n`);
      for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
        const [text, rest] = String(chunk).split('\n');
        if (text) yield { type: 'text', text };
        if (rest === undefined) continue;
        yield { type: 'message' };
        return;
      }
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      throw new Error('the answer broke off');
    } finally {
      run.signal.removeEventListener('abort', dismiss);
    }
  }

  async detach(): Promise<void> {
    if (this.#child === null) return;
    const gone = once(this.#child, 'exit');
    this.#dismiss(this.#child);
    await gone;
  }

  #dismiss(child: Child): void {
    this.#dismissed.add(child);
    child.kill('SIGKILL');
  }
}

export const childProcessEngine = (name: string, command: string, args: readonly string[]): Engine => ({
  name,
  capabilities: { placement: 'localProcess' },
  async attach(context) {
    const session = new ChildProcessSession(context, () =>
      spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] }),
    );
    await session.begin();
    return session;
  },
});
