import type { EngineOutput, RedactedOutputs } from '@worker-runtime/core';

/** Above this, an agent is not read from until what it said is taken. */
const ROOM_CHARS = 262_144;

interface Waiter {
  readonly upTo: number;
  readonly resolve: () => void;
}

const sizeOf = (output: EngineOutput): number =>
  output.type === 'text' || output.type === 'reasoning'
    ? output.text.length + 64
    : JSON.stringify(output).length;

/** What an agent says, on its way from the connection that pushes to the runtime that pulls. */
export class OutputQueue {
  readonly #redacted: RedactedOutputs;
  #waiting: EngineOutput[] = [];
  #chars = 0;
  #pushed = 0;
  #committed = 0;
  #end: { readonly error: unknown } | 'done' | null = null;
  #wake: () => void = () => {};
  readonly #rooms: (() => void)[] = [];
  readonly #commits: Waiter[] = [];

  constructor(redacted: RedactedOutputs) {
    this.#redacted = redacted;
  }

  push(...outputs: readonly EngineOutput[]): void {
    if (this.#end === null) this.#push(this.#redacted.of(outputs));
  }

  #push(outputs: readonly EngineOutput[]): void {
    for (const output of outputs) this.#chars += sizeOf(output);
    this.#waiting.push(...outputs);
    this.#pushed += outputs.length;
    this.#wake();
  }

  /** All was said. */
  close(): void {
    this.#close('done');
  }

  /** The run fails with this, after what was said is taken. */
  fail(error: unknown): void {
    this.#close({ error });
  }

  #close(end: { readonly error: unknown } | 'done'): void {
    if (this.#end !== null) return;
    this.#push(this.#redacted.rest());
    this.#end = end;
    this.#wake();
  }

  /** Resolves when there is room for more. */
  room(): Promise<void> {
    if (this.#chars < ROOM_CHARS || this.#end !== null) return Promise.resolve();
    return new Promise((resolve) => this.#rooms.push(resolve));
  }

  /** Resolves when all that was pushed so far is in the log, or never will be. */
  committed(): Promise<void> {
    if (this.#committed >= this.#pushed || this.#end !== null) return Promise.resolve();
    return new Promise((resolve) => this.#commits.push({ upTo: this.#pushed, resolve }));
  }

  /** What was pushed, batch by batch. Asking for the next one says that the one before is committed. */
  async *batches(): AsyncGenerator<readonly EngineOutput[]> {
    try {
      for (;;) {
        if (this.#waiting.length > 0) {
          const batch = this.#waiting;
          const upTo = this.#pushed;
          this.#waiting = [];
          this.#chars = 0;
          for (const resolve of this.#rooms.splice(0)) resolve();
          yield batch;
          this.#committed = upTo;
          for (const waiter of this.#commits.filter((one) => one.upTo <= upTo)) waiter.resolve();
        } else if (this.#end === 'done') return;
        else if (this.#end !== null) throw this.#end.error;
        else
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
      }
    } finally {
      this.close();
      for (const resolve of this.#rooms.splice(0)) resolve();
      for (const { resolve } of this.#commits.splice(0)) resolve();
    }
  }
}
