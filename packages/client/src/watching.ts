import type { Cursor, WatchItem, WorkerSummary } from '@worker-runtime/core';
import { queryOf } from './query.ts';
import { type Feed, parsedData } from './resuming.ts';
import type { ServerEvent } from './server-events.ts';

type Change = Exclude<WatchItem, { readonly type: 'ended' }>;

/** A watch of all Workers: what its events are to a caller of the API. */
export class WatchFeed implements Feed<Change> {
  readonly path = '/watch';
  readonly query: URLSearchParams;
  readonly #startsAnew: boolean;
  #hasTold = false;

  constructor(after: Cursor | undefined) {
    this.query = queryOf({ after });
    this.#startsAnew = after === undefined;
  }

  read({ event, data }: ServerEvent): Change | null {
    switch (event) {
      case 'worker':
        this.#hasTold = true;
        return { type: 'worker', worker: parsedData(data) as WorkerSummary };
      case 'worker-removed':
        return { type: 'worker-removed', ...(parsedData(data) as { readonly workerId: string }) };
      case 'synced':
        return { type: 'synced', ...(parsedData(data) as { readonly cursor: Cursor }) };
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
