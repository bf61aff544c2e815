import type {
  EventData,
  EventType,
  FilePart,
  JsonValue,
  MessagePart,
  RequestOption,
  TextPart,
} from '@worker-runtime/core';
import type { EventKey, ForkOrigin, ToolCallDetails } from '@worker-runtime/core/plugin-kit';
import {
  anyJson,
  anyObject,
  arrayOf,
  boolean,
  constant,
  constTrue,
  count,
  dateTime,
  described,
  enumOf,
  type JsonSchema,
  mapOf,
  nullable,
  nullableString,
  object,
  ref,
  type Schemas,
  string,
  union,
} from './json-schema.ts';
import { digest } from './request-bodies.ts';

const key = object<EventKey>({ value: string, digest: string });
const opaque = described(anyJson, 'Data that only the engine understands. Transcripts do not show it.');

/** The fields that describe a tool call besides its name and input. */
export const toolCallDetails: Readonly<Record<keyof ToolCallDetails, JsonSchema>> = {
  title: string,
  kind: enumOf('read', 'edit', 'delete', 'move', 'search', 'execute', 'think', 'fetch', 'other'),
  locations: arrayOf(
    object<NonNullable<ToolCallDetails['locations']>[number]>({ path: string }, { line: count }),
  ),
};
const actor = described(
  string,
  'The caller whose command made the event: the name of its access token. Absent without tokens.',
);
const whenInterrupted = enumOf('stop', 'continue');
const severity = enumOf('info', 'warning', 'error');
const claims = arrayOf(
  object<{ readonly name: string; readonly mode: string }>({
    name: string,
    mode: enumOf('read', 'write'),
  }),
);
const created = (): JsonSchema =>
  object<EventData['worker.created']>(
    {
      engine: string,
      displayName: nullableString,
      labels: mapOf(string),
      parent: nullableString,
      profile: nullableString,
      bundle: nullable(ref('BundleRef')),
      configDigest: string,
      tools: arrayOf(string),
      claims,
    },
    {
      delegatedBy: nullableString,
      whenInterrupted,
      key,
      actor,
      fork: described(
        object<ForkOrigin>({ worker: string, log: string, seq: count }),
        'In the log of a fork: the origin of the events up to `seq`.',
      ),
    },
  );

/** The data of each type of event. A new type of core is a compile error until it is added here. */
const DATA: Readonly<Record<EventType, JsonSchema>> = {
  'worker.created': created(),
  'worker.forked': object<EventData['worker.forked']>(
    {
      displayName: nullableString,
      labels: mapOf(string),
      configDigest: string,
      tools: arrayOf(string),
      claims,
      whenInterrupted,
    },
    { key, actor },
  ),
  'worker.updated': object<EventData['worker.updated']>(
    {},
    {
      displayName: nullableString,
      labels: mapOf(string),
      whenInterrupted,
      configDigest: string,
      tools: arrayOf(string),
      actor,
    },
  ),
  'worker.stopped': object<EventData['worker.stopped']>(
    { outcome: enumOf('graceful', 'detached') },
    { reason: string, actor },
  ),
  'worker.resumed': object<EventData['worker.resumed']>({}, { reason: string, actor }),
  'worker.deleted': object<EventData['worker.deleted']>({ cause: enumOf('delete', 'creation') }, { actor }),
  'execution.attached': object<EventData['execution.attached']>({ generation: count, engine: string }),
  'execution.detached': object<EventData['execution.detached']>(
    { generation: count, cause: enumOf('stop', 'restart', 'crash', 'deadline') },
    { code: string },
  ),
  'history.started': object<EventData['history.started']>({}),
  'execution.recorded': object<EventData['execution.recorded']>({ value: anyJson }),
  'file.stored': object<EventData['file.stored']>({ digest, mediaType: string, sizeBytes: count }),
  'input.accepted': object<EventData['input.accepted']>(
    { input: string, role: enumOf('user', 'system'), parts: arrayOf(ref('InputPart')), queued: boolean },
    { key, metadata: anyObject, messageId: string, traceparent: string, actor },
  ),
  'run.started': object<EventData['run.started']>(
    { origin: enumOf('input', 'engine'), generation: count },
    { input: string },
  ),
  'run.continued': object<EventData['run.continued']>({ generation: count, attempt: count }),
  'run.finished': object<EventData['run.finished']>(
    { outcome: enumOf('completed', 'failed', 'cancelled', 'interrupted') },
    { error: ref('RunError'), reason: string, actor },
  ),
  'step.started': object<EventData['step.started']>({ step: count }, { model: string }),
  'step.finished': object<EventData['step.finished']>({ step: count, finish: string }),
  'message.completed': object<EventData['message.completed']>(
    { message: string, role: constant('assistant'), parts: arrayOf(ref('MessagePart')) },
    { partial: constTrue, step: count },
  ),
  'tool.called': object<EventData['tool.called']>(
    { call: string, name: string, input: anyJson },
    { ...toolCallDetails, step: count, opaque },
  ),
  'tool.finished': object<EventData['tool.finished']>(
    { call: string },
    {
      output: anyJson,
      error: string,
      files: arrayOf(ref('FilePart')),
      truncated: constTrue,
      denied: constTrue,
    },
  ),
  'request.opened': object<EventData['request.opened']>(
    {
      request: string,
      kind: enumOf('permission', 'question'),
      prompt: string,
      options: described(
        arrayOf({ anyOf: [ref('RequestOption'), string] }),
        'In logs of earlier versions an option is a string: its id, which is its label too.',
      ),
    },
    { call: string, schema: anyObject, expiresAt: dateTime },
  ),
  'request.resolved': object<EventData['request.resolved']>(
    { request: string, decision: nullableString, by: enumOf('client', 'timeout', 'cancel', 'restart') },
    { note: string, value: anyJson, actor },
  ),
  'usage.recorded': object<EventData['usage.recorded']>(
    { inputTokens: count, outputTokens: count },
    { model: string, cacheReadTokens: count, cacheWriteTokens: count, reasoningTokens: count, step: count },
  ),
  'diagnostic.recorded': object<EventData['diagnostic.recorded']>({
    severity,
    code: string,
    message: string,
  }),
};

