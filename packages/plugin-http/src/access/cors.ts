import type { FastifyReply, FastifyRequest } from 'fastify';

/** What a page of an allowed origin may send, and see of an answer. */
const SENT = 'authorization, content-type, idempotency-key, last-event-id, prefer, traceparent, x-request-id';
const SEEN =
  'idempotent-replayed, location, page-as-of, page-gaps, page-next, retry-after, runtime-id, x-request-id';

/** Lets an allowed page read the answer. */
export const allowOrigin = (reply: FastifyReply, origin: string): void => {
  reply.headers({
    'access-control-allow-origin': origin,
    'access-control-expose-headers': SEEN,
    vary: 'origin',
  });
};

/** Whether a browser asks if its page may call at all. */
export const isPreflight = ({ method, headers }: FastifyRequest): boolean =>
  method === 'OPTIONS' && headers['access-control-request-method'] !== undefined;

export const answerPreflight = (reply: FastifyReply, methods: readonly string[]): FastifyReply =>
  reply
    .code(204)
    .headers({
      'access-control-allow-methods': methods.join(', '),
      'access-control-allow-headers': SENT,
      'access-control-max-age': '600',
    })
    .send();
