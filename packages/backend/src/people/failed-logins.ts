import type { IncomingMessage } from 'node:http';
import { RuntimeError } from '@worker-runtime/core';

const WINDOW_MS = 60_000;
const MAX_FAILURES = 10;
const MAX_ADDRESSES = 10_000;

/** The failed logins of each address within a minute. */
export class FailedLogins {
  readonly #failures = new Map<string, { count: number; readonly until: number }>();

  /**
   * Makes an attempt, and counts it if it fails with UNAUTHENTICATED.
   * @throws LIMIT_REACHED the address has failed ten times within a minute · the error of the attempt
   */
  async attempt<T>({ socket }: IncomingMessage, login: () => Promise<T>): Promise<T> {
    const address = socket.remoteAddress ?? '';
    this.#assertMayTry(address);
    try {
      return await login();
    } catch (error) {
      if (error instanceof RuntimeError && error.code === 'UNAUTHENTICATED') this.#failed(address);
      throw error;
    }
  }

  #assertMayTry(address: string): void {
    const failures = this.#failures.get(address);
    if (failures === undefined || failures.count < MAX_FAILURES) return;
    if (failures.until > Date.now())
      throw new RuntimeError('LIMIT_REACHED', 'Too many logins have failed; try again in a minute');
    this.#failures.delete(address);
  }

  #failed(address: string): void {
    const now = Date.now();
    const current = this.#failures.get(address);
    if (current !== undefined && current.until > now) {
      current.count += 1;
      return;
    }
    this.#failures.delete(address);
    // the oldest one comes first
    if (this.#failures.size >= MAX_ADDRESSES)
      this.#failures.delete(this.#failures.keys().next().value as string);
    this.#failures.set(address, { count: 1, until: now + WINDOW_MS });
  }
}
