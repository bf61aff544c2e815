import type { JsonValue } from '@worker-runtime/core';
import { isObject, refuse } from '@worker-runtime/core/plugin-kit';

/** A part of an input: text, or the bytes of a file. */
type ContentPart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'file'; readonly mediaType: string; readonly bytes: Uint8Array };

/** A message of the user at the end of the messages that a client holds. */
export interface UserMessage {
  readonly id: string;
  readonly parts: readonly ContentPart[];
}

/** The answer of a person to a request. */
export interface Answer {
  readonly requestId: string;
  /** The id of an option, or whether the person allows. */
  readonly choice: string | boolean;
  readonly note: string | null;
  readonly value: JsonValue | undefined;
  /** The place in the body, for refusals. */
  readonly pointer: string;
}

/** The content of a RunAgentInput. */
export interface RunInput {
  readonly threadId: string;
  readonly runId: string;
  /** The messages of the user after the last message of another role, in order. */
  readonly messages: readonly UserMessage[];
  readonly answers: readonly Answer[];
  /** The ids of all messages that the client holds, in its order. */
  readonly held: readonly string[];
}

const KNOWN = new Set([
  'threadId',
  'runId',
  'parentRunId',
  'protocolVersion',
  'messages',
  'resume',
  // these may only be empty
  'state',
  'tools',
  'context',
  'forwardedProps',
]);

const knownOnly = (
  object: Readonly<Record<string, unknown>>,
  names: readonly string[],
  pointer: string,
): void => {
  for (const name of Object.keys(object))
    if (!names.includes(name)) refuse(`${pointer}/${name}`, 'is not known');
};

const textAt = (value: unknown, pointer: string): string =>
  typeof value === 'string' && value !== '' ? value : refuse(pointer, 'must be a text');

/** Matches ids that can be the key of an input. */
const ID = /^[\x21-\x7e]{1,200}$/;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const FILES: readonly unknown[] = ['image', 'audio', 'video', 'document'];

const partAt = (part: unknown, pointer: string): ContentPart => {
  if (!isObject(part)) return refuse(pointer, 'must be an object');
  if (part.type === 'text') {
    knownOnly(part, ['type', 'id', 'text'], pointer);
    return { type: 'text', text: textAt(part.text, `${pointer}/text`) };
  }
  if (!FILES.includes(part.type)) return refuse(`${pointer}/type`, 'must be a type of AG-UI');
  knownOnly(part, ['type', 'id', 'source'], pointer);
  const { source } = part;
  if (
    !isObject(source) ||
    source.type !== 'data' ||
    typeof source.value !== 'string' ||
    !BASE64.test(source.value)
  )
    return refuse(`${pointer}/source`, 'must be data in Base64');
  return {
    type: 'file',
    mediaType: textAt(source.mimeType, `${pointer}/source/mimeType`),
    bytes: Buffer.from(source.value, 'base64'),
  };
};

const userMessageAt = (message: Readonly<Record<string, unknown>>, pointer: string): UserMessage => {
  knownOnly(message, ['id', 'role', 'content'], pointer);
  const { id, content } = message;
  if (typeof id !== 'string' || !ID.test(id))
    return refuse(`${pointer}/id`, 'must have 1 to 200 printable ASCII characters');
  if (!Array.isArray(content))
    return { id, parts: [{ type: 'text', text: textAt(content, `${pointer}/content`) }] };
  if (content.length === 0) return refuse(`${pointer}/content`, 'must not be empty');
  return { id, parts: content.map((part, at) => partAt(part, `${pointer}/content/${at}`)) };
};

const messagesOf = (messages: unknown): readonly UserMessage[] => {
  if (!Array.isArray(messages)) return refuse('/messages', 'must be a list');
  const list: readonly unknown[] = messages;
  const first = list.findLastIndex((message) => !isObject(message) || message.role !== 'user') + 1;
  const before = list[first - 1];
  if (first > 0 && !isObject(before)) return refuse(`/messages/${first - 1}`, 'must be an object');
  return list
    .slice(first)
    .map((message, at) =>
      userMessageAt(message as Readonly<Record<string, unknown>>, `/messages/${first + at}`),
    );
};

const answerAt = (entry: unknown, pointer: string): Answer => {
  if (!isObject(entry)) return refuse(pointer, 'must be an object');
  knownOnly(entry, ['interruptId', 'status', 'payload'], pointer);
  const { status, payload } = entry;
  const requestId = textAt(entry.interruptId, `${pointer}/interruptId`);
  const none = { requestId, note: null, value: undefined, pointer };
  if (status === 'cancelled') return { ...none, choice: false };
  if (status !== 'resolved') return refuse(`${pointer}/status`, 'must be "resolved" or "cancelled"');
  const at = `${pointer}/payload`;
  if (!isObject(payload)) return refuse(at, 'must be an object with a decision');
  knownOnly(payload, ['decision', 'approved', 'note', 'value'], at);
  const { decision, approved, note, value } = payload;
  const choice = decision === undefined ? approved : textAt(decision, `${at}/decision`);
  if (typeof choice !== 'string' && typeof choice !== 'boolean')
    return refuse(at, 'must have "decision", or "approved" as true or false');
  return {
    ...none,
    choice,
    note: note === undefined ? null : textAt(note, `${at}/note`),
    // the body was JSON
    value: value as JsonValue | undefined,
  };
};

const isEmpty = (value: unknown): boolean =>
  value === undefined || value === null || (typeof value === 'object' && Object.keys(value).length === 0);

/** Returns what the body of a POST asks for. @throws INVALID_REQUEST */
export const runInputOf = (body: unknown): RunInput => {
  if (!isObject(body)) return refuse('', 'must be an object');
  knownOnly(body, [...KNOWN], '');
  for (const name of ['state', 'tools', 'context', 'forwardedProps'])
    if (!isEmpty(body[name])) refuse(`/${name}`, 'must be empty: the Worker has its own settings');
  const resume = body.resume ?? [];
  if (!Array.isArray(resume)) return refuse('/resume', 'must be a list');
  const messages = messagesOf(body.messages);
  return {
    threadId: textAt(body.threadId, '/threadId'),
    runId: textAt(body.runId, '/runId'),
    messages,
    answers: resume.map((entry, at) => answerAt(entry, `/resume/${at}`)),
    held: (body.messages as readonly unknown[]).flatMap((message) =>
      isObject(message) && typeof message.id === 'string' ? [message.id] : [],
    ),
  };
};
