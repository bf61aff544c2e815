import type { Activity } from './regular-answer.ts';

/** The factor by which signs of life, such as comments and pings, extend the time without output. */
const ALIVE_FACTOR = 10;

export interface SilenceLimits {
  /** The longest time without a sign of life. */
  readonly stallMs: number;
  /** The longest time until the first output, if it differs. */
  readonly firstTokenMs: number | undefined;
}

/**
 * Watches the answer of a provider. Calls `exceeded` once, with the limit, if the provider is silent for too long, or if
 * it sends only signs of life for much longer.
 */
export class SilenceLimit implements Activity {
  readonly #limits: SilenceLimits;
  readonly #exceeded: (limitMs: number) => void;
  #silence: NodeJS.Timeout;
  #noOutput: NodeJS.Timeout;
  #hasOutput = false;
  #isPaused = false;
  #hasEnded = false;
  #outputs = 0;
  /** The signs of life, which include the outputs. */
  #signs = 0;

  readonly #countSigns = (): number => this.#signs;
  readonly #countOutputs = (): number => this.#outputs;

  constructor(limits: SilenceLimits, exceeded: (limitMs: number) => void) {
    this.#limits = limits;
    this.#exceeded = exceeded;
    const { stallMs, firstTokenMs } = limits;
    this.#silence = this.#timer(firstTokenMs ?? stallMs, this.#countSigns);
    this.#noOutput = this.#timer(firstTokenMs ?? stallMs * ALIVE_FACTOR, this.#countOutputs);
  }

  alive(): void {
    this.#signs += 1;
    this.#silence.refresh();
  }

  output(): void {
    this.#outputs += 1;
    if (this.#hasOutput) this.#noOutput.refresh();
    else {
      this.#hasOutput = true;
      this.#clear();
      this.#silence = this.#timer(this.#limits.stallMs, this.#countSigns);
      this.#noOutput = this.#timer(this.#limits.stallMs * ALIVE_FACTOR, this.#countOutputs);
    }
    this.alive();
  }

  /** Ignores the limits while the output that arrived is recorded. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#silence.refresh();
    this.#noOutput.refresh();
  }

  end(): void {
    this.#hasEnded = true;
    this.#clear();
  }

  #clear(): void {
    clearTimeout(this.#silence);
    clearTimeout(this.#noOutput);
  }

  /**
   * Starts a timer. When the event loop was blocked, timers fire before data that has arrived is read, so the limit is
   * exceeded only if there is none.
   */
  #timer(limitMs: number, count: () => number): NodeJS.Timeout {
    return setTimeout(() => {
      const before = count();
      setImmediate(() =>
        setImmediate(() => {
          if (!this.#isPaused && !this.#hasEnded && count() === before) this.#exceeded(limitMs);
        }),
      );
    }, limitMs);
  }
}
