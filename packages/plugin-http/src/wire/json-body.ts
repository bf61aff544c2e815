import { RuntimeError } from '@worker-runtime/core';
import type { FastifyInstance, FastifyRequest } from 'fastify';

const notJson = (message: string, cause?: unknown): RuntimeError =>
  new RuntimeError('INVALID_REQUEST', message, { cause, details: { issues: [{ pointer: '', message }] } });

/**
 * Makes JSON the only body that is read. An empty one is no body, since clients send the content type of JSON with
 * commands that need none.
 */
export const acceptJsonBodies = (app: FastifyInstance): void => {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const bytes = body as Buffer;
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
 * The parsed body. What is in it is checked by the runtime, in the one place where embedded callers are checked too:
 * the type says what a valid one is.
 * @throws INVALID_REQUEST there is none
 */
export const bodyOf = <T>({ body }: FastifyRequest): T => {
  if (body === undefined) throw notJson('A JSON body is required');
  return body as T;
};

/** The parsed body of a command that needs none. */
export const optionalBodyOf = <T extends object>({ body }: FastifyRequest): T =>
  (body === undefined ? {} : body) as T;
