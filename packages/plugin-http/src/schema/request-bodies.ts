import type { BundleRef, Claim, CreateWorker, Limits, TextPart, UpdateWorker } from '@worker-runtime/core';
import {
  anyObject,
  arrayOf,
  closed,
  constant,
  described,
  enumOf,
  type JsonSchema,
  nullable,
  object,
  type Schemas,
} from './json-schema.ts';

/** As a caller may choose one. */
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
const said: JsonSchema = { type: 'string', minLength: 1 };

/** A scheme, and components that are neither empty nor lead elsewhere. */
const COMPONENT = '(?!\\.{1,2}(?:/|$))[^/\\u0000]+';
const resource: JsonSchema = {
  type: 'string',
  minLength: 1,
  maxLength: 4_096,
  pattern: `^[a-z][a-z0-9+.-]*:/(?:${COMPONENT}(?:/${COMPONENT})*/?)?$`,
};

interface Respond {
  readonly decision: string;
  readonly note?: string;
}

const labelsOf = ({ labels, labelChars }: Limits): JsonSchema => ({
  type: 'object',
  maxProperties: labels,
  propertyNames: { minLength: 1, maxLength: labelChars },
  additionalProperties: { type: 'string', maxLength: labelChars },
});

const inputOf = ({ inputBytes, metadataBytes }: Limits): JsonSchema => ({
  ...closed({
    type: 'object',
    properties: {
      text: said,
      parts: arrayOf(closed(object<TextPart>({ type: constant('text'), text: said })), {
        minItems: 1,
        maxItems: 64,
      }),
      role: described(enumOf('user', 'system'), 'Default `user`.'),
      whenBusy: described(
        enumOf('reject', 'queue'),
        'What to do while a run is on: refuse with WORKER_BUSY (the default), or wait in order.',
      ),
      metadata: described(anyObject, `At most ${metadataBytes} bytes of JSON.`),
    },
  }),
  oneOf: [{ required: ['text'] }, { required: ['parts'] }],
  description: `Either text or parts, at most ${inputBytes} bytes.`,
});

/**
 * What may be sent. The runtime checks it, in the one place where embedded callers are checked too, and points at what
 * is wrong; these say the same beforehand, as far as JSON Schema can: that strings are well-formed Unicode, that
 * nothing is nested more than 100 deep, and how many bytes something has, it cannot.
 */
export const requestSchemas = (limits: Limits): Schemas => ({
  CreateWorker: closed(
    object<CreateWorker>(
      {},
      {
        engine: described(name, 'Required, unless a profile or a plugin names it.'),
        workerId: described(workerId, 'Minted where left out.'),
        displayName,
        labels: labelsOf(limits),
        parent: nullable(workerId),
        bundle: nullable(closed(object<BundleRef>({ id: name, digest }))),
        profile: nullable(name),
        config: described(anyObject, `The engine's own; kept private. At most ${limits.configBytes} bytes.`),
        tools: arrayOf(described(name, 'Granted by name; never widened by a profile or an engine.'), {
          maxItems: limits.tools,
        }),
        claims: arrayOf(closed(object<Claim>({ name, resource, mode: enumOf('read', 'write') })), {
          maxItems: limits.claims,
        }),
        initialInput: described({ $ref: '#/components/schemas/WorkerInput' }, 'Atomic with the creation.'),
      },
    ),
  ),
  UpdateWorker: closed(object<UpdateWorker>({}, { displayName, labels: labelsOf(limits) })),
  WorkerInput: inputOf(limits),
  CancelRun: closed(
    object<{ readonly runId?: string; readonly reason?: string }>(
      {},
      { runId: { type: 'string', minLength: 1, maxLength: 128 }, reason },
    ),
  ),
  StopWorker: closed(
    object<{ readonly deadlineMs?: number; readonly reason?: string }>(
      {},
      { deadlineMs: { type: 'integer', minimum: 0, maximum: limits.stopDeadlineMaxMs }, reason },
    ),
  ),
  ResumeWorker: closed(object<{ readonly reason?: string }>({}, { reason })),
  Respond: closed(
    object<Respond>(
      { decision: { type: 'string', minLength: 1, maxLength: 256 } },
      { note: { type: 'string', maxLength: 4_096 } },
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
