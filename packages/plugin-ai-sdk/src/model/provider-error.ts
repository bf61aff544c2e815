import { RuntimeError } from '@worker-runtime/core';
import { APICallError, RetryError } from 'ai';

/** What providers say when a request holds more than the model can take: OpenAI, Anthropic, llama.cpp, vLLM, Ollama. */
const CONTEXT_FULL =
  /context[ _-]?(length|window|size|limit)|maximum context|prompt is too long|too many (input )?tokens|input is too long/i;

const typedIn = (error: unknown): RuntimeError | null => {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth += 1)
    if (at instanceof RuntimeError) return at;
  return null;
};

const refused = (error: APICallError): RuntimeError => {
  const { statusCode: status, message, responseBody = '' } = error;
  if ((status === 400 || status === 413 || status === 422) && CONTEXT_FULL.test(`${message} ${responseBody}`))
    return new RuntimeError('CONTEXT_LIMIT', 'The conversation is longer than the model can take');
  if (status === undefined) return new RuntimeError('ENGINE_UNAVAILABLE', 'The provider cannot be reached');
  if (status === 401 || status === 403)
    return new RuntimeError('ENGINE_UNAVAILABLE', `The provider refused the key (${status})`);
  if (status === 404)
    return new RuntimeError('ENGINE_UNAVAILABLE', 'The provider does not know the model (404)');
  if (status === 429)
    return new RuntimeError('ENGINE_UNAVAILABLE', 'The provider has no room for another request (429)');
  if (status >= 500)
    return new RuntimeError('ENGINE_UNAVAILABLE', `The provider is not available (${status})`);
  if (status >= 400) return new RuntimeError('ENGINE_FAILED', `The provider refused the request (${status})`);
  return new RuntimeError('ENGINE_UNAVAILABLE', 'The answer of the model cannot be read');
};

/** What a run may say of a provider's failure: a code and a status, never the provider's own words. */
export const providerError = (error: unknown): RuntimeError => {
  const typed = typedIn(error);
  if (typed) return typed;
  const last = RetryError.isInstance(error) ? error.lastError : error;
  if (APICallError.isInstance(last)) return typedIn(last) ?? refused(last);
  // errors inside a stream come as the provider sent them
  if (CONTEXT_FULL.test(last instanceof Error ? last.message : (JSON.stringify(last) ?? '')))
    return new RuntimeError('CONTEXT_LIMIT', 'The conversation is longer than the model can take');
  return new RuntimeError('ENGINE_UNAVAILABLE', 'The answer of the model was cut off');
};

/** The same for the operator's log, in one line: what was sent is left out. */
export const providerStory = (error: unknown): string => {
  const last = RetryError.isInstance(error) ? error.lastError : error;
  if (APICallError.isInstance(last))
    return `${last.statusCode ?? ''} ${last.message} ${(last.responseBody ?? '').slice(0, 2_000)}`.trim();
  if (last instanceof Error)
    return last.cause instanceof Error ? `${last.message}: ${last.cause.message}` : last.message;
  return (JSON.stringify(last) ?? String(last)).slice(0, 2_000);
};
