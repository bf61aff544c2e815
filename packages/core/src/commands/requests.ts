import { EVENT_TYPES, type InputRole, type TextPart } from '../contracts/event.ts';
import {
  FILE_NAME_PATTERN,
  type FileDescription,
  type FileReference,
  MEDIA_TYPE_PATTERN,
} from '../contracts/file.ts';
import type { Limits } from '../contracts/limits.ts';
import type { RequestResponse } from '../contracts/open-request.ts';
import { invalidRequest, payloadTooLarge, RuntimeError } from '../contracts/runtime-error.ts';
import type { CallOptions } from '../contracts/served-runtime.ts';
import type { CreateWorker, ForkWorker, UpdateWorker, WorkerInput } from '../contracts/worker.ts';
import { DAYS } from '../domain/daily-usage.ts';
import { DIGEST_PATTERN, WORKER_ID_PATTERN } from '../id.ts';
import {
  anything,
  assertShape,
  choiceOf,
  isObject,
  json,
  jsonObject,
  listOf,
  nullOr,
  objectOf,
  recordOf,
  type Shape,
  stringOf,
  wholeNumberFrom,
} from '../plugin-kit/shape.ts';
import { MAX_WAIT_MS } from './run-waits.ts';

/*
 * Checks all requests, whether they come from the embedding program or over a wire, and nothing else checks them again.
 * A wrong shape is INVALID_REQUEST with JSON pointers, a size over a limit is PAYLOAD_TOO_LARGE.
 */

const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._:/-]*$/;

const reason = stringOf({ max: 1_000 });
const displayName = nullOr(stringOf({ min: 1, max: 256 }));
const name = stringOf({ min: 1, max: 128, pattern: NAME_PATTERN });
const workerId = stringOf({ pattern: WORKER_ID_PATTERN });
const whenInterrupted = choiceOf('stop', 'continue');

const labels = (limits: Limits): Shape =>
  recordOf(stringOf({ min: 1, max: limits.labelChars }), stringOf({ max: limits.labelChars }), limits.labels);

const claim = objectOf(
  { name, resource: stringOf({ min: 1, max: 4_096 }), mode: choiceOf('read', 'write') },
  ['name', 'resource', 'mode'],
);
const claims = (limits: Limits): Shape => listOf(claim, { max: limits.claims });

const cursor = stringOf({ min: 1, max: 512 });

const fileName = stringOf({ pattern: FILE_NAME_PATTERN });

const textPart = objectOf({ type: choiceOf('text'), text: stringOf({ min: 1 }) }, ['type', 'text']);
const filePart = objectOf(
  {
    type: choiceOf('file'),
    digest: stringOf({ pattern: DIGEST_PATTERN }),
    mediaType: stringOf({ pattern: MEDIA_TYPE_PATTERN }),
    sizeBytes: wholeNumberFrom(0, Number.MAX_SAFE_INTEGER),
    name: fileName,
  },
  ['type', 'digest'],
);
const part: Shape = (value, pointer, issues) =>
  (isObject(value) && value.type === 'file' ? filePart : textPart)(value, pointer, issues);

const input = objectOf({
  text: stringOf({ min: 1 }),
  parts: listOf(part, { min: 1, max: 64 }),
  role: choiceOf('user', 'system'),
  whenBusy: choiceOf('reject', 'queue'),
  metadata: jsonObject,
  messageId: stringOf({ min: 1, max: 256 }),
});

const assertBytes = (
  subject: string,
  value: unknown,
  limit: 'inputBytes' | 'metadataBytes' | 'configBytes',
  limits: Limits,
): void => {
  if (value !== undefined && Buffer.byteLength(JSON.stringify(value)) > limits[limit]) {
    throw payloadTooLarge(limit, limits[limit], `${subject} is too large`);
  }
};

/** The most bytes that one UTF-16 unit of a text takes in JSON, as an escape. */
const BYTES_PER_UNIT = 6;
/** More than the JSON of a part of text takes beside the text. */
const PART_BYTES = 64;

/** True if an input is one text that cannot exceed its limit. Most inputs are, and need no encoding to be measured. */
const isShort = ([part, ...others]: CheckedInput['parts'], { inputBytes }: Limits): boolean =>
  part?.type === 'text' &&
  others.length === 0 &&
  part.text.length * BYTES_PER_UNIT + PART_BYTES <= inputBytes;

/** An input after its checks, with the defaults filled in. */
export interface CheckedInput {
  readonly role: InputRole;
  readonly parts: readonly (TextPart | FileReference)[];
  readonly whenBusy: 'reject' | 'queue';
  readonly metadata?: NonNullable<WorkerInput['metadata']>;
  readonly messageId?: string;
}

/**
 * Checks an input. `pointer` is its JSON pointer in the request.
 * @throws INVALID_REQUEST · PAYLOAD_TOO_LARGE
 */
