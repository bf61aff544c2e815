import type { ErrorCode } from '@worker-runtime/core';
import type { Connection } from './connection.ts';
import type { ResolvedLimits } from './options.ts';

/** All sockets of a plugin, and the one timer that checks them. */
export class Connections {
  readonly #open = new Set<Connection>();
  #pulse: NodeJS.Timeout | null = null;

  /** Starts the timer. */
  watch({ pingMs, bookmarkMs, stallMs }: ResolvedLimits): void {
    const everyMs = Math.ceil(Math.min(pingMs, bookmarkMs, stallMs) / 2);
    this.#pulse = setInterval(() => {
      const now = performance.now();
      for (const connection of this.#open) connection.pulse(now);
    }, everyMs);
    this.#pulse.unref();
  }

  /** Adds a connection until it is closed. */
  add(connection: Connection): void {
    this.#open.add(connection);
    void connection.closed.then(() => this.#open.delete(connection));
  }

  /** Makes every socket send what is due and close. Resolves when all are closed, or when the signal aborts. */
  async finish(reason: ErrorCode, signal: AbortSignal): Promise<void> {
    for (const connection of this.#open) connection.finish(reason);
    const aborted = new Promise<void>((resolve) => {
      if (signal.aborted) return resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.race([Promise.all([...this.#open].map(({ closed }) => closed)), aborted]);
  }

  /** Stops the timer and destroys the remaining sockets. */
  close(): void {
    if (this.#pulse) clearInterval(this.#pulse);
    for (const connection of this.#open) connection.terminate();
  }
}
