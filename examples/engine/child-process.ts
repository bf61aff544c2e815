// An engine with a process for each Worker. The process reads each input as one line, and ends its answer with a
// newline.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import {
  type Engine,
  type EngineContext,
  type EngineOutput,
  type EngineSession,
  inputText,
  type Run,
} from '@worker-runtime/core';

type Child = ChildProcessByStdio<Writable, Readable, null>;

class ChildProcessSession implements EngineSession {
  readonly #spawn: () => Child;
  readonly #context: EngineContext;
  /** The processes that this session killed itself. Their exit must not be reported as a loss. */
  readonly #killed = new WeakSet<Child>();
  #child: Child | null = null;

  constructor(context: EngineContext, spawnChild: () => Child) {
    this.#context = context;
    this.#spawn = spawnChild;
  }

  /** Starts the process. Rejects if it cannot be started, which refuses the command that attached the engine. */
  async start(): Promise<Child> {
    const child = this.#spawn();
    child.stdout.setEncoding('utf8');
    child.stdin.on('error', () => {}); // the exit event reports a process that has ended
    await once(child, 'spawn');
    this.#child = child;
    child.once('exit', (code, signal) => {
      this.#child = null;
      child.stdout.destroy(); // a process that it left behind may hold it open, and later output would be refused
      if (!this.#killed.has(child)) this.#context.lost(new Error(`The process ended with ${signal ?? code}`));
    });
    return child;
  }

  async *run(run: Run): AsyncGenerator<EngineOutput> {
    const child = this.#child ?? (await this.start()); // a cancelled run has killed the process
    const kill = (): void => this.#kill(child);
    run.signal.addEventListener('abort', kill);
    try {
      run.signal.throwIfAborted();
      const line = inputText(run.input, ' ');
      child.stdin.write(`${line.replaceAll('\n', ' ')}\n`);
      for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
        const [text, rest] = String(chunk).split('\n');
        if (text) yield { type: 'text', text };
        if (rest === undefined) continue;
        yield { type: 'message' };
        return;
      }
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      throw new Error('The answer is incomplete');
    } finally {
      run.signal.removeEventListener('abort', kill);
    }
  }

  async detach(): Promise<void> {
    if (this.#child === null) return;
    const exited = once(this.#child, 'exit');
    this.#kill(this.#child);
    await exited;
  }

  #kill(child: Child): void {
    this.#killed.add(child);
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
    await session.start();
    return session;
  },
});
