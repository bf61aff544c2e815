import { ERROR_CODES, type RuntimeError } from '@worker-runtime/core';
import type { WireProblem } from './wire.ts';

/** What is public of an error. INTERNAL says nothing but the correlation id: its cause is in the operator's log. */
export const problemOf = (error: RuntimeError, correlationId: string): WireProblem => {
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
