import type { Cursor, WatchItem, WorkerSummary } from '@worker-runtime/core';
import type { Feed } from './resumed-stream.ts';
import type { StreamAsk, StreamEvent } from './stream-event.ts';

type Change = Exclude<WatchItem, { readonly type: 'ended' }>;

/** A watch of all Workers: what its events are to a caller of the API. */
export class WatchFeed implements Feed<Change> {
  readonly ask: StreamAsk;
  readonly #startsAnew: boolean;
  #hasTold = false;

  constructor(after: Cursor | undefined) {
    this.ask = { worker: null, after, deltas: true };
    this.#startsAnew = after === undefined;
  }

  read({ event, data }: StreamEvent): Change | null {
    switch (event) {
      case 'worker':
        this.#hasTold = true;
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

  /** Cut within the first list, it is told again from its beginning: a Worker that went meanwhile is not in it. */
  resumed(position: Cursor | null): Change | null {
    return position === null && this.#startsAnew && this.#hasTold ? { type: 'reset' } : null;
  }
}
