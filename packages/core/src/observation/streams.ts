import type { Cursor } from '../contracts/cursor.ts';
import type { Limits } from '../contracts/limits.ts';
import type { ObserveOptions, WorkerDetail } from '../contracts/runtime-api.ts';
import { type ErrorCode, RuntimeError } from '../contracts/runtime-error.ts';
import { mintId } from '../id.ts';
import { encodeWatchCursor } from '../log/cursor.ts';
import type { LogReader } from '../log/log-reader.ts';
import { summaryOf } from '../workers/views.ts';
import type { Worker } from '../workers/worker.ts';
import type { Workers } from '../workers/workers.ts';
import { WatchStream } from './watch-stream.ts';
import { WorkerStream } from './worker-stream.ts';

/** Read together with the cursor's line when a stream is opened; small enough for one pull of any transport. */
const FIRST_CHUNK_BYTES = 48_896;

export interface StreamsOptions {
  readonly runtimeId: string;
  readonly limits: Limits;
  readonly workers: Workers;
  readonly reader: LogReader;
  /** Streams end when the runs have ended: by then everything that was committed can be read. */
  readonly areRunsEnded: () => boolean;
}

/** The streams that are open, of Workers and of all of them: how many there may be, and what ends them. */
export class Streams {
  readonly #options: StreamsOptions;
  readonly #epoch = mintId('log');
  readonly #open = new Set<WorkerStream | WatchStream>();

  constructor(options: StreamsOptions) {
    this.#options = options;
  }

  /** The present, for a watch to go on from. */
  get asOf(): Cursor {
    return encodeWatchCursor(this.#epoch, this.#options.workers.changes.revision);
  }

  /** @throws CURSOR_INVALID · CURSOR_FOREIGN · LIMIT_REACHED */
  async open(
    worker: Worker,
    { after, deltas = true }: Omit<ObserveOptions, 'signal'>,
    detailOf: (worker: Worker) => WorkerDetail,
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
    const stream: WorkerStream = new WorkerStream({
      worker,
      from,
      deltas,
      reader,
      limits,
      detailOf,
      endOf: (observed) => (observed.state.phase === 'deleted' ? 'WORKER_NOT_FOUND' : this.#endCode()),
      closed: () => this.#open.delete(stream),
    });
    this.#open.add(stream);
    return stream;
  }

  /** @throws CURSOR_INVALID · LIMIT_REACHED */
  openWatch(after: Cursor | undefined): WatchStream {
    const { workers, runtimeId } = this.#options;
    this.#assertRoom();
    const stream: WatchStream = new WatchStream({
      changes: workers.changes,
      epoch: this.#epoch,
      after,
      summaryOf: (worker) => summaryOf(worker, runtimeId),
      endOf: () => this.#endCode(),
      closed: () => this.#open.delete(stream),
    });
    this.#open.add(stream);
    return stream;
  }

  /** The runs have ended, which no commit says: whoever waits, for an input's run too, looks again. */
  wake(): void {
    for (const worker of this.#options.workers) worker.live?.wake();
    for (const stream of [...this.#open]) if (stream instanceof WatchStream) stream.wake();
  }

  #assertRoom(): void {
    const { subscriptions } = this.#options.limits;
    if (this.#open.size >= subscriptions) {
      throw new RuntimeError('LIMIT_REACHED', 'Too many streams are open', {
        details: { limit: 'subscriptions', value: subscriptions },
      });
    }
  }

  #endCode(): ErrorCode | null {
    return this.#options.areRunsEnded() ? 'RUNTIME_STOPPING' : null;
  }
}
