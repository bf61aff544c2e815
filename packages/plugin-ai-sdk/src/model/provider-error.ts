import { RuntimeError } from '@worker-runtime/core';
import { APICallError, RetryError } from 'ai';
import { beginning } from '../text-beginning.ts';
import { AnswerFailure, type FailureKind } from './answer-failure.ts';
import { saysTooLong } from './context-refusal.ts';

/** Returns the RuntimeError among the causes of an error, or null. */
const runtimeErrorIn = (error: unknown): RuntimeError | null => {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth += 1)
    if (at instanceof RuntimeError) return at;
  return null;
};

/** Returns our failure among the causes of an error, or null. The AI SDK wraps the errors of a stream. */
const answerFailureIn = (error: unknown): AnswerFailure | null => {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth += 1)
    if (at instanceof AnswerFailure) return at;
  return null;
};

/** The error of a provider, without the wrappings of the AI SDK. */
const innermost = (error: unknown): unknown =>
  answerFailureIn(error) ??
  (RetryError.isInstance(error) ? (answerFailureIn(error.lastError) ?? error.lastError) : error);

const ANSWER_FAILURES: Readonly<Record<FailureKind, string>> = {
  early: 'The answer of the model ended early',
  empty: 'The answer of the model is empty',
  foreign: 'The answer of the provider is invalid',
  reported: 'The provider reported an error',
  refused: 'The provider refused the request',
};

/** The statuses with which providers refuse a request that is too long. Only 413 always means that. */
const TOO_LONG_STATUSES: readonly (number | undefined)[] = [undefined, 400, 413, 422, 500];

const isTooLong = (error: APICallError): boolean => {
  const { statusCode: status, message, responseBody = '' } = error;
  // A broken answer may have any words in it.
  if (error instanceof AnswerFailure && (error.kind === 'early' || error.kind === 'empty')) return false;
  return status === 413 || (TOO_LONG_STATUSES.includes(status) && saysTooLong(`${message} ${responseBody}`));
};

const fromResponse = (error: APICallError): RuntimeError => {
  const { statusCode: status } = error;
  if (isTooLong(error))
    return new RuntimeError('CONTEXT_LIMIT', 'The conversation exceeds the context limit of the model');
  if (status === undefined && error instanceof AnswerFailure)
    return new RuntimeError(
      error.kind === 'refused' ? 'ENGINE_FAILED' : 'ENGINE_UNAVAILABLE',
      ANSWER_FAILURES[error.kind],
    );
  if (status === undefined) return new RuntimeError('ENGINE_UNAVAILABLE', 'The provider cannot be reached');
  if (status === 401 || status === 403)
    return new RuntimeError('ENGINE_UNAVAILABLE', `The provider refused the key (${status})`);
  if (status === 404)
    return new RuntimeError('ENGINE_UNAVAILABLE', 'The provider does not know the model (404)');
  if (status === 429)
    return new RuntimeError(
      'ENGINE_UNAVAILABLE',
      'The provider refused the request because of a rate limit (429)',
    );
  if (status >= 500)
    return new RuntimeError('ENGINE_UNAVAILABLE', `The provider is not available (${status})`);
  if (status >= 400) return new RuntimeError('ENGINE_FAILED', `The provider refused the request (${status})`);
  return new RuntimeError('ENGINE_UNAVAILABLE', 'The answer of the provider is invalid');
};

/**
 * Returns the public error for a failure of a provider. Its message has at most the HTTP status, never text of the
 * provider.
 */
export const providerError = (error: unknown): RuntimeError => {
  const known = runtimeErrorIn(error);
  if (known) return known;
  const last = innermost(error);
  if (APICallError.isInstance(last)) return runtimeErrorIn(last) ?? fromResponse(last);
  return new RuntimeError('ENGINE_UNAVAILABLE', ANSWER_FAILURES.early);
};

/** The most characters to read of an error of a provider. Its last part is cut off after secrets are redacted. */
const MAX_DETAIL_CHARS = 10_000;

/** Returns the provider's own error text, which still has to be redacted. The request is left out. */
export const providerDetail = (error: unknown): string => {
  const last = innermost(error);
  if (APICallError.isInstance(last))
    return `${last.statusCode ?? ''} ${last.message} ${beginning(last.responseBody ?? '', MAX_DETAIL_CHARS)}`.trim();
  if (last instanceof Error)
    return last.cause instanceof Error ? `${last.message}: ${last.cause.message}` : last.message;
  return beginning(JSON.stringify(last) ?? String(last), MAX_DETAIL_CHARS);
};
