import { refuse } from '@worker-runtime/core/plugin-kit';
import type { Progress } from './chunk.ts';

/** A part of an input: text, or the bytes of a file. */
export type InputPart =
  | { readonly type: 'text'; readonly text: string }
  | {
      readonly type: 'file';
      readonly mediaType: string;
      readonly name: string | null;
      readonly bytes: Uint8Array;
    };

/** The answer of a person to a request of a run. */
export interface Approval {
  readonly requestId: string;
  readonly isApproved: boolean;
  readonly reason: string | null;
}

/** The request of a client: a new message, or the rest of a message after its approvals. */
export type ChatRequest =
  | {
      readonly kind: 'message';
      readonly chatId: string;
      readonly messageId: string;
      readonly parts: readonly InputPart[];
    }
  | {
      readonly kind: 'approvals';
      readonly chatId: string;
      readonly runId: string;
      readonly progress: Progress | null;
      readonly approvals: readonly Approval[];
    };

const KNOWN = new Set(['id', 'messages', 'trigger', 'messageId']);

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const textOf = (value: unknown, pointer: string): string =>
  typeof value === 'string' && value !== '' ? value : refuse(pointer, 'must be a text');

/** Matches ids that can be the key of an input. */
const ID = /^[\x21-\x7e]{1,200}$/;

const idOf = (value: unknown, pointer: string): string =>
  typeof value === 'string' && ID.test(value)
    ? value
    : refuse(pointer, 'must have 1 to 200 printable ASCII characters');

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** Returns the Base64 text of a data URL; null for any other URL. */
const base64In = (url: string): string | null => {
  const comma = url.indexOf(',');
  const head = url.slice(0, Math.max(0, comma));
  const text = url.slice(comma + 1);
  return head.startsWith('data:') && head.endsWith(';base64') && BASE64.test(text) ? text : null;
};

const inputPartOf = (part: unknown, pointer: string): InputPart => {
  if (!isFields(part)) return refuse(pointer, 'must be an object');
  const { type, mediaType, filename } = part;
  if (type === 'text') return { type, text: textOf(part.text, `${pointer}/text`) };
  if (type !== 'file') return refuse(`${pointer}/type`, 'must be "text" or "file"');
  const base64 =
    base64In(textOf(part.url, `${pointer}/url`)) ?? refuse(`${pointer}/url`, 'must be a data URL in Base64');
  return {
    type,
    mediaType: textOf(mediaType, `${pointer}/mediaType`),
    name: filename === undefined ? null : textOf(filename, `${pointer}/filename`),
    bytes: Buffer.from(base64, 'base64'),
  };
};

const approvalsOf = (parts: readonly unknown[]): readonly Approval[] =>
  parts.flatMap((part) => {
    if (!isFields(part) || part.state !== 'approval-responded' || !isFields(part.approval)) return [];
    const { id, approved, reason } = part.approval;
    if (typeof id !== 'string' || typeof approved !== 'boolean') return [];
    return [{ requestId: id, isApproved: approved, reason: typeof reason === 'string' ? reason : null }];
  });

/** Returns the progress in the metadata of a message. Null if it has none, and the client then gets the whole message. */
const progressOf = (metadata: unknown): Progress | null => {
  if (!isFields(metadata) || !Number.isSafeInteger(metadata.upTo)) return null;
  const shown = isFields(metadata.shown) ? Object.entries(metadata.shown) : [];
  const lengths = shown.filter((entry): entry is [string, number] => Number.isSafeInteger(entry[1]));
  return { upTo: metadata.upTo as number, shown: Object.fromEntries(lengths) };
};

/**
 * Returns what the body of a POST asks for. Only its last message is read: the runtime has the ones before it.
 * @throws INVALID_REQUEST
 */
export const chatRequestOf = (body: unknown): ChatRequest => {
  if (!isFields(body)) return refuse('', 'must be an object');
  for (const name of Object.keys(body)) if (!KNOWN.has(name)) refuse(`/${name}`, 'is not known');
  const { id, messages, trigger = 'submit-message' } = body;
  const chatId = textOf(id, '/id');
  if (trigger !== 'submit-message')
    return refuse(
      '/trigger',
      'must be "submit-message": a Worker does not repeat or change an earlier answer',
    );
  if (!Array.isArray(messages) || messages.length === 0)
    return refuse('/messages', 'must be a list with a message');
  const pointer = `/messages/${messages.length - 1}`;
  const message: unknown = messages.at(-1);
  if (!isFields(message) || !Array.isArray(message.parts)) return refuse(pointer, 'must have parts');
  const messageId = idOf(message.id, `${pointer}/id`);
  const { role, parts, metadata } = message;
  if (role === 'user') {
    if (parts.length === 0) return refuse(`${pointer}/parts`, 'must not be empty');
    return {
      kind: 'message',
      chatId,
      messageId,
      parts: parts.map((part, at) => inputPartOf(part, `${pointer}/parts/${at}`)),
    };
  }
  if (role !== 'assistant') return refuse(`${pointer}/role`, 'must be "user" or "assistant"');
  const approvals = approvalsOf(parts);
  if (approvals.length === 0) return refuse(pointer, 'has no answer to a request');
  return { kind: 'approvals', chatId, runId: messageId, progress: progressOf(metadata), approvals };
};
