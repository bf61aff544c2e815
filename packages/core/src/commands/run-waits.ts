import type { Clock } from '../contracts/clock.ts';
import type { Limits } from '../contracts/limits.ts';
import type { RunWait, WaitEnd, WaitOptions } from '../contracts/runtime-api.ts';
import type { LogPosition } from '../log/cursor.ts';
import type { Worker } from '../workers/worker.ts';
import type { RunLog } from './run-log.ts';

export interface RunWaitsOptions {
  readonly limits: Limits;
  readonly clock: Clock;
  readonly runs: RunLog;
  /** True once the runtime has ended its runs: a run that is still pending then does not end in this process. */
  readonly areRunsEnded: () => boolean;
}

/** A day, which is longer than a caller keeps a call open. */
export const MAX_WAIT_MS = 86_400_000;

/** Waits for runs. */
export class RunWaits {
  readonly #options: RunWaitsOptions;

  constructor(options: RunWaitsOptions) {
    this.#options = options;
  }

  /**
   * Waits until a run has finished or asks for something, and reads its result. `from` is a position before the run's
   * start; without it, the run is searched.
   * @throws RUN_NOT_FOUND
   */
  async wait(
    worker: Worker,
    runId: string,
    { waitMs = MAX_WAIT_MS, signal }: WaitOptions,
    from?: LogPosition,
  ): Promise<RunWait> {
    const waited = await this.#untilEnded(worker, runId, waitMs, signal);
    if (waited !== 'finished') return { waited, run: null };
    const run = await this.#options.runs.result(worker, runId, from);
    return { waited, run };
  }

  async #untilEnded(
    worker: Worker,
    runId: string,
    waitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<WaitEnd> {
    const { clock, limits, areRunsEnded } = this.#options;
    const isPending = (): boolean =>
      worker.state.run?.runId === runId || worker.state.queue.some((queued) => queued.runId === runId);
    const isAsking = (): boolean => worker.state.requests.some((request) => request.runId === runId);
    let isOver = signal?.aborted === true || waitMs <= 0;
    let wake = (): void => {};
    const end = (): void => {
      isOver = true;
      wake();
    };
    const cancelTimer = clock.after(waitMs, end);
    signal?.addEventListener('abort', end, { once: true });
    try {
      while (isPending() && !isAsking() && !isOver && !areRunsEnded()) {
        const { readers } = worker.ensureLive(limits);
        await new Promise<void>((resolve) => {
          wake = resolve;
          readers.onChange(resolve);
        });
        readers.cancel(wake);
      }
    } finally {
      cancelTimer();
      signal?.removeEventListener('abort', end);
    }
    if (!isPending()) return 'finished';
    if (isAsking()) return 'asks';
    return areRunsEnded() ? 'stopping' : 'timeout';
  }
}
