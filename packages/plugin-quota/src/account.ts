import { limitReached } from '@worker-runtime/core/plugin-kit';
import type { QuotaLimits } from './quota-options.ts';

const MINUTE_MS = 60_000;

/** An account, which is one value of the label: its limits, its running Workers and its inputs of the last minute. */
export class Account {
  readonly #limits: QuotaLimits;
  /** The Workers with an active run. */
  readonly #running = new Set<string>();
  /** The number of admitted commands that are not carried out yet, by Worker. */
  readonly #admitted = new Map<string, number>();
  /** A token bucket of inputs, which fills within a minute. */
  #inputs = Number.POSITIVE_INFINITY;
  #filledAtMs = 0;

  constructor(limits: QuotaLimits) {
    this.#limits = limits;
  }

  runStarted(workerId: string): void {
    this.#running.add(workerId);
  }

  runFinished(workerId: string): void {
    this.#running.delete(workerId);
  }

  /**
   * Takes a place for a run of a Worker. Returns the function that ends the reservation, when the run has started or the command was
   * refused. `tokens` are those of the day.
   * @throws LIMIT_REACHED `details.limit` is the option, `details.value` its value
   */
  admit(workerId: string, isInput: boolean, tokens: number, nowMs: number): () => void {
    const { inputsPerMinute, runningWorkers, tokensPerDay } = this.#limits;
    if (tokensPerDay !== undefined && tokens >= tokensPerDay)
      throw limitReached('quota.tokensPerDay', tokensPerDay);
    const isOneMore = !this.#running.has(workerId) && !this.#admitted.has(workerId);
    if (runningWorkers !== undefined && isOneMore && this.#busy >= runningWorkers)
      throw limitReached('quota.runningWorkers', runningWorkers);
    if (inputsPerMinute !== undefined && isInput) this.#takeInput(inputsPerMinute, nowMs);
    this.#admitted.set(workerId, (this.#admitted.get(workerId) ?? 0) + 1);
    return () => {
      const rest = (this.#admitted.get(workerId) ?? 1) - 1;
      if (rest === 0) this.#admitted.delete(workerId);
      else this.#admitted.set(workerId, rest);
    };
  }

  /** The number of Workers that run or are about to. */
  get #busy(): number {
    let busy = this.#running.size;
    for (const workerId of this.#admitted.keys()) if (!this.#running.has(workerId)) busy += 1;
    return busy;
  }

  #takeInput(inputsPerMinute: number, nowMs: number): void {
    // a clock that is set back would take inputs away
    const elapsedMs = Math.max(0, nowMs - this.#filledAtMs);
    const filled = this.#inputs + (elapsedMs / MINUTE_MS) * inputsPerMinute;
    this.#inputs = Math.min(inputsPerMinute, filled);
    this.#filledAtMs = nowMs;
    if (this.#inputs < 1) throw limitReached('quota.inputsPerMinute', inputsPerMinute);
    this.#inputs -= 1;
  }
}
