import { RuntimeError } from '@worker-runtime/core';
import { allowOf, STATUS_OF } from '@worker-runtime/core/plugin-kit';

/** An error as the API describes it. */
export interface ApiError {
  readonly message: string;
  readonly type: 'invalid_request_error' | 'server_error';
  /** The parameter that is wrong, or null. */
  readonly param: string | null;
  readonly code: string;
}

/** Describes an error by its code and a sentence, without a foreign message. */
export const apiErrorOf = (error: unknown): ApiError => {
  const { code, message, details } = RuntimeError.from(error);
  return {
    message: `${code}: ${message}`,
    type: STATUS_OF[code] < 500 ? 'invalid_request_error' : 'server_error',
    param: details.issues?.[0]?.pointer.slice(1).replaceAll('/', '.') || null,
    code,
  };
};

/** Returns the answer for an error. The clients of the API repeat a request that failed, so the answer says if they may. */
export const errorAnswer = (error: unknown, mayRetry = RuntimeError.from(error).retryable): Response =>
  Response.json(
    { error: apiErrorOf(error) },
    {
      status: STATUS_OF[RuntimeError.from(error).code],
      headers: { 'x-should-retry': String(mayRetry), ...allowOf(RuntimeError.from(error)) },
    },
  );

/** Returns the answer for an error after an input was accepted. Only with a key, the same request again is no other input. */
export const acceptedErrorAnswer = ({ headers }: Request, error: unknown): Response =>
  errorAnswer(error, headers.has('idempotency-key') && RuntimeError.from(error).retryable);
