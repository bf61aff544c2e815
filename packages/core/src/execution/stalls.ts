import type { Clock } from '../contracts/clock.ts';
import type { RunError } from '../contracts/event.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type { Report } from '../diagnostics.ts';
import type { Worker } from '../workers/worker.ts';

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

/** Queued inputs of a Worker that cannot start, because the last attempt failed. */
export interface Stall {
  readonly error: RunError;
  readonly pauseMs: number;
  /** Cancels the next attempt; null once that attempt has begun. */
  cancelRetry: (() => void) | null;
}

/** The part of a Worker's execution state in which its stall is kept. */
interface StallHolder {
  stall: Stall | null;
}

export interface StallsOptions {
  readonly clock: Clock;
  readonly report: (report: Report) => void;
  /** Called when the summary of a Worker has changed because of a stall. */
  readonly changed: (worker: Worker) => void;
  /** The holder of a live Worker; null for any other. */
  readonly holderOf: (worker: Worker) => StallHolder | null;
}

/** Tracks Workers whose queued inputs are blocked. Reports each Worker once per cause and retries with backoff. */
export class Stalls {
  readonly #options: StallsOptions;
  readonly #stalled = new Set<Worker>();
  #isClosed = false;

  constructor(options: StallsOptions) {
    this.#options = options;
  }

  /**
   * Records a failed attempt and schedules `retry`, after `firstPauseMs` or twice the pause before. Attempts that fail together
   * count as one.
   */
  begin(worker: Worker, cause: unknown, retry: () => void, firstPauseMs = FIRST_PAUSE_MS): void {
    const { clock, report, changed, holderOf } = this.#options;
    const holder = holderOf(worker);
    if (this.#isClosed || !holder || holder.stall?.cancelRetry) return;
    const last = holder.stall;
    const { code, message } = RuntimeError.from(cause);
    const pauseMs = Math.min(last ? last.pauseMs * 2 : firstPauseMs, LONGEST_PAUSE_MS);
    const cancelRetry = clock.after(pauseMs, () => {
      stall.cancelRetry = null;
      retry();
    });
    const stall: Stall = { error: { code, message }, pauseMs, cancelRetry };
    holder.stall = stall;
    this.#stalled.add(worker);
    if (last?.error.code === code && last.error.message === message) return;
    report({
      severity: 'warning',
      code,
      message: `${worker.state.run ? 'An interrupted run is' : 'Queued inputs are'} waiting: ${message}`,
      worker: worker.workerId,
      cause,
    });
    changed(worker);
  }

  /** Ends the stall of a Worker, after its queue is empty or has continued. */
  end(worker: Worker): void {
    const holder = this.#options.holderOf(worker);
    if (!this.#stalled.delete(worker) || !holder) return;
    holder.stall?.cancelRetry?.();
    holder.stall = null;
  }

  /** Cancels all retries and schedules no others. */
  close(): void {
    this.#isClosed = true;
    for (const worker of this.#stalled) this.end(worker);
  }
}
