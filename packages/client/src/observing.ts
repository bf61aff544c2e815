import type {
  Cursor,
  Delta,
  InFlightMessage,
  LogGap,
  Observation,
  WorkerDetail,
  WorkerEvent,
} from '@worker-runtime/core';
import { RemoteError } from './remote-error.ts';
import type { Feed } from './resuming.ts';
import type { StreamAsk, StreamEvent } from './stream-event.ts';

type WorkerItem = Exclude<Observation, { readonly type: 'ended' }>;

/** One Worker's stream: what its events are to a caller of the API. */
export class WorkerFeed implements Feed<WorkerItem> {
  readonly ask: StreamAsk;
  /** A gap is no position, so that one which was told last is told again after a cut. */
  #gap: LogGap | null = null;

  constructor(worker: string, after: Cursor | undefined, deltas: boolean) {
    this.ask = { worker, after, deltas };
  }

  /** @throws the code of a `reset`: the position is gone, and what follows would not join */
  read({ event, data, id }: StreamEvent): WorkerItem | null {
    switch (event) {
      case 'message':
        this.#gap = null;
        return { type: 'event', event: data as WorkerEvent, cursor: id ?? '' };
      case 'delta':
        return { type: 'delta', ...(data as Delta) };
      case 'in-flight': {
        const { messages } = data as { readonly messages: readonly InFlightMessage[] };
        return { type: 'in-flight', messages };
      }
      case 'snapshot': {
        const { worker, asOf } = data as { readonly worker: WorkerDetail; readonly asOf: Cursor };
        return { type: 'snapshot', worker, asOf };
      }
      case 'gap':
        return this.#told(data as LogGap);
      case 'reset':
        throw new RemoteError('CURSOR_EXPIRED', 'The position of the cursor is no longer available');
      default:
        // a bookmark has done its work by its id; of what a newer runtime says, nothing is known here
        return null;
    }
  }

  resumed(): null {
    return null;
  }

  #told(gap: LogGap): WorkerItem | null {
    const isAgain = this.#gap?.afterSeq === gap.afterSeq && this.#gap.beforeSeq === gap.beforeSeq;
    this.#gap = gap;
    return isAgain ? null : { type: 'gap', ...gap };
  }
}
