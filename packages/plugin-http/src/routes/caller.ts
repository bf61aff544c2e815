import type { CallOptions } from '@worker-runtime/core/plugin-kit';
import type { FastifyRequest } from 'fastify';

/** Returns the name of the request's caller for the events of a command. Nothing in the request itself can choose it. */
export const callOf = ({ caller: { name } }: FastifyRequest): CallOptions =>
  name === null ? {} : { actor: name };
