import type { IdempotencyOptions } from '@worker-runtime/core';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** The key that makes a retry safe; its form is checked by the runtime. */
export const idempotencyOf = ({ headers }: FastifyRequest): IdempotencyOptions => {
  const key = headers['idempotency-key'];
  return key === undefined ? {} : { idempotencyKey: String(key) };
};

/** Says that this is the answer of the first call. */
export const markReplayed = (reply: FastifyReply, replayed: boolean): void => {
  if (replayed) reply.header('idempotent-replayed', 'true');
};