export const checkInput = (request: WorkerInput, limits: Limits, pointer = ''): CheckedInput => {
  assertShape(input, request, pointer);
  const given: { readonly text?: string; readonly parts?: CheckedInput['parts'] } = request;
  if ((given.text === undefined) === (given.parts === undefined)) {
    throw invalidRequest(
      [{ pointer: `${pointer}/text`, message: 'exactly one of text and parts is required' }],
      'An input has either text or parts',
    );
  }
  const parts = given.parts?.map((one) => ({ ...one })) ?? [
    { type: 'text', text: given.text as string } as const,
  ];
  if (parts.filter(({ type }) => type === 'file').length > limits.inputFiles)
    throw invalidRequest([
      { pointer: `${pointer}/parts`, message: `must have at most ${limits.inputFiles} files` },
    ]);
  if (!isShort(parts, limits)) assertBytes('The input', parts, 'inputBytes', limits);
  assertBytes('The metadata', request.metadata, 'metadataBytes', limits);
  return {
    role: request.role ?? 'user',
    parts,
    whenBusy: request.whenBusy ?? 'reject',
    // copied, because it is kept as long as the Worker and the caller may change its own object
    ...(request.metadata && { metadata: structuredClone(request.metadata) }),
    ...(request.messageId !== undefined && { messageId: request.messageId }),
  };
};

/**
 * Checks a file to store. Returns its description with the media type in lower case.
 * @throws INVALID_REQUEST · PAYLOAD_TOO_LARGE
 */
export const checkFile = (
  bytes: Uint8Array,
  description: FileDescription,
  limits: Limits,
): FileDescription => {
  const { mediaType, ...rest } = Object(description) as FileDescription;
  const lower = typeof mediaType === 'string' ? mediaType.toLowerCase() : mediaType;
  const file = { ...rest, mediaType: lower };
  assertShape(
    objectOf({ mediaType: stringOf({ pattern: MEDIA_TYPE_PATTERN }), name: fileName }, ['mediaType']),
    file,
  );
  if (!(bytes instanceof Uint8Array) || bytes.length === 0)
    throw invalidRequest([{ pointer: '', message: 'must have at least one byte' }], 'The file is empty');
  if (bytes.length > limits.fileBytes)
    throw payloadTooLarge('fileBytes', limits.fileBytes, 'The file is too large');
  return file;
};

/** Checks a creation, except for its initial input. @throws INVALID_REQUEST · PAYLOAD_TOO_LARGE */
export const checkCreate = (request: CreateWorker, limits: Limits): void => {
  assertShape(
    objectOf({
      engine: name,
      workerId,
      displayName,
      labels: labels(limits),
      parent: nullOr(workerId),
      bundle: nullOr(objectOf({ id: name, digest: stringOf({ pattern: DIGEST_PATTERN }) }, ['id', 'digest'])),
      profile: nullOr(name),
      config: jsonObject,
      tools: listOf(name, { max: limits.tools }),
      claims: claims(limits),
      whenInterrupted,
      initialInput: anything,
    }),
    request,
  );
  assertBytes('The config', request.config, 'configBytes', limits);
};

/** @throws INVALID_REQUEST */
export const checkFork = (request: ForkWorker, limits: Limits): void =>
  assertShape(
    objectOf({ at: cursor, workerId, displayName, labels: labels(limits), claims: claims(limits) }),
    request,
  );

/** @throws INVALID_REQUEST · PAYLOAD_TOO_LARGE */
export const checkUpdate = (request: UpdateWorker, limits: Limits): void => {
  assertShape(
    objectOf({
      displayName,
      labels: labels(limits),
      whenInterrupted,
      config: jsonObject,
      tools: listOf(name, { max: limits.tools }),
    }),
    request,
  );
  assertBytes('The config', request.config, 'configBytes', limits);
};

/** @throws INVALID_REQUEST */
export const checkStop = (request: unknown, limits: Limits): void =>
  assertShape(objectOf({ deadlineMs: wholeNumberFrom(0, limits.stopDeadlineMaxMs), reason }), request);

/** @throws INVALID_REQUEST */
export const checkCancel = (request: unknown): void =>
  assertShape(objectOf({ runId: stringOf({ min: 1, max: 128 }), reason }), request);

/** The options of a call. Their values are checked where they are used; a misspelt name would have no effect at all. */
const optionsOf = (...names: readonly string[]) => ({
  names: new Set(names),
  shape: objectOf(Object.fromEntries(names.map((option) => [option, anything]))),
});

const OPTIONS = {
  creation: optionsOf('idempotencyKey', 'actor', 'permits'),
  input: optionsOf('idempotencyKey', 'traceparent', 'waitMs', 'signal', 'actor'),
  wait: optionsOf('waitMs', 'signal'),
  stream: optionsOf('after', 'deltas'),
  watch: optionsOf('after'),
} as const;

