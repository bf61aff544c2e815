import { RuntimeError } from '@worker-runtime/core';
import type { FastifyInstance, FastifyRequest } from 'fastify';

const notJson = (message: string, cause?: unknown): RuntimeError =>
  new RuntimeError('INVALID_REQUEST', message, { cause, details: { issues: [{ pointer: '', message }] } });

/**
 * Makes JSON the only accepted body type. An empty body counts as no body: clients send the content type of JSON with
 * commands that need no body. `received` is called with the size of each body that has arrived.
 */
export const acceptJsonBodies = (
  app: FastifyInstance,
  received: (request: FastifyRequest, bytes: number) => void,
): void => {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const bytes = body as Buffer;
    received(request, bytes.length);
    if (bytes.length === 0) return done(null, undefined);
    let text: string;
    try {
      text = decoder.decode(bytes);
    } catch (error) {
      return done(notJson('The body is not valid UTF-8', error), undefined);
    }
    return parse(request, text, (error, value) =>
      error ? done(notJson('The body is not valid JSON', error), undefined) : done(null, value),
    );
  });
};

/**
 * Returns the parsed body. `T` is the type of a valid body: the runtime validates the content, as it does for embedded
 * callers.
 * @throws INVALID_REQUEST there is no body
 */
export const bodyOf = <T>({ body }: FastifyRequest): T => {
  if (body === undefined) throw notJson('A JSON body is required');
  return body as T;
};

/** Returns the parsed body of a command that needs no body; without one, an empty object. */
export const optionalBodyOf = <T extends object>({ body }: FastifyRequest): T =>
  (body === undefined ? {} : body) as T;
