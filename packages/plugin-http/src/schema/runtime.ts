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
  count,
  described,
  flag,
  type JsonSchema,
  list,
  noText,
  object,
  oneOf,
  ref,
  type Schemas,
  text,
  time,
} from './json-schema.ts';

const limits = Object.fromEntries(Object.keys(DEFAULT_LIMITS).map((name) => [name, count])) as Readonly<
  Record<keyof Limits, JsonSchema>
>;

/** A runtime as it is seen, and what any request may be answered. */
export const runtimeSchemas: Schemas = {
  RuntimeSummary: object<RuntimeSummary>({
    runtimeId: text,
    displayName: noText,
    status: oneOf('new', 'starting', 'running', 'stopping', 'stopped', 'failed'),
    versions: object<RuntimeSummary['versions']>({ runtime: text, protocol: count, store: count }),
    store: object<RuntimeSummary['store']>({ kind: text, durable: flag, healthy: flag }),
    engines: list(
      object<RuntimeSummary['engines'][number]>({
        name: text,
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
    startedAt: time,
  }),
  Diagnostic: object<Diagnostic>({
    id: count,
    time,
    severity: oneOf('info', 'warning', 'error'),
    code: text,
    message: text,
    worker: noText,
    details: anyObject,
    correlationId: described(text, 'Finds the full story in the log of the operator.'),
  }),
  BundleInfo: object<BundleInfo>({ id: text, digest: text }),
  BundleDigest: object<{ readonly digest: string }>({ digest: text }),
  Health: object<{ readonly status: string }>({ status: oneOf('alive', 'ready') }),
  Problem: described(
    object<Problem>({
      type: described(text, '`urn:worker-runtime:error:` and the code in small letters.'),
      title: text,
      status: { type: 'integer', minimum: 400, maximum: 599 },
      detail: described(text, 'For people.'),
      code: described(oneOf(...Object.keys(ERROR_CODES)), 'Stable, for programs.'),
      retryable: described(flag, 'Whether the same call may succeed later as it is.'),
      details: described(anyObject, 'Ids, limits, and where a request is wrong.'),
      correlationId: described(text, 'The `X-Request-Id` of the answer; finds the cause in the log.'),
    }),
    'Every error, after RFC 9457.',
  ),
};
