import type { ErrorCode } from '@worker-runtime/core';
import type { Connection } from './connection.ts';
import type { ResolvedLimits } from './options.ts';

/** All sockets of a plugin, and the one timer that looks after them. */
export class Connections {
  readonly #open = new Set<Connection>();
  #pulse: NodeJS.Timeout | null = null;

  /** Begins to look after them. */
  watch({ pingMs, bookmarkMs, stallMs }: ResolvedLimits): void {
    const everyMs = Math.ceil(Math.min(pingMs, bookmarkMs, stallMs) / 2);
    this.#pulse = setInterval(() => {
      const now = performance.now();
      for (const connection of this.#open) connection.pulse(now);
    }, everyMs);
    this.#pulse.unref();
  }

  add(connection: Connection): void {
    this.#open.add(connection);
    void connection.closed.then(() => this.#open.delete(connection));
  }

  /** Lets every socket say what is due and then why it closes. Resolves when all are gone, or the signal cut them. */
  async finish(reason: ErrorCode, signal: AbortSignal): Promise<void> {
    for (const connection of this.#open) connection.finish(reason);
    const cut = new Promise<void>((resolve) => {
      if (signal.aborted) return resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.race([Promise.all([...this.#open].map(({ closed }) => closed)), cut]);
  }

  /** Lets go of all that is left. */
  close(): void {
    if (this.#pulse) clearInterval(this.#pulse);
    for (const connection of this.#open) connection.cut();
  }
}
