import {
  type BundleInfo,
  DEFAULT_LIMITS,
  type Diagnostic,
  ERROR_CODES,
  type Limits,
  type RuntimeSummary,
} from '@worker-runtime/core';
import type { Problem } from '../errors/problem.ts';
import {
  anyObject,
  arrayOf,
  boolean,
  count,
  dateTime,
  described,
  enumOf,
  type JsonSchema,
  nullableString,
  object,
  ref,
  type Schemas,
  string,
} from './json-schema.ts';

const limits = Object.fromEntries(Object.keys(DEFAULT_LIMITS).map((name) => [name, count])) as Readonly<
  Record<keyof Limits, JsonSchema>
>;

/** A runtime as it is seen, and what any request may be answered. */
export const runtimeSchemas: Schemas = {
  RuntimeSummary: object<RuntimeSummary>({
    runtimeId: string,
    displayName: nullableString,
    status: enumOf('new', 'starting', 'running', 'stopping', 'stopped', 'failed'),
    versions: object<RuntimeSummary['versions']>({ runtime: string, protocol: count, store: count }),
    store: object<RuntimeSummary['store']>({ kind: string, durable: boolean, healthy: boolean }),
    engines: arrayOf(
      object<RuntimeSummary['engines'][number]>({
        name: string,
        capabilities: described(anyObject, 'What the engine says of itself.'),
      }),
    ),
    capabilities: ref('Capabilities'),
    limits: object<Limits>(limits),
    workers: object<RuntimeSummary['workers']>({
      total: count,
      idle: count,
      running: count,
      waiting: count,
      stopped: count,
    }),
    diagnostics: count,
    startedAt: dateTime,
  }),
  Diagnostic: object<Diagnostic>({
    id: count,
    time: dateTime,
    severity: enumOf('info', 'warning', 'error'),
    code: string,
    message: string,
    worker: nullableString,
    details: anyObject,
    correlationId: described(string, 'Finds the full story in the log of the operator.'),
  }),
  BundleInfo: object<BundleInfo>({ id: string, digest: string }),
  BundleDigest: object<{ readonly digest: string }>({ digest: string }),
  Health: object<{ readonly status: string }>({ status: enumOf('alive', 'ready') }),
  Problem: described(
    object<Problem>({
      type: described(string, '`urn:worker-runtime:error:` and the code in small letters.'),
      title: string,
      status: { type: 'integer', minimum: 400, maximum: 599 },
      detail: described(string, 'For people.'),
      code: described(enumOf(...Object.keys(ERROR_CODES)), 'Stable, for programs.'),
      retryable: described(boolean, 'Whether the same call may succeed later as it is.'),
      details: described(anyObject, 'Ids, limits, and where a request is wrong.'),
      correlationId: described(string, 'The `X-Request-Id` of the answer; finds the cause in the log.'),
    }),
    'Every error, after RFC 9457.',
  ),
};
