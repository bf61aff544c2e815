import { isUtf8 } from 'node:buffer';
import { RuntimeError } from '@worker-runtime/core';
import { parse } from 'secure-json-parse';
import type { HttpRequest } from '../message/http-request.ts';

const notJson = (message: string, cause?: unknown): RuntimeError =>
  new RuntimeError('INVALID_REQUEST', message, { cause, details: { issues: [{ pointer: '', message }] } });

/**
 * Parses a body. An empty one counts as no body: clients send the content type of JSON with commands that need no body. A body that
 * could change the prototype of an object is refused.
 * @throws INVALID_REQUEST
 */
export const jsonOf = (bytes: Buffer): unknown => {
  if (bytes.length === 0) return undefined;
  if (!isUtf8(bytes)) throw notJson('The body is not valid UTF-8');
  try {
    return parse(bytes.toString());
  } catch (error) {
    throw notJson('The body is not valid JSON', error);
  }
};

/**
 * Returns the parsed body. `T` is the type of a valid body: the runtime validates the content, as it does for embedded
 * callers.
 * @throws INVALID_REQUEST there is no body
 */
export const bodyOf = <T>({ body }: HttpRequest): T => {
  if (body === undefined) throw notJson('A JSON body is required');
  return body as T;
};

/** Returns the parsed body of a command that needs no body; without one, an empty object. */
export const optionalBodyOf = <T extends object>({ body }: HttpRequest): T =>
  (body === undefined ? {} : body) as T;
