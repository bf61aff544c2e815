import type { Cursor, WatchItem, WorkerSummary } from '@worker-runtime/core';
import type { Feed } from './resumed-stream.ts';
import type { StreamEvent, StreamRequest } from './stream-event.ts';

type Change = Exclude<WatchItem, { readonly type: 'ended' }>;

/** Converts the events of a watch of all Workers to items of the API. */
export class WatchFeed implements Feed<Change> {
  readonly request: StreamRequest;
  readonly #startsWithList: boolean;
  #hasReportedWorker = false;

  constructor(after: Cursor | undefined) {
    this.request = { worker: null, after, deltas: true };
    this.#startsWithList = after === undefined;
  }

  read({ event, data }: StreamEvent): Change | null {
    switch (event) {
      case 'worker':
        this.#hasReportedWorker = true;
        return { type: 'worker', worker: data as WorkerSummary };
      case 'worker-removed':
        return { type: 'worker-removed', ...(data as { readonly workerId: string }) };
      case 'synced':
        return { type: 'synced', ...(data as { readonly cursor: Cursor }) };
      case 'reset':
        return { type: 'reset' };
      default:
        return null;
    }
  }

  /**
   * Returns `reset` if the connection was lost during the first list. The list then starts again, and Workers that were
   * deleted in between are not in it.
   */
  resumed(position: Cursor | null): Change | null {
    return position === null && this.#startsWithList && this.#hasReportedWorker ? { type: 'reset' } : null;
  }
}
