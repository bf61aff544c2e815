import type {
  BundleRef,
  Claim,
  CreateWorker,
  RequestResponse,
  TextPart,
  UpdateWorker,
  WorkerInput,
} from '@worker-runtime/core';
import { type FileReference, type ForkWorker, MEDIA_TYPE_PATTERN } from '@worker-runtime/core/plugin-kit';
import { atMostBytes, type Bounds, bound } from './bounds.ts';
import {
  anyJson,
  anyObject,
  arrayOf,
  closed,
  constant,
  count,
  described,
  enumOf,
  type JsonSchema,
  nullable,
  object,
  ref,
  type Schemas,
  union,
} from './json-schema.ts';

/** The id of a Worker, as a caller may choose it. */
export const workerId: JsonSchema = { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$' };
export const digest: JsonSchema = { type: 'string', pattern: '^sha256-[0-9a-f]{64}$' };
const name: JsonSchema = {
  type: 'string',
  minLength: 1,
  maxLength: 128,
  pattern: '^[A-Za-z0-9][A-Za-z0-9._:/-]*$',
};
const displayName: JsonSchema = { type: ['string', 'null'], minLength: 1, maxLength: 256 };
const reason: JsonSchema = { type: 'string', maxLength: 1_000 };
const whenInterrupted = described(
  enumOf('stop', 'continue'),
  'The fate of a run that was active when the runtime ended or crashed: it ends as `interrupted`, or the next start continues it. Default `stop`.',
);
/** The name of a file: no path and no control characters. */
export const fileName: JsonSchema = {
  type: 'string',
  pattern: '^(?!\\.{1,2}$)[^/\\\\\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]{1,255}$',
};
const mediaType: JsonSchema = { type: 'string', pattern: MEDIA_TYPE_PATTERN.source };
const nonEmptyText: JsonSchema = { type: 'string', minLength: 1 };

/** A component of a resource path: neither empty, nor `.` or `..`. */
const COMPONENT = '(?!\\.{1,2}(?:/|$))[^/\\u0000]+';
const resource: JsonSchema = {
  type: 'string',
  minLength: 1,
  maxLength: 4_096,
  pattern: `^[a-z][a-z0-9+.-]*:/(?:${COMPONENT}(?:/${COMPONENT})*/?)?$`,
};

const labelsOf = ({ labels, labelChars }: Bounds): JsonSchema => ({
  type: 'object',
  ...bound('maxProperties', labels),
  propertyNames: { minLength: 1, ...bound('maxLength', labelChars) },
  additionalProperties: { type: 'string', ...bound('maxLength', labelChars) },
});

type InputOf<Key extends string> = Extract<WorkerInput, Readonly<Record<Key, unknown>>>;

const inputs = (bounds: Bounds): Schemas => {
  const options = {
    role: described(enumOf('user', 'system'), 'The author of the input. Default `user`.'),
    whenBusy: described(
      enumOf('reject', 'queue'),
      'If a run is active: `reject` (the default) refuses the input with WORKER_BUSY, `queue` queues it.',
    ),
    metadata: described(anyObject, `Free JSON, ${atMostBytes(bounds, 'metadataBytes')}.`),
    messageId: described(
      { type: 'string', minLength: 1, maxLength: 256 },
      'The id that the system of the caller has for this message.',
    ),
  };
  return {
    // no discriminator: the two forms have different fields, and neither accepts a field of the other
    WorkerInput: {
      oneOf: [ref('TextInput'), ref('PartsInput')],
      description: `Either \`text\` or \`parts\`, ${atMostBytes(bounds, 'inputBytes')}.`,
    },
    NewPart: union('type', { text: 'NewText', file: 'FileReference' }),
    NewText: closed(object<TextPart>({ type: constant('text'), text: nonEmptyText })),
    FileReference: described(
      closed(
        object<FileReference>(
          { type: constant('file'), digest },
          { name: fileName, mediaType, sizeBytes: { ...count, maximum: Number.MAX_SAFE_INTEGER } },
        ),
      ),
      'A file that was stored with `putFile`, whose response can be used as it is.',
    ),
    TextInput: closed(object<InputOf<'text'>>({ text: nonEmptyText }, options)),
    PartsInput: closed(
      object<InputOf<'parts'>>({ parts: arrayOf(ref('NewPart'), { minItems: 1, maxItems: 64 }) }, options),
    ),
  };
};

/**
 * The schemas of request bodies. They only describe: the runtime validates bodies, as it validates the arguments of
 * embedded callers. Its checks of well-formed Unicode, of nesting (at most 100 levels) and of sizes in bytes have no
 * equivalent in JSON Schema.
 */
export const requestSchemas = (bounds: Bounds): Schemas => ({
  CreateWorker: closed(
    object<CreateWorker>(
      {},
      {
        engine: described(name, 'The name of the engine. Required unless a profile or a plugin sets it.'),
        workerId: described(workerId, 'The id of the Worker. The runtime generates one if it is omitted.'),
        displayName,
        labels: labelsOf(bounds),
        parent: nullable(workerId),
        bundle: nullable(closed(object<BundleRef>({ id: name, digest }))),
        profile: nullable(name),
        config: described(
          anyObject,
          `The configuration of the engine, ${atMostBytes(bounds, 'configBytes')}. It is private: no response contains it.`,
        ),
        tools: arrayOf(
          described(name, 'The name of a granted tool. A profile or an engine cannot add tools.'),
          bound('maxItems', bounds.tools),
        ),
        claims: arrayOf(
          closed(object<Claim>({ name, resource, mode: enumOf('read', 'write') })),
          bound('maxItems', bounds.claims),
        ),
        whenInterrupted,
        initialInput: described(
          ref('WorkerInput'),
          'The first input. It is accepted atomically with the creation.',
        ),
      },
    ),
  ),
  ForkWorker: closed(
    object<ForkWorker>(
      {},
      {
        at: described(
          { type: 'string', minLength: 1, maxLength: 512 },
          'The position at which the history ends, such as `@123` after the event 123. Default: the present end of the log.',
        ),
        workerId: described(
          workerId,
          'The id of the new Worker. The runtime generates one if it is omitted.',
        ),
        displayName,
        labels: labelsOf(bounds),
        claims: arrayOf(
          closed(object<Claim>({ name, resource, mode: enumOf('read', 'write') })),
          bound('maxItems', bounds.claims),
        ),
      },
    ),
  ),
  UpdateWorker: closed(
    object<UpdateWorker>(
      {},
      {
        displayName,
        labels: labelsOf(bounds),
        whenInterrupted,
        config: described(anyObject, `Replaces the configuration, ${atMostBytes(bounds, 'configBytes')}.`),
        tools: arrayOf(name, bound('maxItems', bounds.tools)),
      },
    ),
  ),
  ...inputs(bounds),
  CancelRun: closed(
    object<{ readonly runId?: string; readonly reason?: string }>(
      {},
      { runId: { type: 'string', minLength: 1, maxLength: 128 }, reason },
    ),
  ),
  StopWorker: closed(
    object<{ readonly deadlineMs?: number; readonly reason?: string }>(
      {},
      { deadlineMs: { type: 'integer', minimum: 0, ...bound('maximum', bounds.stopDeadlineMaxMs) }, reason },
    ),
  ),
  ResumeWorker: closed(object<{ readonly reason?: string }>({}, { reason })),
  Respond: closed(
    object<RequestResponse>(
      { decision: described({ type: 'string', minLength: 1, maxLength: 4_096 }, 'The id of an option.') },
      {
        value: described(
          anyJson,
          `The value that the schema of the request asks for, ${atMostBytes(bounds, 'inputBytes')}.`,
        ),
        note: { type: 'string', maxLength: 4_096 },
      },
    ),
  ),
  Bundle: closed({
    type: 'object',
    properties: {
      id: name,
      profiles: {
        type: 'object',
        maxProperties: 1_000,
        propertyNames: name,
        additionalProperties: closed({
          type: 'object',
          properties: { engine: name, config: anyObject, tools: arrayOf(name, { maxItems: 1_000 }) },
          required: ['engine'],
        }),
      },
    },
    required: ['id'],
  }),
});
