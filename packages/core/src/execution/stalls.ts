import type { Clock } from '../contracts/clock.ts';
import type { RunError } from '../contracts/event.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type { Report } from '../diagnostics.ts';
import type { Worker } from '../workers/worker.ts';

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

/** Inputs of a Worker wait, and the last try to go on with them failed. */
export interface Stall {
  readonly error: RunError;
  readonly pauseMs: number;
  /** Calls the next try off; null once that has begun. */
  callOff: (() => void) | null;
}

export interface StallsOptions {
  readonly clock: Clock;
  readonly report: (report: Report) => void;
  /** Told when it shows of a Worker that it is stalled, or why. */
  readonly changed: (worker: Worker) => void;
}

/** The Workers whose inputs cannot be gone on with just now: each is told once for each reason, and tried again. */
export class Stalls {
  readonly #options: StallsOptions;
  readonly #stalled = new Set<Worker>();
  #isClosed = false;

  constructor(options: StallsOptions) {
    this.#options = options;
  }

  /** A try has failed. Tries at the same time, which share what they fail with, count as one. */
  begin(worker: Worker, cause: unknown, again: () => void): void {
    const { live } = worker;
    if (this.#isClosed || !live || live.stall?.callOff) return;
    const { clock, report, changed } = this.#options;
    const last = live.stall;
    const { code, message } = RuntimeError.from(cause);
    const pauseMs = last ? Math.min(last.pauseMs * 2, LONGEST_PAUSE_MS) : FIRST_PAUSE_MS;
    const callOff = clock.after(pauseMs, () => {
      stall.callOff = null;
      again();
    });
    const stall: Stall = { error: { code, message }, pauseMs, callOff };
    live.stall = stall;
    this.#stalled.add(worker);
    if (last?.error.code === code && last.error.message === message) return;
    report({
      severity: 'warning',
      code,
      message: `Queued inputs have to wait: ${message}`,
      worker: worker.workerId,
      cause,
    });
    changed(worker);
  }

  /** Nothing waits any more, or it is gone on with. */
  end(worker: Worker): void {
    if (!this.#stalled.delete(worker) || !worker.live) return;
    worker.live.stall?.callOff?.();
    worker.live.stall = null;
  }

  /** From here on nothing is tried again. */
  close(): void {
    this.#isClosed = true;
    for (const worker of this.#stalled) this.end(worker);
  }
}
