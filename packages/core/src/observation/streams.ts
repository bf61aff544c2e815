import type { Cursor } from '../contracts/cursor.ts';
import type { Limits } from '../contracts/limits.ts';
import type { ObserveOptions } from '../contracts/observation.ts';
import { type ErrorCode, limitReached, type RuntimeError } from '../contracts/runtime-error.ts';
import type { WorkerDetail, WorkerSummary } from '../contracts/worker.ts';
import { mintId } from '../id.ts';
import { encodeWatchCursor } from '../log/cursor.ts';
import type { LogReader } from '../log/log-reader.ts';
import { summaryOf } from '../workers/views.ts';
import type { Worker } from '../workers/worker.ts';
import type { Workers } from '../workers/workers.ts';
import { WatchStream, type WatchStreamOwner } from './watch-stream.ts';
import { WorkerStream, type WorkerStreamOwner } from './worker-stream.ts';

/** Read together with the cursor's line when a stream is opened; small enough for one pull of any transport. */
const FIRST_CHUNK_BYTES = 48_896;

export interface StreamsOptions {
  readonly runtimeId: string;
  readonly limits: Limits;
  readonly workers: Workers;
  readonly reader: LogReader;
  readonly detailOf: (worker: Worker) => WorkerDetail;
  /** True once the runtime has ended its runs. Streams end then, because everything committed can be read by then. */
  readonly areRunsEnded: () => boolean;
  /** Returns the code with which streams end when the runs have ended. */
  readonly endCode: () => ErrorCode;
  /** The error that ended the runtime; null unless its store was lost. */
  readonly failure: () => RuntimeError | null;
}

/** Opens and limits streams and watches, and ends them when the runtime stops. */
export class Streams implements WorkerStreamOwner, WatchStreamOwner {
  readonly #options: StreamsOptions;
  readonly #epoch = mintId('log');
  readonly #open = new Set<WorkerStream | WatchStream>();

  constructor(options: StreamsOptions) {
    this.#options = options;
  }

  /** The present position; a watch can continue after it. */
  get asOf(): Cursor {
    return encodeWatchCursor(this.#epoch, this.#options.workers.changes.revision);
  }

  /** @throws CURSOR_INVALID · CURSOR_FOREIGN · LIMIT_REACHED */
  async open(
    worker: Worker,
    { after, deltas = true }: Omit<ObserveOptions, 'signal'>,
  ): Promise<WorkerStream> {
    const { reader, limits } = this.#options;
    const from =
      after === undefined
        ? null
        : await reader.locate(worker, after, {
            count: limits.pageItems,
            bytes: FIRST_CHUNK_BYTES,
          });
    this.#assertRoom();
    const stream = new WorkerStream({ worker, from, deltas, reader, limits, owner: this });
    this.#open.add(stream);
    return stream;
  }

  /** @throws CURSOR_INVALID · LIMIT_REACHED */
  openWatch(after: Cursor | undefined): WatchStream {
    const { changes } = this.#options.workers;
    this.#assertRoom();
    const stream = new WatchStream({ changes, epoch: this.#epoch, after, owner: this });
    this.#open.add(stream);
    return stream;
  }

  /** Wakes all readers and all callers that wait for a run, after the runtime has ended its runs. No commit does that. */
  wake(): void {
    for (const worker of this.#options.workers) worker.live?.readers.wake();
    for (const stream of [...this.#open]) if (stream instanceof WatchStream) stream.wake();
  }

  #assertRoom(): void {
    const { subscriptions } = this.#options.limits;
    if (this.#open.size >= subscriptions) {
      throw limitReached('subscriptions', subscriptions, 'Too many streams are open');
    }
  }

  // for the streams

  detailOf(worker: Worker): WorkerDetail {
    return this.#options.detailOf(worker);
  }

  summaryOf(worker: Worker): WorkerSummary {
    return summaryOf(worker, this.#options.runtimeId);
  }

  endOf(worker: Worker): ErrorCode | null {
    return worker.state.phase === 'deleted' ? 'WORKER_NOT_FOUND' : this.endOfRuntime();
  }

  endOfRuntime(): ErrorCode | null {
    const { failure, areRunsEnded, endCode } = this.#options;
    return failure()?.code ?? (areRunsEnded() ? endCode() : null);
  }

  closed(stream: WorkerStream | WatchStream): void {
    this.#open.delete(stream);
  }
}
