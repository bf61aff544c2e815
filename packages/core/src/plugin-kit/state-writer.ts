import type { Clock } from '../contracts/clock.ts';
import type { JsonValue } from '../contracts/json.ts';
import type { PluginHost } from '../contracts/plugin.ts';

/** The time between a change and its write, and the longest one before a write that failed is tried again. */
const WRITE_MS = 1_000;
const LAST_RETRY_MS = 60_000;

export interface StateWriterOptions {
  readonly host: Pick<PluginHost, 'state' | 'log'>;
  readonly clock: Clock;
  /** The value in words, for the log, such as `the tokens of the day`. */
  readonly name: string;
  /** Returns the present value. */
  readonly read: () => JsonValue;
}

/**
 * Writes the state of a plugin that changes often: at most once a second, and again with backoff after a failure. A crash loses the
 * changes since the last write.
 */
export class StateWriter {
  readonly #options: StateWriterOptions;
  #isChanged = false;
  #isClosed = false;
  #delayMs = WRITE_MS;
  #cancelTimer: (() => void) | null = null;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: StateWriterOptions) {
    this.#options = options;
  }

  /** Notes that the value has changed. */
  changed(): void {
    this.#isChanged = true;
    if (this.#isClosed) return;
    this.#cancelTimer ??= this.#options.clock.after(this.#delayMs, () => {
      this.#cancelTimer = null;
      this.#write();
    });
  }

  /** Writes what has changed. Resolves when it is stored, or its failure is logged. */
  async flush(): Promise<void> {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#write();
    await this.#writing;
  }

  /** Writes what has changed for the last time. Resolves as `flush` does. */
  close(): Promise<void> {
    this.#isClosed = true;
    return this.flush();
  }

  #write(): void {
    if (!this.#isChanged) return;
    const { host, name, read } = this.#options;
    this.#isChanged = false;
    this.#writing = host.state.write(read()).then(
      () => {
        this.#delayMs = WRITE_MS;
      },
      (error: unknown) => {
        host.log.warn({ err: error }, `${name} could not be stored`);
        this.#delayMs = Math.min(2 * this.#delayMs, LAST_RETRY_MS);
        this.changed();
      },
    );
  }
}
