import { EVENT_TYPES } from '@worker-runtime/core/views';
import { type Bounds, bound } from './bounds.ts';
import { type CursorKind, cursorOf } from './cursor.ts';
import { arrayOf, enumOf, type JsonSchema, string } from './json-schema.ts';
import { digest, fileName, workerId } from './request-bodies.ts';

export interface Parameter {
  readonly schema: (bounds: Bounds, cursors: CursorKind) => JsonSchema;
  readonly description: string;
  readonly example?: string;
}

/** A pattern, without an anchor, for the name of an event type. */
const ANY_TYPE = EVENT_TYPES.join('|').replaceAll('.', '\\.');

/**
 * All parameters of paths, queries and headers by name. A name means the same in every operation; only cursors have a
 * form that depends on what they belong to.
 */
export const PARAMETERS = {
  path: {
    r: {
      schema: () => string,
      description: 'The id of the runtime, or `self` for the only runtime in the process of the server.',
      example: 'self',
    },
    w: { schema: () => workerId, description: 'The id of the Worker.' },
    q: { schema: () => string, description: 'The id of the request.' },
    run: {
      schema: () => ({ type: 'string', minLength: 1, maxLength: 128 }),
      description: 'The id of the run.',
    },
    name: { schema: () => string, description: 'The name of the plugin resource.' },
    digest: {
      schema: () => digest,
      description:
        '`sha256-` followed by the hex digest of the bytes of a file, or of the canonical JSON (RFC 8785) of a bundle.',
    },
  },
  query: {
    after: {
      schema: (_bounds, cursors) => cursorOf(cursors),
      description:
        'The cursor to read after (exclusive). `start` is the beginning. In a log, `@123` is the position after the event 123.',
    },
    before: {
      schema: (_bounds, cursors) => cursorOf(cursors, 'end'),
      description:
        'The cursor to read backward from (exclusive), instead of `after`: a request with both is refused. `end` is the end. Only for pages.',
    },
    limit: {
      schema: ({ pageItems, pageItemsDefault }) => ({
        type: 'integer',
        minimum: 1,
        ...bound('maximum', pageItems),
        ...bound('default', pageItems && Math.min(pageItems, pageItemsDefault ?? pageItems)),
      }),
      description:
        'The maximum number of items of a page. A page also ends when it reaches 1 MiB. A stream ignores it.',
    },
    types: {
      schema: () => ({
        type: 'string',
        pattern: `^(${ANY_TYPE})(,(${ANY_TYPE}))*$`,
      }),
      description:
        'Selects the events of these types, separated by commas. A page may have fewer items than `limit`, even none, while `next` is set. Only for pages.',
      example: 'tool.called,tool.finished',
    },
    status: {
      schema: () => enumOf('idle', 'running', 'waiting', 'stopped'),
      description: 'Selects Workers with this status.',
    },
    label: {
      schema: () => arrayOf({ type: 'string', pattern: '^[^=]+=' }),
      description: 'Selects Workers with this label, as `key=value`. May be repeated; all must match.',
    },
    parent: { schema: () => workerId, description: 'Selects the children of this Worker.' },
    runtime: {
      schema: () => arrayOf({ type: 'string', maxLength: 64 }),
      description: 'Selects the Workers of this runtime, by its id. May be repeated; any may match.',
    },
    days: {
      schema: () => ({ type: 'integer', minimum: 1, maximum: 31, default: 31 }),
      description: 'The number of days, today included.',
    },
    include: {
      schema: () => enumOf('overview'),
      description: '`overview` adds counts and token usage to each Worker.',
    },
    version: {
      schema: () => enumOf('3.1', '3.2'),
      description: 'The version of OpenAPI. Default `3.1`; only `3.2` describes the items of streams.',
    },
    name: { schema: () => fileName, description: 'The name of the file for people, without a path.' },
    deltas: {
      schema: () => enumOf('0', '1'),
      description: '`0` omits the text of messages in progress from a stream. A page never has it.',
    },
  },
  header: {
    'Idempotency-Key': {
      schema: () => ({ type: 'string', minLength: 1, maxLength: 255 }),
      description:
        'Makes a retry safe: a repeated request with the same key gets the answer of the first one and has no other effect.',
    },
    Prefer: {
      schema: () => string,
      description: '`wait=N` waits up to N seconds (at most 60) for the run to finish.',
    },
    Traceparent: {
      schema: () => string,
      description:
        'The W3C trace context of the caller. A valid one is recorded with the input, and its trace id in the operator’s log.',
    },
    'Last-Event-ID': {
      // an EventSource without a position may send an empty one
      schema: (_bounds, cursors) => cursorOf(cursors, ''),
      description: 'The position to resume from. It takes precedence over `after`.',
    },
  },
} as const satisfies Readonly<Record<'path' | 'query' | 'header', Readonly<Record<string, Parameter>>>>;

/** The headers of responses. */
export const RESPONSE_HEADERS = {
  'X-Request-Id': 'The id of this request in the log of the operator.',
  'File-Media-Type': 'The media type of the file, also if it is served as bytes.',
  'Content-Disposition': 'Always `attachment`.',
  'Content-Security-Policy': 'A policy that blocks everything.',
  Location: 'The path of the new Worker.',
  'Idempotent-Replayed': '`true` if this is the answer of an earlier request with the same key.',
  'Preference-Applied': 'The wait that was applied, as `wait=N`.',
  'Page-Next': 'NDJSON only: `next` of the page; absent if it is null.',
  'Page-As-Of': 'NDJSON only: `asOf` of the page.',
  'Page-Gaps': 'NDJSON only: `gaps` of the page, as JSON; absent if there are none.',
  'Runtime-Id': 'Streams only: the id of the runtime.',
  'Retry-After': 'The number of seconds to wait before a retry.',
  'WWW-Authenticate': 'The kind of token, and the permission, that the request needs.',
} as const satisfies Readonly<Record<string, string>>;
