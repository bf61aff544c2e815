import type { Clock, JsonValue, PluginHost } from '@worker-runtime/core';

/** The time between two writes at least. A crash loses the counts since the last one. */
const WRITE_MS = 1_000;

/** The stored form: a day, and the tokens of each account on it. */
interface Stored {
  readonly day: string;
  readonly tokens: Readonly<Record<string, number>>;
}

const isStored = (value: JsonValue | Stored): value is Stored =>
  typeof value === 'object' && value !== null && 'day' in value && 'tokens' in value;

/**
 * The tokens that each account has used on the current day of UTC. They are stored as the state of the plugin, because a log takes
 * its usage with it when its Worker is deleted.
 */
export class SpentTokens {
  readonly #host: PluginHost;
  readonly #clock: Clock;
  #day = '';
  #tokens = new Map<string, number>();
  #isChanged = false;
  #cancelTimer: (() => void) | null = null;
  #writing: Promise<void> = Promise.resolve();

  constructor(host: PluginHost, clock: Clock) {
    this.#host = host;
    this.#clock = clock;
  }

  /** Reads the counts of the last process. */
  async read(): Promise<void> {
    const stored = await this.#host.state.read();
    if (!isStored(stored)) return;
    this.#day = stored.day;
    this.#tokens = new Map(Object.entries(stored.tokens));
  }

  /** Returns the tokens of an account on the current day. */
  today(account: string): number {
    const today = new Date(this.#clock.now()).toISOString().slice(0, 10);
    return today === this.#day ? (this.#tokens.get(account) ?? 0) : 0;
  }

  /** Counts tokens at a time. Those of a day before the last one are too late to matter. */
  add(account: string, time: string, tokens: number): void {
    const day = time.slice(0, 10);
    if (tokens === 0 || day < this.#day) return;
    if (day > this.#day) {
      this.#day = day;
      this.#tokens.clear();
    }
    this.#tokens.set(account, (this.#tokens.get(account) ?? 0) + tokens);
    this.#isChanged = true;
    this.#cancelTimer ??= this.#clock.after(WRITE_MS, () => {
      this.#cancelTimer = null;
      this.#write();
    });
  }

  /** Writes what has changed. Resolves when all is stored, or its failure is logged. */
  async close(): Promise<void> {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#write();
    await this.#writing;
  }

  #write(): void {
    if (!this.#isChanged) return;
    this.#isChanged = false;
    const stored: Stored = { day: this.#day, tokens: Object.fromEntries(this.#tokens) };
    this.#writing = this.#host.state.write({ ...stored }).catch((error: unknown) => {
      this.#isChanged = true;
      this.#host.log.warn(
        { err: error },
        'the tokens of the day could not be stored; the next change tries again',
      );
    });
  }
}
