import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** The requests that are being answered: what a drain waits for. */
export class Exchanges {
  readonly #open = new Set<ServerResponse>();
  #idle: () => void = () => {};

  add(response: ServerResponse): void {
    this.#open.add(response);
    response.once('close', () => {
      this.#open.delete(response);
      if (this.#open.size === 0) this.#idle();
    });
  }

  /** Whether an answer has begun on this connection, so that nothing else may be written between. */
  hasAnswered(socket: Duplex): boolean {
    for (const response of this.#open) if (response.socket === socket && response.headersSent) return true;
    return false;
  }

  /** Resolves when no request is open; the signal ends the waiting. */
  settled(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (this.#open.size === 0 || signal.aborted) return resolve();
      this.#idle = resolve;
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }
}
