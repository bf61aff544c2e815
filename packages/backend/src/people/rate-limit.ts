import { RuntimeError } from '@worker-runtime/core';

const WINDOW_MS = 60_000;
const MAX_KEYS = 10_000;

/** Counts what one sender does within a minute. A sender is a network or a person. */
export class RateLimit {
  readonly #max: number;
  readonly #message: string;
  /** `until` is steady time, in ms: a clock that is set back would make the minute longer. */
  readonly #counts = new Map<string, { count: number; readonly until: number }>();
  /** The number of attempts of each sender that are in progress. */
  readonly #attempts = new Map<string, number>();

  constructor(max: number, message: string) {
    this.#max = max;
    this.#message = message;
  }

  /** Counts one more. @throws LIMIT_REACHED the sender has reached the limit: `most`, or that of all */
  take(sender: string, most = this.#max): void {
    this.#assertBelow(sender, most);
    this.#count(sender);
  }

  /** `more` is the number of those that may be counted later. */
  #assertBelow(sender: string, most: number, more = 0): void {
    const { count, until } = this.#counts.get(sender) ?? { count: 0, until: 0 };
    if ((until > performance.now() ? count : 0) + more >= most)
      throw new RuntimeError('LIMIT_REACHED', this.#message, { details: { value: most } });
  }

  #count(sender: string): void {
    const now = performance.now();
    const current = this.#counts.get(sender);
    if (current !== undefined && current.until > now) {
      current.count += 1;
      return;
    }
    this.#counts.delete(sender);
    // the oldest one comes first
    if (this.#counts.size >= MAX_KEYS) this.#counts.delete(this.#counts.keys().next().value as string);
    this.#counts.set(sender, { count: 1, until: now + WINDOW_MS });
  }

  /**
   * Makes an attempt, and counts it if it fails with UNAUTHENTICATED.
   * @throws LIMIT_REACHED the sender has failed too often, or would if the attempts in progress fail · the error of the attempt
   */
  async attempt<T>(sender: string, act: () => T | Promise<T>): Promise<T> {
    const others = this.#attempts.get(sender) ?? 0;
    this.#assertBelow(sender, this.#max, others);
    this.#attempts.set(sender, others + 1);
    try {
      return await act();
    } catch (error) {
      if (error instanceof RuntimeError && error.code === 'UNAUTHENTICATED') this.#count(sender);
      throw error;
    } finally {
      const left = (this.#attempts.get(sender) ?? 1) - 1;
      if (left === 0) this.#attempts.delete(sender);
      else this.#attempts.set(sender, left);
    }
  }
}

/** Returns the limit of failed logins. */
export const failedLogins = (): RateLimit =>
  new RateLimit(10, 'Too many logins have failed or are in progress; try again in a minute');
