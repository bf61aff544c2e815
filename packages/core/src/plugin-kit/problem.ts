import { ERROR_CODES, type ErrorCode, type ErrorDetails, RuntimeError } from '../contracts/runtime-error.ts';
import { STATUS_OF } from './http-status.ts';

export const PROBLEM_TYPE = 'application/problem+json';

/** The body of an error answer, after RFC 9457. The contract of RuntimeError makes `detail` and `details` public. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly details: ErrorDetails;
}

/** Returns the public part of an error. For INTERNAL that is the title only: the cause is for the operator. */
export const problemOf = (error: RuntimeError): Problem => {
  const { code } = error;
  const { title, retryable } = ERROR_CODES[code];
  const isInternal = code === 'INTERNAL';
  return {
    type: `urn:worker-runtime:error:${code.toLowerCase().replaceAll('_', '-')}`,
    title,
    status: STATUS_OF[code],
    detail: isInternal ? title : error.message,
    code,
    retryable,
    details: isInternal ? {} : error.details,
  };
};

/** Creates a METHOD_NOT_ALLOWED error for a path that has these methods. */
export const methodNotAllowed = (...allowed: readonly string[]): RuntimeError =>
  new RuntimeError('METHOD_NOT_ALLOWED', undefined, { details: { allowed } });

/** Returns the header `Allow` of the answer for an error, which RFC 9110 demands of METHOD_NOT_ALLOWED; no header for another error. */
export const allowOf = ({ code, details: { allowed } }: RuntimeError): { readonly allow?: string } =>
  code === 'METHOD_NOT_ALLOWED' && Array.isArray(allowed) ? { allow: allowed.join(', ') } : {};
