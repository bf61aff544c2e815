import type { HttpReply } from '../message/http-reply.ts';
import type { HttpRequest } from '../message/http-request.ts';
import type { Found } from '../message/route-facts.ts';

/** The headers of the API that a page of an allowed origin may send and read. */
const API = {
  sent: 'authorization, content-type, idempotency-key, last-event-id, prefer, traceparent, x-request-id',
  read: 'file-media-type, idempotent-replayed, location, page-as-of, page-gaps, page-next, retry-after, runtime-id, x-request-id',
};
/** Those of a mounted handler: its protocol has headers of its own. The asterisk does not stand for `authorization`. */
const MOUNTED = { sent: 'authorization, *', read: '*' };

/** Sets the headers that let a page of this origin read the answer. */
export const allowOrigin = ({ route }: HttpRequest, reply: HttpReply, origin: string): void => {
  reply.headers({
    'access-control-allow-origin': origin,
    'access-control-expose-headers': (route?.isMounted ? MOUNTED : API).read,
  });
  reply.append('vary', 'origin');
};

/** True if the request is a CORS preflight of an allowed origin. */
export const isPreflight = ({ raw: { method, headers } }: HttpRequest, reply: HttpReply): boolean =>
  method === 'OPTIONS' &&
  headers['access-control-request-method'] !== undefined &&
  reply.hasHeader('access-control-allow-origin');

/** Answers a preflight with the methods that the path has, and with the headers that one of them takes. */
export const answerPreflight = (reply: HttpReply, methods: readonly string[], asked: Found): HttpReply =>
  reply
    .code(204)
    .headers({
      'access-control-allow-methods': methods.join(', '),
      'access-control-allow-headers': (asked.route?.isMounted ? MOUNTED : API).sent,
      'access-control-max-age': '600',
    })
    .send();
