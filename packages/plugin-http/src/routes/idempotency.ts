import type { IdempotencyOptions } from '@worker-runtime/core';
import type { HttpReply } from '../message/http-reply.ts';
import type { HttpRequest } from '../message/http-request.ts';

/** Returns the idempotency key of a request. The runtime validates its form. */
export const idempotencyOf = ({ headers }: HttpRequest): IdempotencyOptions => {
  const key = headers['idempotency-key'];
  return key === undefined ? {} : { idempotencyKey: String(key) };
};

/** Marks the answer as that of an earlier call with the same key. */
export const markReplayed = (reply: HttpReply, replayed: boolean): void => {
  if (replayed) reply.header('idempotent-replayed', 'true');
};