interface Envelope {
  readonly seq: number;
  readonly time: string;
  readonly worker: string;
  readonly type: string;
  readonly data: object;
  readonly run?: string;
}

const eventOf = (type: JsonSchema, data: JsonSchema): JsonSchema =>
  object<Envelope>({ seq: count, time: dateTime, worker: string, type, data }, { run: string });

/** The name of the component of each type: `ToolCalledEvent` for `tool.called`. */
const NAMES: Readonly<Record<string, string>> = Object.fromEntries(
  Object.keys(DATA).map((type) => [
    type,
    `${type.replace(/(?:^|\.)[a-z]/g, (start) => start.slice(-1).toUpperCase())}Event`,
  ]),
);

type PartOf<Type extends MessagePart['type']> = Extract<MessagePart, { readonly type: Type }>;

/** A file of a message. Those of earlier versions have a URL instead of a digest. */
export interface MessageFile extends Partial<Pick<FilePart, 'digest' | 'sizeBytes' | 'name'>> {
  readonly id: string;
  readonly type: 'file';
  readonly mediaType: string;
  readonly url?: string;
  readonly opaque?: JsonValue;
}
export const url = described(
  string,
  'Only in logs of earlier versions, instead of `digest` and `sizeBytes`.',
);

/** The schemas of durable events. */
export const eventSchemas: Schemas = {
  WorkerEvent: {
    description:
      'An immutable event in the log of one Worker. `seq` counts from 1 without gaps. A newer version may write types that are not listed here; a client should keep and show them, as `UnknownEvent`.',
    // two levels, because a discriminator has no branch for other values
    anyOf: [ref('KnownEvent'), ref('UnknownEvent')],
  },
  KnownEvent: described(union('type', NAMES), 'An event of a type that this version writes.'),
  UnknownEvent: described(
    eventOf({ type: 'string', not: { enum: Object.keys(DATA) } }, anyObject),
    'An event of a type that this version does not know.',
  ),
  ...Object.fromEntries(
    Object.entries(DATA).map(([type, data]) => [NAMES[type], eventOf(constant(type), data)]),
  ),
  InputPart: union('type', { text: 'InputText', file: 'FilePart' }),
  InputText: object<TextPart>({ type: constant('text'), text: string }),
  FilePart: described(
    object<FilePart>(
      { type: constant('file'), digest, mediaType: string, sizeBytes: count },
      { name: string },
    ),
    'A file by reference. `getFile` returns the bytes.',
  ),
  MessagePart: union('type', { text: 'TextPart', reasoning: 'ReasoningPart', file: 'MessageFile' }),
  TextPart: object<PartOf<'text'>>({ id: string, type: constant('text'), text: string }, { opaque }),
  ReasoningPart: object<PartOf<'reasoning'>>(
    { id: string, type: constant('reasoning'), text: string },
    { opaque },
  ),
  RequestOption: object<RequestOption>(
    { id: string, label: string },
    { kind: enumOf('allow-once', 'allow-always', 'reject-once', 'reject-always') },
  ),
  MessageFile: object<MessageFile>(
    { id: string, type: constant('file'), mediaType: string },
    { digest, sizeBytes: count, name: string, url, opaque },
  ),
};
