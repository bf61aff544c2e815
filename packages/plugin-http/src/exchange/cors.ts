import type { HttpReply } from '../message/http-reply.ts';
import type { HttpRequest } from '../message/http-request.ts';

/** The request headers that a page of an allowed origin may send. */
const ALLOWED_HEADERS =
  'authorization, content-type, idempotency-key, last-event-id, prefer, traceparent, x-request-id';
/** The response headers that such a page may read. */
const EXPOSED_HEADERS =
  'file-media-type, idempotent-replayed, location, page-as-of, page-gaps, page-next, retry-after, runtime-id, x-request-id';

/** Sets the headers that let a page of this origin read the answer. */
export const allowOrigin = (reply: HttpReply, origin: string): void => {
  reply.headers({
    'access-control-allow-origin': origin,
    'access-control-expose-headers': EXPOSED_HEADERS,
    vary: 'origin',
  });
};

/** True if the request is a CORS preflight of an allowed origin. */
export const isPreflight = ({ raw: { method, headers } }: HttpRequest, reply: HttpReply): boolean =>
  method === 'OPTIONS' &&
  headers['access-control-request-method'] !== undefined &&
  reply.hasHeader('access-control-allow-origin');

/** Answers a preflight with the methods that the path has. */
export const answerPreflight = (reply: HttpReply, methods: readonly string[]): HttpReply =>
  reply
    .code(204)
    .headers({
      'access-control-allow-methods': methods.join(', '),
      'access-control-allow-headers': ALLOWED_HEADERS,
      'access-control-max-age': '600',
    })
    .send();
