import type { Clock, JsonValue, PluginHost } from '@worker-runtime/core';
import { StateWriter } from '@worker-runtime/core/plugin-kit';

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
  readonly #writer: StateWriter;
  #day = '';
  #tokens = new Map<string, number>();

  constructor(host: PluginHost, clock: Clock) {
    this.#host = host;
    this.#clock = clock;
    this.#writer = new StateWriter({
      host,
      clock,
      name: 'the tokens of the day',
      read: () => this.#stored,
    });
  }

  /** Reads the counts of the last process. */
  async read(): Promise<void> {
    const stored = await this.#host.state.read();
    if (!isStored(stored)) return;
    this.#day = stored.day;
    this.#tokens = new Map(Object.entries(stored.tokens));
  }

  /** Returns the tokens of an account on the current day. A clock that is set back does not begin an earlier day. */
  today(account: string): number {
    const today = new Date(this.#clock.now()).toISOString().slice(0, 10);
    return today > this.#day ? 0 : (this.#tokens.get(account) ?? 0);
  }

  /** Counts tokens at a time. Those of a day before the last one count for the last one. */
  add(account: string, time: string, tokens: number): void {
    const day = time.slice(0, 10);
    if (tokens === 0) return;
    if (day > this.#day) {
      this.#day = day;
      this.#tokens.clear();
    }
    this.#tokens.set(account, (this.#tokens.get(account) ?? 0) + tokens);
    this.#writer.changed();
  }

  /** Writes what has changed. Resolves when all is stored, or its failure is logged. */
  close(): Promise<void> {
    return this.#writer.close();
  }

  get #stored(): Stored & JsonValue {
    return { day: this.#day, tokens: Object.fromEntries(this.#tokens) };
  }
}
