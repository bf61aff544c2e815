import type { EngineOutput, MessageContent, Question, RunInput } from '../contracts/engine.ts';
import type { OptionKind, RequestOption, ToolCallDetails, ToolKind } from '../contracts/event.ts';
import { FILE_NAME_PATTERN, type FilePart, MEDIA_TYPE_PATTERN } from '../contracts/file.ts';
import type { JsonObject, JsonValue } from '../contracts/json.ts';
import { outputTooLarge } from '../contracts/runtime-error.ts';
import { DIGEST_PATTERN } from '../id.ts';
import { publicText } from '../plugin-kit/public-text.ts';
import { isObject } from '../plugin-kit/shape.ts';

/*
 * Checks what engines give to the runtime. A type of TypeScript does not bind an engine that is written in JavaScript or
 * that passes on what a program sent, and a value that cannot be encoded would block the log of its Worker.
 */

/** A defect of a value that an engine gave. The fields are public; only the operator's log has the whole message. */
export class EngineOutputError extends TypeError {
  /** The member that is wrong, such as `usage.inputTokens`. */
  readonly field: string;
  /** The rule that it breaks, such as `must be a string`. */
  readonly rule: string;

  constructor(field: string, rule: string) {
    super(`${field} ${rule}`);
    this.field = field;
    this.rule = rule;
  }
}

const refuse = (field: string, rule: string): never => {
  throw new EngineOutputError(field, rule);
};

/** Reads a member. `field` is its name in errors. */
type Read<T> = (value: unknown, field: string) => T;

const text: Read<string> = (value, field) =>
  typeof value === 'string' ? value : refuse(field, 'must be a string');

const label: Read<string> = (value, field) => publicText(text(value, field).toWellFormed());

/** Reads a text as it will be stored. Half a surrogate pair would make the conversation unusable for most models. */
const wellFormed: Read<string> = (value, field) => text(value, field).toWellFormed();

/** The longest id of a tool call. Some gateways put a signature of a model into it. */
const CALL_CHARS = 16_384;

/** Ids are never shortened, because they link a call to its result. */
const callId: Read<string> = (value, field) => {
  const id = wellFormed(value, field);
  return id.length <= CALL_CHARS ? id : refuse(field, `must have at most ${CALL_CHARS} characters`);
};

const tokens: Read<number> = (value, field) =>
  Number.isSafeInteger(value) && (value as number) >= 0
    ? (value as number)
    : refuse(field, 'must be a whole number that is not negative');

const choice =
  <T extends string>(...choices: readonly T[]): Read<T> =>
  (value, field) =>
    choices.includes(value as T) ? (value as T) : refuse(field, `must be one of: ${choices.join(', ')}`);

const list =
  <T>(read: Read<T>): Read<readonly T[]> =>
  (value, field) =>
    Array.isArray(value)
      ? Array.from(value as readonly unknown[], (item, index) => read(item, `${field}/${index}`))
      : refuse(field, 'must be an array');

const object: Read<Readonly<Record<string, unknown>>> = (value, field) =>
  isObject(value) ? value : refuse(field, 'must be an object');

/** Reads an optional member: an object with it, or without it. */
const optional = <K extends string, T>(
  name: K,
  value: unknown,
  field: string,
  read: Read<T>,
): { readonly [P in K]?: T } =>
  value === undefined ? {} : ({ [name]: read(value, field) } as { readonly [P in K]: T });

const MAX_DEPTH = 1_000;

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value);
  // the second test accepts the objects of another realm
  return prototype === null || Object.getPrototypeOf(prototype) === null;
};

/** Returns a JSON value in which all strings are well-formed Unicode. */
const wellFormedJson = (value: JsonValue): JsonValue => {
  if (typeof value === 'string') return value.toWellFormed();
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((item: JsonValue) => wellFormedJson(item));
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key.toWellFormed(), wellFormedJson(item as JsonValue)]),
  );
};

/**
 * Accepts a value that JSON preserves, of at most `maxBytes`. Members that are undefined count as absent. Half a surrogate
 * pair is replaced.
 */
const json =
  (maxBytes: number): Read<JsonValue> =>
  (value, field) => {
    /** A lower bound of the encoded size. It ends the walk of a value that contains the same object often. */
    let bytes = 0;
    let isWellFormed = true;
    const walk = (inner: unknown, depth: number): void => {
      bytes += typeof inner === 'string' ? inner.length + 2 : 1;
      if (typeof inner === 'string') isWellFormed &&= inner.isWellFormed();
      if (bytes > maxBytes)
        throw outputTooLarge('eventBytes', maxBytes, 'The output exceeds the limit for one event');
      if (inner === null || typeof inner === 'string' || typeof inner === 'boolean') return;
      if (typeof inner === 'number') {
        if (!Number.isFinite(inner)) refuse(field, 'must not hold NaN or Infinity');
        return;
      }
      if (typeof inner !== 'object') {
        refuse(field, `must be a JSON value, and holds a ${typeof inner}`);
        return;
      }
      if (depth > MAX_DEPTH) refuse(field, `must be nested at most ${MAX_DEPTH} levels deep`);
      if (Array.isArray(inner)) {
        for (let at = 0; at < inner.length; at += 1) walk(inner[at], depth + 1);
        return;
      }
      if (!isPlain(inner)) refuse(field, 'must be a JSON value, and holds an instance of a class');
      for (const [key, member] of Object.entries(inner)) {
        if (member === undefined) continue;
        bytes += key.length + 3;
        isWellFormed &&= key.isWellFormed();
        walk(member, depth + 1);
      }
    };
    if (value === undefined) refuse(field, 'is missing');
    walk(value, 0);
    return isWellFormed ? (value as JsonValue) : wellFormedJson(value as JsonValue);
  };

