import type { CallOptions } from '@worker-runtime/core/plugin-kit';
import type { HttpRequest } from '../message/http-request.ts';

/** Returns the name of the request's caller for the events of a command. Nothing in the request itself can choose it. */
export const callOf = ({ caller: { name } }: HttpRequest): CallOptions =>
  name === null ? {} : { actor: name };
