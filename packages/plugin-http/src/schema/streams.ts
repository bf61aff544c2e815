import type { InFlightMessage, WorkerDetail, WorkerSummary } from '@worker-runtime/core';
import { anyObject, list, object, oneOf, only, ref, type Schemas, text } from './json-schema.ts';
import { cursor } from './worker.ts';

interface Position {
  readonly cursor: string;
}
interface Reason {
  readonly reason: string;
}
type Item<Type extends string, Fields = unknown> = { readonly type: Type } & Fields;

/** The data of what streams say besides events, and the lines of a watch as NDJSON. */
export const streamSchemas: Schemas = {
  Snapshot: object<{ readonly worker: WorkerDetail; readonly asOf: string }>({
    worker: ref('WorkerDetail'),
    asOf: cursor,
  }),
  InFlight: object<{ readonly messages: readonly InFlightMessage[] }>({
    messages: list(ref('InFlightMessage')),
  }),
  Position: object<Position>({ cursor }),
  Closing: object<Reason>({ reason: text }),
  Reset: object<{ readonly code: string }>({ code: oneOf('CURSOR_EXPIRED') }),
  Nothing: { ...anyObject, maxProperties: 0 },
  RemovedWorker: object<{ readonly workerId: string }>({ workerId: text }),
  WatchLine: {
    oneOf: [
      object<Item<'worker', { readonly worker: WorkerSummary }>>({
        type: only('worker'),
        worker: ref('WorkerSummary'),
      }),
      object<Item<'worker-removed', { readonly workerId: string }>>({
        type: only('worker-removed'),
        workerId: text,
      }),
      object<Item<'synced', Position>>({ type: only('synced'), cursor }),
      object<Item<'bookmark', Position>>({ type: only('bookmark'), cursor }),
      object<Item<'reset'>>({ type: only('reset') }),
      object<Item<'closing', Reason>>({ type: only('closing'), reason: text }),
    ],
  },
};
