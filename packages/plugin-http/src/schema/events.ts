import type { EventData, EventKey, EventType, MessagePart, TextPart } from '@worker-runtime/core';
import {
  anyJson,
  anyObject,
  count,
  flag,
  type JsonSchema,
  list,
  map,
  noText,
  object,
  oneOf,
  only,
  orNull,
  ref,
  type Schemas,
  text,
  time,
  yes,
} from './json-schema.ts';

const key = object<EventKey>({ value: text, digest: text });
const textParts = list(object<TextPart>({ type: only('text'), text }));
const severity = oneOf('info', 'warning', 'error');
const created = (): JsonSchema =>
  object<EventData['worker.created']>(
    {
      engine: text,
      displayName: noText,
      labels: map(text),
      parent: noText,
      profile: noText,
      bundle: orNull(object<{ readonly id: string; readonly digest: string }>({ id: text, digest: text })),
      configDigest: text,
      tools: list(text),
      claims: list(
        object<{ readonly name: string; readonly mode: string }>({
          name: text,
          mode: oneOf('read', 'write'),
        }),
      ),
    },
    { key },
  );

/** The data of each type of event. A type that core adds does not compile until it is here. */
const DATA: Readonly<Record<EventType, JsonSchema>> = {
  'worker.created': created(),
  'worker.updated': object<EventData['worker.updated']>({}, { displayName: noText, labels: map(text) }),
  'worker.stopped': object<EventData['worker.stopped']>(
    { outcome: oneOf('graceful', 'detached') },
    { reason: text },
  ),
  'worker.resumed': object<EventData['worker.resumed']>({}, { reason: text }),
  'worker.deleted': object<EventData['worker.deleted']>({ cause: oneOf('delete', 'creation') }),
  'execution.attached': object<EventData['execution.attached']>({ generation: count, engine: text }),
  'execution.detached': object<EventData['execution.detached']>(
    { generation: count, cause: oneOf('stop', 'restart', 'crash', 'deadline') },
    { code: text },
  ),
  'execution.recorded': object<EventData['execution.recorded']>({ value: anyJson }),
  'input.accepted': object<EventData['input.accepted']>(
    { input: text, role: oneOf('user', 'system'), parts: textParts, queued: flag },
    { key, metadata: anyObject },
  ),
  'run.started': object<EventData['run.started']>(
    { origin: oneOf('input', 'engine'), generation: count },
    { input: text },
  ),
  'run.finished': object<EventData['run.finished']>(
    { outcome: oneOf('completed', 'failed', 'cancelled', 'interrupted') },
    { error: ref('RunError'), reason: text },
  ),
  'step.started': object<EventData['step.started']>({ step: count }, { model: text }),
  'step.finished': object<EventData['step.finished']>({ step: count, finish: text }),
  'message.completed': object<EventData['message.completed']>(
    { message: text, role: only('assistant'), parts: list(ref('MessagePart')) },
    { partial: yes },
  ),
  'tool.called': object<EventData['tool.called']>({ call: text, name: text, input: anyJson }),
  'tool.finished': object<EventData['tool.finished']>(
    { call: text },
    { output: anyJson, error: text, truncated: yes },
  ),
  'request.opened': object<EventData['request.opened']>(
    { request: text, kind: oneOf('permission', 'question'), prompt: text, options: list(text) },
    { call: text, expiresAt: time },
  ),
  'request.resolved': object<EventData['request.resolved']>(
    { request: text, decision: noText, by: oneOf('client', 'timeout', 'cancel', 'restart') },
    { note: text },
  ),
  'usage.recorded': object<EventData['usage.recorded']>(
    { inputTokens: count, outputTokens: count },
    { model: text, cacheReadTokens: count, cacheWriteTokens: count, reasoningTokens: count },
  ),
  'diagnostic.recorded': object<EventData['diagnostic.recorded']>({ severity, code: text, message: text }),
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
  object<Envelope>({ seq: count, time, worker: text, type, data }, { run: text });

type PartOf<Type extends MessagePart['type']> = Extract<MessagePart, { readonly type: Type }>;

/** The durable facts of a log. */
export const eventSchemas: Schemas = {
  WorkerEvent: {
    description:
      'An immutable fact in the log of one Worker; `seq` has no gaps. A newer version may have written types that are not listed: keep and show them.',
    oneOf: [
      ...Object.entries(DATA).map(([type, data]) => ({ title: type, ...eventOf(only(type), data) })),
      {
        title: 'of another version',
        ...eventOf({ type: 'string', not: { enum: Object.keys(DATA) } }, anyObject),
      },
    ],
  },
  MessagePart: {
    oneOf: [
      object<PartOf<'text'>>({ id: text, type: only('text'), text }),
      object<PartOf<'reasoning'>>({ id: text, type: only('reasoning'), text }),
      object<PartOf<'file'>>({ id: text, type: only('file'), mediaType: text, url: text }, { name: text }),
    ],
  },
};
