import type { InFlightMessage, OpenRequest, WorkerDetail, WorkerSummary } from '@worker-runtime/core';
import { JSON_TYPE } from '../wire/accept.ts';
import { cursor } from './cursor.ts';
import {
  anyObject,
  arrayOf,
  constant,
  count,
  described,
  enumOf,
  type JsonSchema,
  object,
  ref,
  type Schemas,
  string,
  union,
} from './json-schema.ts';

interface Position {
  readonly cursor: string;
}
interface Reason {
  readonly reason: string;
}
type Item<Type extends string, Fields = unknown> = { readonly type: Type } & Fields;

/**
 * Returns the schema of a Server-Sent Event as OpenAPI 3.2 sees it: an object with the fields of the frame, whose `data`
 * is JSON. `data` names the component of the data by the name of the event.
 */
const frames = (data: Readonly<Record<string, string>>): JsonSchema => ({
  ...object<{
    readonly data: string;
    readonly event?: string;
    readonly id?: string;
    readonly retry?: number;
  }>(
    { data: { type: 'string', contentMediaType: JSON_TYPE } },
    {
      event: described(enumOf(...Object.keys(data)), 'The kind of the data; `message` if it is absent.'),
      id: cursor,
      retry: described(count, 'Milliseconds; only in the first frame.'),
    },
  ),
  anyOf: Object.entries(data).map(([event, name]) => ({
    properties: {
      event: constant(event),
      data: { type: 'string', contentMediaType: JSON_TYPE, contentSchema: ref(name) },
    },
    ...(event !== 'message' && { required: ['event'] }),
  })),
});

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
  WorkerFrame: frames({
    message: 'WorkerEvent',
    snapshot: 'Snapshot',
    'in-flight': 'InFlight',
    delta: 'Delta',
    gap: 'Gap',
    bookmark: 'Position',
    reset: 'Reset',
    closing: 'Closing',
  }),
  WatchFrame: frames({
    worker: 'WorkerSummary',
    'worker-removed': 'RemovedWorker',
    synced: 'Position',
    bookmark: 'Position',
    reset: 'Nothing',
    closing: 'Closing',
  }),
  WatchLine: union('type', {
    worker: 'WorkerLine',
    'worker-removed': 'WorkerRemovedLine',
    synced: 'SyncedLine',
    bookmark: 'BookmarkLine',
    reset: 'ResetLine',
    closing: 'ClosingLine',
  }),
  WorkerLine: object<Item<'worker', { readonly worker: WorkerSummary }>>({
    type: constant('worker'),
    worker: ref('WorkerSummary'),
  }),
  WorkerRemovedLine: object<Item<'worker-removed', { readonly workerId: string }>>({
    type: constant('worker-removed'),
    workerId: string,
  }),
  SyncedLine: object<Item<'synced', Position>>({ type: constant('synced'), cursor }),
  BookmarkLine: object<Item<'bookmark', Position>>({ type: constant('bookmark'), cursor }),
  ResetLine: object<Item<'reset'>>({ type: constant('reset') }),
  ClosingLine: object<Item<'closing', Reason>>({ type: constant('closing'), reason: string }),
};
