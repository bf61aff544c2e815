import type {
  Cursor,
  Delta,
  InFlightMessage,
  LogGap,
  Observation,
  WorkerDetail,
  WorkerEvent,
} from '@worker-runtime/core';
import { queryOf } from './query.ts';
import { RemoteError } from './remote-error.ts';
import { type Feed, parsedData } from './resuming.ts';
import { segment } from './segment.ts';
import type { ServerEvent } from './server-events.ts';

type WorkerItem = Exclude<Observation, { readonly type: 'ended' }>;

const PATH = (workerId: string): string => `/workers/${segment(workerId, 'WORKER_NOT_FOUND')}/events`;

/** One Worker's stream: what its events are to a caller of the API. */
export class WorkerFeed implements Feed<WorkerItem> {
  readonly path: string;
  readonly query: URLSearchParams;
  /** A gap is no position, so that one which was told last is told again after a cut. */
  #gap: LogGap | null = null;

  /** @throws WORKER_NOT_FOUND */
  constructor(workerId: string, after: Cursor | undefined, deltas: boolean) {
    this.path = PATH(workerId);
    this.query = queryOf({ after, deltas: deltas ? undefined : '0' });
  }

  /** @throws the code of a `reset`: the position is gone, and what follows would not join */
  read({ event, data, id }: ServerEvent): WorkerItem | null {
    switch (event) {
      case 'message':
        this.#gap = null;
        return { type: 'event', event: parsedData(data) as WorkerEvent, cursor: id ?? '' };
      case 'delta':
        return { type: 'delta', ...(parsedData(data) as Delta) };
      case 'in-flight': {
        const { messages } = parsedData(data) as { readonly messages: readonly InFlightMessage[] };
        return { type: 'in-flight', messages };
      }
      case 'snapshot': {
        const { worker, asOf } = parsedData(data) as { readonly worker: WorkerDetail; readonly asOf: Cursor };
        return { type: 'snapshot', worker, asOf };
      }
      case 'gap':
        return this.#told(parsedData(data) as LogGap);
      case 'reset':
        throw new RemoteError('CURSOR_EXPIRED', 'The position of the cursor is gone');
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
