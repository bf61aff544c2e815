import type { JsonObject, JsonValue } from '@worker-runtime/core';
import { isObject, refuse } from '@worker-runtime/core/plugin-kit';
import {
  type Fields,
  flagAt,
  historyLengthAt,
  metadataAt,
  objectAt,
  optionalTextAt,
  textAt,
} from './parameters.ts';
import { A2aError } from './rpc-error.ts';

/** A part of a message. */
export type Content =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'data'; readonly data: JsonValue }
  | {
      readonly type: 'file';
      readonly mediaType: string;
      readonly name: string | null;
      readonly bytes: Uint8Array;
    };

/** A request to send a message. */
export interface MessageRequest {
  readonly messageId: string;
  /** The task that the message continues; null for a new one. */
  readonly taskId: string | null;
  readonly content: readonly Content[];
  readonly metadata: JsonObject | null;
  readonly historyLength: number | null;
  readonly returnsAtOnce: boolean;
}

/** Matches ids that can be the key of an input. */
const ID = /^[\x21-\x7e]{1,255}$/;
/** ProtoJSON accepts both alphabets. */
const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;
const KINDS = ['text', 'raw', 'url', 'data'] as const;

const contentAt = (value: unknown, pointer: string): Content => {
  const part = objectAt(value, pointer);
  const kinds = KINDS.filter((kind) => part[kind] !== undefined);
  const [kind] = kinds;
  if (kinds.length !== 1) return refuse(pointer, `must have one of ${KINDS.join(', ')}`);
  switch (kind) {
    case 'text':
      return { type: 'text', text: textAt(part.text, `${pointer}/text`) };
    case 'data':
      // the body was JSON
      return { type: 'data', data: part.data as JsonValue };
    case 'raw': {
      const { raw } = part;
      if (typeof raw !== 'string' || !BASE64.test(raw)) return refuse(`${pointer}/raw`, 'must be Base64');
      return {
        type: 'file',
        mediaType: optionalTextAt(part.mediaType, `${pointer}/mediaType`) ?? 'application/octet-stream',
        name: optionalTextAt(part.filename, `${pointer}/filename`),
        bytes: Buffer.from(raw, 'base64'),
      };
    }
    default:
      throw new A2aError(
        'CONTENT_TYPE_NOT_SUPPORTED',
        'A file must be sent as bytes, because no URL is read',
      );
  }
};

/** Returns the id of the task that the parameters name. */
export const taskIdOf = (params: Fields): string => {
  checkTenant(params);
  return textAt(params.id, '/id');
};

/** @throws INVALID_REQUEST the parameters name a tenant */
export const checkTenant = ({ tenant }: Fields): void => {
  if (optionalTextAt(tenant, '/tenant') !== null)
    refuse('/tenant', 'must be empty: the agent has no tenants');
};

/** Returns what the parameters of a message ask for. @throws INVALID_REQUEST */
export const messageRequestOf = (params: Fields, agent: string): MessageRequest => {
  checkTenant(params);
  const message = objectAt(params.message, '/message');
  const configuration = params.configuration ?? {};
  if (!isObject(configuration)) return refuse('/configuration', 'must be an object');
  if (configuration.taskPushNotificationConfig)
    throw new A2aError('PUSH_NOTIFICATION_NOT_SUPPORTED', 'The agent sends no push notifications');
  const { messageId, role, parts } = message;
  if (typeof messageId !== 'string' || !ID.test(messageId))
    return refuse('/message/messageId', 'must have 1 to 255 printable ASCII characters');
  if (role !== 'ROLE_USER') return refuse('/message/role', 'must be "ROLE_USER"');
  if (!Array.isArray(parts) || parts.length === 0)
    return refuse('/message/parts', 'must be a list of at least one part');
  const contextId = optionalTextAt(message.contextId, '/message/contextId');
  if (contextId !== null && contextId !== agent)
    return refuse('/message/contextId', 'must be that of the agent, which has one context');
  return {
    messageId,
    taskId: optionalTextAt(message.taskId, '/message/taskId'),
    content: parts.map((part, at) => contentAt(part, `/message/parts/${at}`)),
    metadata: metadataAt(message.metadata, '/message/metadata'),
    historyLength: historyLengthAt(configuration.historyLength, '/configuration/historyLength'),
    returnsAtOnce: flagAt(configuration.returnImmediately, '/configuration/returnImmediately'),
  };
};
