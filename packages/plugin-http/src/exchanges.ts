import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** The requests in progress. A drain waits for them. */
export class Exchanges {
  readonly #open = new Set<ServerResponse>();
  #idle: () => void = () => {};

  /** Adds a request until its response is closed. */
  add(response: ServerResponse): void {
    this.#open.add(response);
    response.once('close', () => {
      this.#open.delete(response);
      if (this.#open.size === 0) this.#idle();
    });
  }

  /** True if a response has begun on this connection; anything else written to it would corrupt the response. */
  hasAnswered(socket: Duplex): boolean {
    for (const response of this.#open) if (response.socket === socket && response.headersSent) return true;
    return false;
  }

  /** Resolves when no request is in progress, or when the signal aborts. */
  settled(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (this.#open.size === 0 || signal.aborted) return resolve();
      this.#idle = resolve;
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }
}
