import type { Limits } from '@worker-runtime/core';
import { arrayOf, enumOf, type JsonSchema, string } from './json-schema.ts';
import { digest, workerId } from './request-bodies.ts';

export interface Parameter {
  readonly schema: (limits: Limits) => JsonSchema;
  readonly description: string;
}

const cursor = (): JsonSchema => ({ type: 'string', minLength: 1, maxLength: 512 });
const position = (): JsonSchema => ({ type: 'string', maxLength: 512 });

/** Whatever stands in a path, a query or the headers of a request, by its name: it means the same everywhere. */
export const PARAMETERS = {
  path: {
    r: { schema: () => string, description: 'The runtimeId, or `self` where one runtime is served.' },
    w: { schema: () => workerId, description: 'The workerId.' },
    q: { schema: () => string, description: 'The requestId.' },
    name: { schema: () => string, description: 'What is shown.' },
    digest: { schema: () => digest, description: '`sha256-` and the digest of the canonical JSON.' },
  },
  query: {
    after: { schema: cursor, description: 'Exclusive; `start` is the beginning.' },
    before: { schema: cursor, description: 'Exclusive, instead of `after`; `end` is the end.' },
    limit: {
      schema: ({ pageItems, pageItemsDefault }) => ({
        type: 'integer',
        minimum: 1,
        maximum: pageItems,
        default: Math.min(pageItems, pageItemsDefault),
      }),
      description: 'The most items; a page of a mebibyte ends earlier.',
    },
    status: { schema: () => enumOf('idle', 'running', 'waiting', 'stopped'), description: 'Those alone.' },
    label: {
      schema: () => arrayOf({ type: 'string', pattern: '^[^=]+=' }),
      description: '`key=value`; all of several must fit.',
    },
    parent: { schema: () => workerId, description: 'The children of this Worker.' },
    deltas: {
      schema: () => enumOf('0', '1'),
      description: 'Of a stream: 0 leaves out text that is written.',
    },
  },
  header: {
    'Idempotency-Key': {
      schema: () => ({ type: 'string', minLength: 1, maxLength: 255 }),
      description: 'Makes a retry safe: the same request with the same key is answered as the first time.',
    },
    Prefer: {
      schema: () => string,
      description: '`wait=N`: wait up to N seconds, at most 60, for the run.',
    },
    'Last-Event-ID': { schema: position, description: 'Of a stream: wins over `after`.' },
  },
} as const satisfies Readonly<Record<'path' | 'query' | 'header', Readonly<Record<string, Parameter>>>>;

/** What headers of an answer say. */
export const RESPONSE_HEADERS = {
  'X-Request-Id': 'Finds this request in the log of the operator.',
  Location: 'Where the Worker is.',
  'Idempotent-Replayed': '`true` where this is the answer of an earlier call.',
  'Preference-Applied': 'How long was waited at most.',
  'Page-Next': 'Of NDJSON: `next` of the page, left out where that is null.',
  'Page-As-Of': 'Of NDJSON: `asOf` of the page.',
  'Page-Gaps': 'Of NDJSON: `gaps` of the page, as JSON.',
  'Runtime-Id': 'Of a stream: which runtime it is of.',
  'Retry-After': 'Seconds.',
  'WWW-Authenticate': 'Which token it takes.',
} as const satisfies Readonly<Record<string, string>>;