/** Checks the names of options. It is on the path of each input, so the shape is only used for the error. @throws INVALID_REQUEST */
export const checkOptions = (call: keyof typeof OPTIONS, options: object): void => {
  const { names, shape } = OPTIONS[call];
  for (const name in options) if (!names.has(name)) assertShape(shape, options);
};

/** @throws INVALID_REQUEST */
export const checkRunId = (runId: unknown): void =>
  assertShape(objectOf({ runId: stringOf({ min: 1, max: 128 }) }, ['runId']), { runId });

const wait = objectOf({ waitMs: wholeNumberFrom(0, MAX_WAIT_MS) });

/** @throws INVALID_REQUEST */
export const checkWait = (waitMs: unknown): void => {
  if (waitMs !== undefined) assertShape(wait, { waitMs });
};

const call = objectOf({ actor: stringOf({ min: 1, max: 128, pattern: /^\P{Cc}*$/u }) });

/** Checks who calls, and returns it. @throws INVALID_REQUEST */
export const checkCall = ({ actor }: CallOptions = {}): Pick<CallOptions, 'actor'> => {
  if (actor === undefined) return {};
  assertShape(call, { actor });
  return { actor };
};

/** The pattern of a trace context, without the fields that later versions may add. */
const TRACEPARENT_PATTERN = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

const trace = objectOf({ traceparent: stringOf({ pattern: TRACEPARENT_PATTERN }) });

/** @throws INVALID_REQUEST */
export const checkTrace = (traceparent: unknown): void => assertShape(trace, { traceparent });

/** @throws INVALID_REQUEST */
export const checkResume = (request: unknown): void => assertShape(objectOf({ reason }), request);

/** Checks an answer to a request. @throws INVALID_REQUEST · PAYLOAD_TOO_LARGE */
export const checkResponse = (request: RequestResponse, limits: Limits): void => {
  assertShape(
    objectOf({ decision: stringOf({ min: 1, max: 4_096 }), value: json, note: stringOf({ max: 4_096 }) }, [
      'decision',
    ]),
    request,
  );
  assertBytes('The value', request.value, 'inputBytes', limits);
};

/** Checks a page query, except for its limit. @throws INVALID_REQUEST */
export const checkPageQuery = (query: unknown): void =>
  assertShape(objectOf({ after: cursor, limit: anything }), query);

/** Checks a transcript query, except for its limit. @throws INVALID_REQUEST */
export const checkTranscriptQuery = (query: unknown): void =>
  assertShape(objectOf({ after: cursor, before: cursor, limit: anything }), query);

/** Checks a query of events, except for its limit. @throws INVALID_REQUEST */
export const checkEventQuery = (query: unknown): void =>
  assertShape(
    objectOf({
      after: cursor,
      before: cursor,
      limit: anything,
      types: listOf(choiceOf(...EVENT_TYPES), { min: 1, max: EVENT_TYPES.length }),
    }),
    query,
  );

/** Checks a query of the list of Workers, except for its limit. @throws INVALID_REQUEST */
export const checkListQuery = (query: unknown, limits: Limits): void =>
  assertShape(
    objectOf({
      after: cursor,
      limit: anything,
      status: choiceOf('idle', 'running', 'waiting', 'stopped'),
      labels: labels(limits),
      parent: workerId,
      include: choiceOf('overview'),
    }),
    query,
  );

/** Checks a query of the usage of all Workers, except for its limit. @throws INVALID_REQUEST */
export const checkUsageQuery = (query: unknown, limits: Limits): void =>
  assertShape(objectOf({ days: wholeNumberFrom(1, DAYS), labels: labels(limits), limit: anything }), query);

/** Checks the id of a Worker. An id that no Worker can have is treated as an unknown one. @throws WORKER_NOT_FOUND */
export const assertWorkerId = (id: unknown): void => {
  if (typeof id !== 'string' || !WORKER_ID_PATTERN.test(id)) throw new RuntimeError('WORKER_NOT_FOUND');
};

/** @throws CONFIG_UNSUPPORTED the bundle has fields that no part of the runtime would honour · INVALID_REQUEST */
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
    throw new RuntimeError('CONFIG_UNSUPPORTED', 'The bundle has fields that this runtime does not support', {
      details: { fields: unknown.slice(0, 20).map((field) => field.slice(0, 200)) },
    });
  }
  const profile = objectOf({ engine: name, config: jsonObject, tools: listOf(name, { max: 1_000 }) }, [
    'engine',
  ]);
  assertShape(objectOf({ id: name, profiles: recordOf(name, profile, 1_000) }, ['id']), bundle);
};
