import type { Clock } from '../contracts/clock.ts';
import type { WorkerEvent } from '../contracts/event.ts';
import type { Limits } from '../contracts/limits.ts';
import type { RunWait, WaitEnd, WaitOptions } from '../contracts/run.ts';
import type { LogPosition } from '../log/cursor.ts';
import type { Worker } from '../workers/worker.ts';
import { FollowedRun } from './followed-run.ts';
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
   * Waits until a run has finished or asks for something, and reads its result. `from` is a position before the run's first
   * output; without it, the run is searched.
   * @throws RUN_NOT_FOUND
   */
  async wait(
    worker: Worker,
    runId: string,
    { waitMs = MAX_WAIT_MS, signal }: WaitOptions,
    from?: LogPosition,
  ): Promise<RunWait> {
    const { runs, limits } = this.#options;
    // events after `from` that are committed already could not be followed
    const followed = from?.seq === worker.state.head.seq ? new FollowedRun(runId, from, limits) : null;
    const waited = await this.#untilEnded(worker, runId, waitMs, signal, followed);
    if (waited !== 'finished') return { waited, run: null };
    return { waited, run: followed?.result ?? (await runs.result(worker, runId, from)) };
  }

  #untilEnded(
    worker: Worker,
    runId: string,
    waitMs: number,
    signal: AbortSignal | undefined,
    followed: FollowedRun | null,
  ): WaitEnd | Promise<WaitEnd> {
    const { clock, limits, areRunsEnded } = this.#options;
    const reached = (): WaitEnd | null => {
      const { run, queue, requests } = worker.state;
      if (run?.runId !== runId && !queue.some((queued) => queued.runId === runId)) return 'finished';
      if (requests.some((request) => request.runId === runId)) return 'asks';
      return areRunsEnded() ? 'stopping' : null;
    };
    const now = reached();
    if (now !== null) return now;
    if (signal?.aborted === true || waitMs <= 0) return 'timeout';
    return new Promise((resolve) => {
      // each commit of the Worker calls it, so it creates no promise
      const look = (committed: readonly WorkerEvent[]): void => {
        followed?.add(committed, worker.state);
        const end = reached();
        if (end === null) worker.ensureLive(limits).readers.onChange(look);
        else leave(end);
      };
      const timeOut = (): void => leave(reached() ?? 'timeout');
      const leave = (end: WaitEnd): void => {
        cancelTimer();
        signal?.removeEventListener('abort', timeOut);
        worker.live?.readers.cancel(look);
        resolve(end);
      };
      const cancelTimer = clock.after(waitMs, timeOut);
      signal?.addEventListener('abort', timeOut, { once: true });
      look([]);
    });
  }
}
