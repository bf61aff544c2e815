import type { Limits } from '../contracts/limits.ts';
import { limitReached } from '../contracts/runtime-error.ts';

/** The text in flight of all runs, with a limit. */
export class InFlightTotal {
  readonly #limitBytes: number;
  #bytes = 0;
  #messages = 0;

  constructor({ totalInFlightBytes }: Limits) {
    this.#limitBytes = totalInFlightBytes;
  }

  /** Notes that a message has begun. */
  begin(): void {
    this.#messages += 1;
  }

  /**
   * Adds text to a message that has `messageBytes` with it.
   * @throws LIMIT_REACHED the total is exceeded, and the message has more than an equal share of it
   */
  add(bytes: number, messageBytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes <= this.#limitBytes || messageBytes <= this.#limitBytes / this.#messages) return;
    throw limitReached('totalInFlightBytes', this.#limitBytes, 'All runs stream too much text together');
  }

  /** Notes that a message has ended, and subtracts its text. */
  end(messageBytes: number): void {
    this.#bytes -= messageBytes;
    this.#messages -= 1;
  }
}
