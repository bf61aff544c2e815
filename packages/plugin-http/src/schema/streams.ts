import type { InFlightMessage, OpenRequest, WorkerDetail, WorkerSummary } from '@worker-runtime/core';
import { anyObject, arrayOf, constant, enumOf, object, ref, type Schemas, string } from './json-schema.ts';
import { cursor } from './worker.ts';

interface Position {
  readonly cursor: string;
}
interface Reason {
  readonly reason: string;
}
type Item<Type extends string, Fields = unknown> = { readonly type: Type } & Fields;

/** The schemas of stream data other than durable events, and of the lines of an NDJSON watch. */
export const streamSchemas: Schemas = {
  Snapshot: object<{
    readonly worker: WorkerDetail;
    readonly requests: readonly OpenRequest[];
    readonly asOf: string;
  }>({
    worker: ref('WorkerDetail'),
    requests: arrayOf(ref('OpenRequest')),
    asOf: cursor,
  }),
  InFlight: object<{ readonly messages: readonly InFlightMessage[] }>({
    messages: arrayOf(ref('InFlightMessage')),
  }),
  Position: object<Position>({ cursor }),
  Closing: object<Reason>({ reason: string }),
  Reset: object<{ readonly code: string }>({ code: enumOf('CURSOR_EXPIRED') }),
  Nothing: { ...anyObject, maxProperties: 0 },
  RemovedWorker: object<{ readonly workerId: string }>({ workerId: string }),
  WatchLine: {
    oneOf: [
      object<Item<'worker', { readonly worker: WorkerSummary }>>({
        type: constant('worker'),
        worker: ref('WorkerSummary'),
      }),
      object<Item<'worker-removed', { readonly workerId: string }>>({
        type: constant('worker-removed'),
        workerId: string,
      }),
      object<Item<'synced', Position>>({ type: constant('synced'), cursor }),
      object<Item<'bookmark', Position>>({ type: constant('bookmark'), cursor }),
      object<Item<'reset'>>({ type: constant('reset') }),
      object<Item<'closing', Reason>>({ type: constant('closing'), reason: string }),
    ],
  },
};
