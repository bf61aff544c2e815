import type {
  Cursor,
  Delta,
  InFlightMessage,
  LogGap,
  Observation,
  OpenRequest,
  WorkerDetail,
  WorkerEvent,
} from '@worker-runtime/core';
import { RemoteError } from './remote-error.ts';
import type { Feed } from './resumed-stream.ts';
import type { StreamEvent, StreamRequest } from './stream-event.ts';

type WorkerItem = Exclude<Observation, { readonly type: 'ended' }>;

/** Converts the events of the stream of one Worker to items of the API. */
export class WorkerFeed implements Feed<WorkerItem> {
  readonly request: StreamRequest;
  /** The last gap. A gap has no cursor, so the runtime sends it again after a reconnect. */
  #lastGap: LogGap | null = null;

  constructor(worker: string, after: Cursor | undefined, deltas: boolean) {
    this.request = { worker, after, deltas };
  }

  /** @throws CURSOR_EXPIRED the runtime sent `reset`, and the events that follow would leave a gap */
  read({ event, data, id }: StreamEvent): WorkerItem | null {
    switch (event) {
      case 'message':
        this.#lastGap = null;
        return { type: 'event', event: data as WorkerEvent, cursor: id ?? '' };
      case 'delta':
        return { type: 'delta', ...(data as Delta) };
      case 'in-flight': {
        const { messages } = data as { readonly messages: readonly InFlightMessage[] };
        return { type: 'in-flight', messages };
      }
      case 'snapshot': {
        // a runtime of an earlier version does not send the requests
        const {
          worker,
          requests = [],
          asOf,
        } = data as {
          readonly worker: WorkerDetail;
          readonly requests?: readonly OpenRequest[];
          readonly asOf: Cursor;
        };
        return { type: 'snapshot', worker, requests, asOf };
      }
      case 'gap':
        return this.#gap(data as LogGap);
      case 'reset':
        throw new RemoteError('CURSOR_EXPIRED', 'The position of the cursor is no longer available');
      default:
        // a bookmark only moves the position, by its id; unknown events of a newer runtime are ignored
        return null;
    }
  }

  resumed(): null {
    return null;
  }

  /** Returns the gap as an item, or null if it repeats the last one. */
  #gap(gap: LogGap): WorkerItem | null {
    const isRepeated = this.#lastGap?.afterSeq === gap.afterSeq && this.#lastGap.beforeSeq === gap.beforeSeq;
    this.#lastGap = gap;
    return isRepeated ? null : { type: 'gap', ...gap };
  }
}
