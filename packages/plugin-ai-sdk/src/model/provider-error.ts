import { RuntimeError } from '@worker-runtime/core';
import { APICallError, RetryError } from 'ai';

/** Matches the errors of providers for a request that is too long: OpenAI, Anthropic, llama.cpp, vLLM, Ollama. */
const CONTEXT_FULL =
  /context[ _-]?(length|window|size|limit)|maximum context|prompt is too long|too many (input )?tokens|input is too long/i;

/** Returns the RuntimeError among the causes of an error, or null. */
const runtimeErrorIn = (error: unknown): RuntimeError | null => {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth += 1)
    if (at instanceof RuntimeError) return at;
  return null;
};

const fromResponse = (error: APICallError): RuntimeError => {
  const { statusCode: status, message, responseBody = '' } = error;
  if ((status === 400 || status === 413 || status === 422) && CONTEXT_FULL.test(`${message} ${responseBody}`))
    return new RuntimeError('CONTEXT_LIMIT', 'The conversation exceeds the context limit of the model');
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
  const last = RetryError.isInstance(error) ? error.lastError : error;
  if (APICallError.isInstance(last)) return runtimeErrorIn(last) ?? fromResponse(last);
  // An error inside a stream has no type: it is what the provider sent.
  if (CONTEXT_FULL.test(last instanceof Error ? last.message : (JSON.stringify(last) ?? '')))
    return new RuntimeError('CONTEXT_LIMIT', 'The conversation exceeds the context limit of the model');
  return new RuntimeError('ENGINE_UNAVAILABLE', 'The answer of the model ended early');
};

/** The most characters to read of an error of a provider. Its last part is cut off after secrets are redacted. */
const MAX_DETAIL_CHARS = 10_000;

/** Returns the provider's own error text, which still has to be redacted. The request is left out. */
export const providerDetail = (error: unknown): string => {
  const last = RetryError.isInstance(error) ? error.lastError : error;
  if (APICallError.isInstance(last))
    return `${last.statusCode ?? ''} ${last.message} ${(last.responseBody ?? '').slice(0, MAX_DETAIL_CHARS)}`.trim();
  if (last instanceof Error)
    return last.cause instanceof Error ? `${last.message}: ${last.cause.message}` : last.message;
  return (JSON.stringify(last) ?? String(last)).slice(0, MAX_DETAIL_CHARS);
};