const matching =
  (pattern: RegExp, rule: string): Read<string> =>
  (value, field) => {
    const given = text(value, field);
    return pattern.test(given) ? given : refuse(field, rule);
  };

/** Reads a reference to a file. The recorder checks that the file is stored. */
const filePart: Read<FilePart> = (value, field) => {
  const part = object(value, field);
  return {
    type: choice('file')(part.type, `${field}.type`),
    digest: matching(DIGEST_PATTERN, 'must be the digest of a file')(part.digest, `${field}.digest`),
    mediaType: matching(MEDIA_TYPE_PATTERN, 'must be a media type')(part.mediaType, `${field}.mediaType`),
    sizeBytes: tokens(part.sizeBytes, `${field}.sizeBytes`),
    ...optional(
      'name',
      part.name,
      `${field}.name`,
      matching(FILE_NAME_PATTERN, 'must be a name without a path'),
    ),
  };
};

const contentType = choice('text', 'reasoning', 'file');

const content =
  (eventBytes: number): Read<MessageContent> =>
  (value, field) => {
    const part = object(value, field);
    const type = contentType(part.type, `${field}.type`);
    return {
      ...(type === 'file' ? filePart(part, field) : { type, text: wellFormed(part.text, `${field}.text`) }),
      ...optional('opaque', part.opaque, `${field}.opaque`, json(eventBytes)),
    };
  };

/** Reads a part of plain text, as most are, at less cost than `content` does. Returns null for any other value. */
const plainText = (value: unknown): MessageContent | null => {
  if (!isObject(value)) return null;
  const { type, text: written, opaque } = value;
  return (type === 'text' || type === 'reasoning') && typeof written === 'string' && opaque === undefined
    ? { type, text: written.toWellFormed() }
    : null;
};

/** Reads the parts of a message. */
const contents = (value: unknown, eventBytes: number): readonly MessageContent[] => {
  const only = Array.isArray(value) && value.length === 1 ? plainText(value[0]) : null;
  if (only) return [only];
  return list((part, at) => plainText(part) ?? content(eventBytes)(part, at))(value, 'message.parts');
};

const toolKind = choice<ToolKind>(
  'read',
  'edit',
  'delete',
  'move',
  'search',
  'execute',
  'think',
  'fetch',
  'other',
);

const location: Read<NonNullable<ToolCallDetails['locations']>[number]> = (value, field) => {
  const { path, line } = object(value, field);
  return { path: label(path, `${field}.path`), ...optional('line', line, `${field}.line`, tokens) };
};

/** The most locations that a call keeps. Further ones are left out. */
const MAX_LOCATIONS = 100;

const locations: Read<NonNullable<ToolCallDetails['locations']>> = (value, field) =>
  list(location)(Array.isArray(value) ? value.slice(0, MAX_LOCATIONS) : value, field);

const isTrue: Read<true> = (value, field) =>
  value === true ? value : refuse(field, 'must be true or absent');

/**
 * Checks an output and copies its known members, so that no later change of the object affects the log.
 * @throws EngineOutputError · OUTPUT_TOO_LARGE a JSON value is larger than an event may be
 */
