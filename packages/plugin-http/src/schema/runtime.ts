import {
  type BundleInfo,
  DEFAULT_LIMITS,
  type Diagnostic,
  ERROR_CODES,
  type Limits,
  type RuntimeSummary,
} from '@worker-runtime/core';
import type { RuntimeEntry } from '@worker-runtime/core/plugin-kit';
import type { CorrelatedProblem } from '../errors/problem.ts';
import {
  anyObject,
  arrayOf,
  boolean,
  count,
  dateTime,
  described,
  enumOf,
  type JsonSchema,
  nullable,
  nullableString,
  object,
  ref,
  type Schemas,
  string,
} from './json-schema.ts';
import { digest } from './request-bodies.ts';

const limits = Object.fromEntries(Object.keys(DEFAULT_LIMITS).map((name) => [name, count])) as Readonly<
  Record<keyof Limits, JsonSchema>
>;

/** The schemas of the runtime, of bundles and of errors. */
export const runtimeSchemas: Schemas = {
  RuntimeSummary: object<RuntimeSummary>({
    runtimeId: string,
    displayName: nullableString,
    status: enumOf('new', 'starting', 'running', 'stopping', 'stopped', 'failed'),
    versions: object<RuntimeSummary['versions']>({ runtime: string, protocol: count, store: count }),
    store: object<RuntimeSummary['store']>({
      kind: string,
      durable: boolean,
      healthy: boolean,
      eventBytes: count,
      fileBytes: count,
    }),
    engines: arrayOf(
      object<RuntimeSummary['engines'][number]>(
        {
          name: string,
          capabilities: described(anyObject, 'The capabilities that the engine declares.'),
        },
        { configSchema: described(anyObject, 'A JSON Schema of the config, if the engine has one.') },
      ),
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
  RuntimeEntry: object<RuntimeEntry>({
    name: described(string, 'The name in the configuration of the server. It is unique in the list.'),
    runtimeId: described(nullableString, 'Null until the runtime has told it.'),
    kind: enumOf('embedded', 'remote'),
    state: described(
      enumOf('ok', 'starting', 'unreachable', 'foreign', 'refused', 'failed'),
      '`foreign`: another runtime answers at its address. `refused`: it does not accept the credentials of the server. `failed`: it has ended.',
    ),
    since: described(dateTime, 'The time since which the state is the current one.'),
    error: nullable(
      object<NonNullable<RuntimeEntry['error']>>({
        code: enumOf(...Object.keys(ERROR_CODES)),
        correlationId: nullableString,
      }),
    ),
    summary: described(nullable(ref('RuntimeSummary')), 'Null unless the runtime has just answered.'),
  }),
  Diagnostic: object<Diagnostic>({
    id: count,
    time: dateTime,
    severity: enumOf('info', 'warning', 'error'),
    code: string,
    message: string,
    worker: nullableString,
    details: anyObject,
    correlationId: described(
      string,
      'The id of this diagnostic in the log of the operator, which has the cause.',
    ),
  }),
  BundleInfo: object<BundleInfo>({ id: string, digest }),
  BundleDigest: object<{ readonly digest: string }>({ digest }),
  Health: object<{ readonly status: string }>({ status: enumOf('alive', 'ready') }),
  Problem: described(
    object<CorrelatedProblem>({
      type: described(
        string,
        '`urn:worker-runtime:error:` followed by the code in lower case, with hyphens.',
      ),
      title: string,
      status: { type: 'integer', minimum: 400, maximum: 599 },
      detail: described(string, 'An explanation of this occurrence, for people.'),
      code: described(enumOf(...Object.keys(ERROR_CODES)), 'The stable error code, for programs.'),
      retryable: described(boolean, 'True if the same request may succeed later.'),
      details: described(
        anyObject,
        'Facts about the error, such as ids, limits, and the issues of an invalid request.',
      ),
      correlationId: described(
        string,
        'The `X-Request-Id` of the response; the log of the operator has the cause under this id.',
      ),
    }),
    'The body of every error response (RFC 9457).',
  ),
};
