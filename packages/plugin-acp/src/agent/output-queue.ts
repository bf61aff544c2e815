import type { EngineOutput } from '@worker-runtime/core';
import type { RedactedOutputs } from '@worker-runtime/core/plugin-kit';

/** The most characters to buffer. Above this, the agent is not read from until the runtime has taken the outputs. */
const MAX_BUFFERED_CHARS = 262_144;

interface CommitWaiter {
  readonly upTo: number;
  readonly resolve: () => void;
}

const sizeOf = (output: EngineOutput): number =>
  output.type === 'text' || output.type === 'reasoning'
    ? output.text.length + 64
    : JSON.stringify(output).length;

/** A buffer of outputs between the connection, which pushes them, and the runtime, which pulls them. */
export class OutputQueue {
  readonly #redacted: RedactedOutputs;
  #buffer: EngineOutput[] = [];
  #bufferedChars = 0;
  #pushed = 0;
  #committed = 0;
  #end: { readonly error: unknown } | 'done' | null = null;
  #wake: () => void = () => {};
  readonly #roomWaiters: (() => void)[] = [];
  readonly #commitWaiters: CommitWaiter[] = [];

  constructor(redacted: RedactedOutputs) {
    this.#redacted = redacted;
  }

  push(...outputs: readonly EngineOutput[]): void {
    if (this.#end === null) this.#push(this.#redacted.of(outputs));
  }

  #push(outputs: readonly EngineOutput[]): void {
    for (const output of outputs) this.#bufferedChars += sizeOf(output);
    this.#buffer.push(...outputs);
    this.#pushed += outputs.length;
    this.#wake();
  }

  /** Ends the queue. The run completes when the runtime has taken all outputs. */
  close(): void {
    this.#close('done');
  }

  /** Ends the queue with an error. The run fails with it when the runtime has taken all outputs. */
  fail(error: unknown): void {
    this.#close({ error });
  }

  #close(end: { readonly error: unknown } | 'done'): void {
    if (this.#end !== null) return;
    this.#push(this.#redacted.rest());
    this.#end = end;
    this.#wake();
  }

  /** Resolves when the buffer has room for more outputs. */
  room(): Promise<void> {
    if (this.#bufferedChars < MAX_BUFFERED_CHARS || this.#end !== null) return Promise.resolve();
    return new Promise((resolve) => this.#roomWaiters.push(resolve));
  }

  /** Resolves when all outputs that were pushed so far are in the log, or when no more will be taken. */
  committed(): Promise<void> {
    if (this.#committed >= this.#pushed || this.#end !== null) return Promise.resolve();
    return new Promise((resolve) => this.#commitWaiters.push({ upTo: this.#pushed, resolve }));
  }

  /**
   * The outputs, in batches. A request for the next batch means that the one before it is committed. The last batch is
   * returned if nothing has to wait for its commit: `mayReturn` says so, and no caller of `committed` waits.
   */
  async *batches(
    mayReturn: () => boolean,
  ): AsyncGenerator<readonly EngineOutput[], readonly EngineOutput[] | undefined> {
    try {
      for (;;) {
        if (this.#end === 'done' && this.#commitWaiters.length === 0 && mayReturn()) return this.#buffer;
        if (this.#buffer.length > 0) {
          const batch = this.#buffer;
          const upTo = this.#pushed;
          this.#buffer = [];
          this.#bufferedChars = 0;
          for (const resolve of this.#roomWaiters.splice(0)) resolve();
          yield batch;
          this.#committed = upTo;
          for (const waiter of this.#commitWaiters.filter((waiter) => waiter.upTo <= upTo)) waiter.resolve();
        } else if (this.#end === 'done') return undefined;
        else if (this.#end !== null) throw this.#end.error;
        else
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
      }
    } finally {
      this.close();
      for (const resolve of this.#roomWaiters.splice(0)) resolve();
      for (const { resolve } of this.#commitWaiters.splice(0)) resolve();
    }
  }
}