export const checkedOutput = (value: unknown, eventBytes: number): EngineOutput => {
  const output = object(value, 'output');
  const { type } = output;
  switch (type) {
    case 'text':
    case 'reasoning':
      return { type, text: text(output.text, `${type}.text`) };
    case 'message':
      return output.parts === undefined ? { type } : { type, parts: contents(output.parts, eventBytes) };
    case 'tool-call':
      return {
        type,
        call: callId(output.call, 'tool-call.call'),
        name: label(output.name, 'tool-call.name'),
        input: json(eventBytes)(output.input, 'tool-call.input'),
        ...optional('title', output.title, 'tool-call.title', label),
        ...optional('kind', output.kind, 'tool-call.kind', toolKind),
        ...optional('locations', output.locations, 'tool-call.locations', locations),
        ...optional('opaque', output.opaque, 'tool-call.opaque', json(eventBytes)),
      };
    case 'tool-result':
      return {
        type,
        call: callId(output.call, 'tool-result.call'),
        ...optional('output', output.output, 'tool-result.output', json(eventBytes)),
        ...optional('error', output.error, 'tool-result.error', wellFormed),
        ...optional('files', output.files, 'tool-result.files', list(filePart)),
        ...optional('truncated', output.truncated, 'tool-result.truncated', isTrue),
        ...optional('denied', output.denied, 'tool-result.denied', isTrue),
      };
    case 'step-start':
      return { type, ...optional('model', output.model, 'step-start.model', label) };
    case 'step-finish':
      return { type, finish: label(output.finish, 'step-finish.finish') };
    case 'usage':
      return {
        type,
        ...optional('model', output.model, 'usage.model', label),
        inputTokens: tokens(output.inputTokens, 'usage.inputTokens'),
        outputTokens: tokens(output.outputTokens, 'usage.outputTokens'),
        ...optional('cacheReadTokens', output.cacheReadTokens, 'usage.cacheReadTokens', tokens),
        ...optional('cacheWriteTokens', output.cacheWriteTokens, 'usage.cacheWriteTokens', tokens),
        ...optional('reasoningTokens', output.reasoningTokens, 'usage.reasoningTokens', tokens),
      };
    case 'notice':
      return {
        type,
        severity: choice('info', 'warning', 'error')(output.severity, 'notice.severity'),
        code: label(output.code, 'notice.code'),
        message: label(output.message, 'notice.message'),
      };
    case 'record':
      return { type, value: structuredClone(json(eventBytes)(output.value, 'record.value')) };
    case 'history-start':
      return { type };
    case 'withdrawn':
      return { type, ...optional('reason', output.reason, 'withdrawn.reason', label) };
    default:
      return refuse('output.type', 'must be a known type');
  }
};

/** The latest time that a date can hold, in milliseconds since the epoch. */
const LAST_TIME_MS = 8_640_000_000_000_000;

const optionKind = choice<OptionKind>('allow-once', 'allow-always', 'reject-once', 'reject-always');

const requestOption: Read<RequestOption> = (value, field) => {
  if (typeof value === 'string') return { id: value.toWellFormed(), label: value.toWellFormed() };
  const option = object(value, field);
  const id = wellFormed(option.id, `${field}.id`);
  return {
    id,
    label: option.label === undefined ? id : label(option.label, `${field}.label`),
    ...optional('kind', option.kind, `${field}.kind`, optionKind),
  };
};

/** A question after its checks. */
export interface CheckedQuestion extends Omit<Question, 'options' | 'schema'> {
  readonly options: readonly RequestOption[];
  readonly schema: JsonObject | null;
}

/** Checks the question of a run. @throws EngineOutputError · OUTPUT_TOO_LARGE */
export const checkedQuestion = (value: unknown, nowMs: number, eventBytes: number): CheckedQuestion => {
  const question = object(value, 'question');
  const options = list(requestOption)(question.options, 'question.options');
  if (options.length === 0) refuse('question.options', 'must hold at least one option');
  if (new Set(options.map(({ id }) => id)).size < options.length)
    refuse('question.options', 'must not repeat an id');
  const { schema } = question;
  return {
    kind: choice('permission', 'question')(question.kind, 'question.kind'),
    prompt: wellFormed(question.prompt, 'question.prompt'),
    ...optional('call', question.call, 'question.call', callId),
    options,
    schema:
      schema === undefined
        ? null
        : (json(eventBytes)(object(schema, 'question.schema'), 'question.schema') as JsonObject),
    ...optional('checkValue', question.checkValue, 'question.checkValue', (given, field) =>
      typeof given === 'function'
        ? (given as NonNullable<Question['checkValue']>)
        : refuse(field, 'must be a function'),
    ),
    ...optional('signal', question.signal, 'question.signal', (given, field) =>
      given instanceof AbortSignal ? given : refuse(field, 'must be an AbortSignal'),
    ),
    ...optional('timeoutMs', question.timeoutMs, 'question.timeoutMs', (given, field) =>
      typeof given === 'number' && given >= 0 && given <= LAST_TIME_MS - nowMs
        ? given
        : refuse(field, 'must be a number of milliseconds that is not negative'),
    ),
  };
};

/** Checks the input with which an engine begins a run, and copies it. @throws EngineOutputError · OUTPUT_TOO_LARGE */
export const checkedRunInput = (value: unknown, eventBytes: number): RunInput => {
  const input = object(value, 'input');
  return {
    role: choice('user', 'system')(input.role, 'input.role'),
    parts: list((given, field) => {
      const part = object(given, field);
      const type = choice('text', 'file')(part.type, `${field}.type`);
      return type === 'file' ? filePart(part, field) : { type, text: wellFormed(part.text, `${field}.text`) };
    })(input.parts, 'input.parts'),
    ...optional('metadata', input.metadata, 'input.metadata', (given, field): JsonObject => {
      object(given, field);
      return structuredClone(json(eventBytes)(given, field)) as JsonObject;
    }),
  };
};
