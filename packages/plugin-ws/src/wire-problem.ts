import { ERROR_CODES, type RuntimeError } from '@worker-runtime/core';
import type { WireProblem } from './wire.ts';

/** Returns the public part of an error. For INTERNAL that is the correlation id only: the cause is in the operator's log. */
export const wireProblemOf = (error: RuntimeError, correlationId: string): WireProblem => {
  const { code } = error;
  const { title, retryable } = ERROR_CODES[code];
  const isInternal = code === 'INTERNAL';
  return {
    code,
    title,
    detail: isInternal ? title : error.message,
    retryable,
    details: isInternal ? {} : error.details,
    correlationId,
  };
};
