import type { InputRole, TextPart } from '../contracts/event.ts';
import type { Limits } from '../contracts/limits.ts';
import type { CreateWorker, UpdateWorker, WorkerInput } from '../contracts/runtime-api.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import { DIGEST_PATTERN, WORKER_ID_PATTERN } from '../id.ts';
import {
  assertShape,
  isObject,
  jsonObject,
  list,
  nullOr,
  object,
  oneOf,
  record,
  type Shape,
  string,
  wholeNumber,
} from './shape.ts';

/*
 * What callers may ask for. Whatever reaches the runtime, embedded or over a wire, is checked here and only here:
 * wrong shapes are INVALID_REQUEST with JSON pointers, sizes over a limit PAYLOAD_TOO_LARGE.
 */

const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._:/-]*$/;

const reason = string({ max: 1_000 });
const displayName = nullOr(string({ min: 1, max: 256 }));
const name = string({ min: 1, max: 128, pattern: NAME_PATTERN });

const labels = (limits: Limits): Shape =>
  record(string({ min: 1, max: limits.labelChars }), string({ max: limits.labelChars }), limits.labels);

const input = object({
  text: string({ min: 1 }),
  parts: list(object({ type: oneOf('text'), text: string({ min: 1 }) }, ['type', 'text']), {
    min: 1,
    max: 64,
  }),
  role: oneOf('user', 'system'),
  whenBusy: oneOf('reject', 'queue'),
  metadata: jsonObject,
});

const assertBytes = (
  what: string,
  value: unknown,
  limit: 'inputBytes' | 'metadataBytes' | 'configBytes',
  limits: Limits,
): void => {
  if (value !== undefined && Buffer.byteLength(JSON.stringify(value)) > limits[limit]) {
    throw new RuntimeError('PAYLOAD_TOO_LARGE', `${what} is too large`, {
      details: { limit, value: limits[limit] },
    });
  }
};

export interface CheckedInput {
  readonly role: InputRole;
  readonly parts: readonly TextPart[];
  readonly whenBusy: 'reject' | 'queue';
  readonly metadata?: NonNullable<WorkerInput['metadata']>;
}

/** `pointer` is where the input stands in the request. */
export const checkInput = (request: WorkerInput, limits: Limits, pointer = ''): CheckedInput => {
  assertShape(input, request, pointer);
  const given: { readonly text?: string; readonly parts?: readonly TextPart[] } = request;
  if ((given.text === undefined) === (given.parts === undefined)) {
    throw new RuntimeError('INVALID_REQUEST', 'An input has either text or parts', {
      details: {
        issues: [{ pointer: `${pointer}/text`, message: 'exactly one of text and parts is required' }],
      },
    });
  }
  const parts = given.parts?.map(({ text }) => ({ type: 'text', text }) as const) ?? [
    { type: 'text', text: given.text as string },
  ];
  assertBytes('The input', parts, 'inputBytes', limits);
  assertBytes('The metadata', request.metadata, 'metadataBytes', limits);
  return {
    role: request.role ?? 'user',
    parts,
    whenBusy: request.whenBusy ?? 'reject',
    // kept as long as the Worker: what the caller does with its object later is not our business
    ...(request.metadata && { metadata: structuredClone(request.metadata) }),
  };
};

export const checkCreate = (request: CreateWorker, limits: Limits): void => {
  assertShape(
    object({
      engine: name,
      workerId: string({ pattern: WORKER_ID_PATTERN }),
      displayName,
      labels: labels(limits),
      parent: nullOr(string({ pattern: WORKER_ID_PATTERN })),
      bundle: nullOr(object({ id: name, digest: string({ pattern: DIGEST_PATTERN }) }, ['id', 'digest'])),
      profile: nullOr(name),
      config: jsonObject,
      tools: list(name, { max: limits.tools }),
      claims: list(
        object({ name, resource: string({ min: 1, max: 4_096 }), mode: oneOf('read', 'write') }, [
          'name',
          'resource',
          'mode',
        ]),
        { max: limits.claims },
      ),
      initialInput: () => {},
    }),
    request,
  );
  assertBytes('The config', request.config, 'configBytes', limits);
};

export const checkUpdate = (request: UpdateWorker, limits: Limits): void =>
  assertShape(object({ displayName, labels: labels(limits) }), request);

export const checkStop = (request: unknown, limits: Limits): void =>
  assertShape(object({ deadlineMs: wholeNumber(0, limits.stopDeadlineMaxMs), reason }), request);

export const checkCancel = (request: unknown): void =>
  assertShape(object({ runId: string({ min: 1, max: 128 }), reason }), request);

/** A day is longer than anybody holds a call open. */
const MAX_WAIT_MS = 86_400_000;

export const checkWait = (waitMs: unknown): void =>
  assertShape(object({ waitMs: wholeNumber(0, MAX_WAIT_MS) }), { waitMs });

export const checkResume = (request: unknown): void => assertShape(object({ reason }), request);

export const checkResponse = (request: unknown): void =>
  assertShape(
    object({ decision: string({ min: 1, max: 256 }), note: string({ max: 4_096 }) }, ['decision']),
    request,
  );

const cursor = string({ min: 1, max: 512 });

export const checkPageQuery = (query: unknown): void =>
  assertShape(object({ after: cursor, limit: () => {} }), query);

export const checkTranscriptQuery = (query: unknown): void =>
  assertShape(object({ after: cursor, before: cursor, limit: () => {} }), query);

export const checkListQuery = (query: unknown, limits: Limits): void =>
  assertShape(
    object({
      after: cursor,
      limit: () => {},
      status: oneOf('idle', 'running', 'waiting', 'stopped'),
      labels: labels(limits),
      parent: string({ pattern: WORKER_ID_PATTERN }),
    }),
    query,
  );

/** A Worker id as it comes from outside: one that cannot be is one that is not there. @throws WORKER_NOT_FOUND */
export const assertWorkerId = (workerId: unknown): void => {
  if (typeof workerId !== 'string' || !WORKER_ID_PATTERN.test(workerId))
    throw new RuntimeError('WORKER_NOT_FOUND');
};

/** @throws CONFIG_UNSUPPORTED fields of a bundle that nothing would honour · INVALID_REQUEST */
export const checkBundle = (bundle: unknown): void => {
  assertShape(jsonObject, bundle);
  if (!isObject(bundle)) return;
  const unknown = Object.keys(bundle).filter((key) => key !== 'id' && key !== 'profiles');
  const profiles = isObject(bundle.profiles) ? Object.entries(bundle.profiles) : [];
  for (const [profile, value] of profiles) {
    const fields = isObject(value) ? Object.keys(value) : [];
    unknown.push(
      ...fields
        .filter((key) => key !== 'engine' && key !== 'config' && key !== 'tools')
        .map((key) => `profiles.${profile}.${key}`),
    );
  }
  if (unknown.length > 0) {
    throw new RuntimeError('CONFIG_UNSUPPORTED', 'The bundle declares what this runtime does not honour', {
      details: { fields: unknown.slice(0, 20).map((field) => field.slice(0, 200)) },
    });
  }
  const profile = object({ engine: name, config: jsonObject, tools: list(name, { max: 1_000 }) }, ['engine']);
  assertShape(object({ id: name, profiles: record(name, profile, 1_000) }, ['id']), bundle);
};
