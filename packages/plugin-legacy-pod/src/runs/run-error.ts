import { RuntimeError } from '@worker-runtime/core';

/**
 * Returns the public error for a failed run. Providers put endpoints, paths and whole requests into their messages, so
 * the pod's own text is only in `cause`, for the operator.
 */
export const runError = (code: string, message: string): RuntimeError => {
  const cause = new Error(`${code}: ${message}`);
  if (/context_length_exceeded|context window|prompt is too long/i.test(message))
    return new RuntimeError('CONTEXT_LIMIT', undefined, { cause });
  if (code === 'already_running')
    return new RuntimeError('WORKER_BUSY', 'The pod is running for another client', { cause });
  if (code === 'invalid_request')
    return new RuntimeError('ENGINE_FAILED', 'The pod refused the input', { cause });
  const status = /\(status:? (\d{3})\)|\b(?:status|HTTP) (\d{3})\b/.exec(message);
  const number = status?.[1] ?? status?.[2];
  if (code === 'provider_error' || /^Client error: /.test(message))
    return new RuntimeError(
      'ENGINE_FAILED',
      number === undefined
        ? 'The model provider reported an error'
        : `The model provider reported an error (status ${number})`,
      { cause },
    );
  if (code === 'tool_error' || /^Tool error: /.test(message))
    return new RuntimeError('ENGINE_FAILED', 'A tool of the pod failed', { cause });
  return new RuntimeError('ENGINE_FAILED', 'The run of the pod failed', { cause });
};
