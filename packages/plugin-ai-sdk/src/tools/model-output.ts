import type { JsonObject } from '@worker-runtime/core';
import { isObject } from '@worker-runtime/core/plugin-kit';
import { ContentResult } from './content-result.ts';
import { ToolFailure } from './tool-failure.ts';

const textOr = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** Returns the bytes of a part as base64. The AI SDK 7 has them in an object. */
const base64Of = (data: unknown): string | undefined => {
  if (data instanceof Uint8Array) return Buffer.from(data).toString('base64');
  return isObject(data) && data.type === 'data' ? base64Of(data.data) : textOr(data);
};

const urlOf = ({ url, data }: JsonObject): string | undefined => {
  const given: unknown = url ?? (isObject(data) && data.type === 'url' ? data.url : undefined);
  return given instanceof URL ? given.href : textOr(given);
};

/** Returns a part of the content for a model as a block, as tool servers send them. */
const blockOf = (part: unknown): unknown => {
  if (!isObject(part)) return part;
  const { type, text, data, mediaType, filename } = part as JsonObject;
  if (type === 'text') return { type, text };
  const mimeType = textOr(mediaType);
  const uri = urlOf(part as JsonObject);
  if (uri !== undefined) return { type: 'resource_link', uri, mimeType, name: textOr(filename) };
  const blob = base64Of(data);
  if (blob === undefined) return { type };
  if (filename !== undefined)
    return { type: 'resource', resource: { uri: textOr(filename), mimeType, blob } };
  return { type: mimeType?.startsWith('image/') ? 'image' : 'file', data: blob, mimeType };
};

/**
 * Returns the result of a function that says what the model gets of it (`toModelOutput`). The log has the same, so that
 * later requests do not need the function.
 * @throws ToolFailure it says that the call failed, or was not permitted
 */
export const modelOutputResult = (output: unknown): unknown => {
  const { type, value, reason } = (isObject(output) ? output : {}) as JsonObject;
  switch (type) {
    case 'text':
    case 'json':
      return value;
    case 'content':
      return new ContentResult({ content: (Array.isArray(value) ? value.map(blockOf) : []) as JsonObject[] });
    case 'error-text':
    case 'error-json':
      throw new ToolFailure(typeof value === 'string' ? value : JSON.stringify(value));
    case 'execution-denied':
      throw new ToolFailure(textOr(reason) ?? 'The call was not permitted');
    default:
      return output;
  }
};
