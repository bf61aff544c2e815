import { isObject, refuse } from '@worker-runtime/core/plugin-kit';
import { contentAt, type InputContent } from './input-content.ts';
import { flagAt, parametersOf, textAt } from './parameters.ts';

/** A request for a chat completion. */
export interface ChatRequest {
  readonly model: string;
  readonly content: readonly InputContent[];
  readonly isStream: boolean;
  readonly includesUsage: boolean;
}

const KNOWN = new Set(['model', 'messages', 'stream', 'stream_options']);

const includesUsage = (options: unknown): boolean => {
  if (options === undefined) return false;
  if (!isObject(options)) return refuse('/stream_options', 'must be an object');
  for (const name of Object.keys(options))
    if (name !== 'include_usage' && !(name === 'include_obfuscation' && options[name] === false))
      refuse(`/stream_options/${name}`, 'is not supported');
  return flagAt(options.include_usage, '/stream_options/include_usage');
};

/**
 * Returns what the body of a request for a completion asks for. Clients repeat the conversation, and only the last message is read: the
 * Worker has the ones before it. @throws INVALID_REQUEST
 */
export const chatRequestOf = (body: unknown): ChatRequest => {
  const { model, messages, stream, stream_options } = parametersOf(body, KNOWN);
  if (!Array.isArray(messages)) return refuse('/messages', 'must be a list with a message');
  for (const [at, message] of messages.entries()) {
    const role: unknown = isObject(message) ? message.role : null;
    if (role !== 'user' && role !== 'assistant')
      refuse(
        `/messages/${at}/role`,
        'must be "user" or "assistant": the Worker has its own instructions and tools',
      );
  }
  const last = messages.length - 1;
  const message = messages[last] as Readonly<Record<string, unknown>>;
  if (message.role !== 'user') refuse(`/messages/${last}/role`, 'must be "user" in the last message');
  return {
    model: textAt(model, '/model'),
    content: contentAt(message.content, `/messages/${last}/content`),
    isStream: flagAt(stream, '/stream'),
    includesUsage: includesUsage(stream_options),
  };
};
