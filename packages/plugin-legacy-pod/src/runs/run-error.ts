import { RuntimeError } from '@worker-runtime/core';

/** What a pod said when a run failed, kept for the operator. */
const story = (code: string, message: string): Error => new Error(`${code}: ${message}`);

/**
 * Why a run failed, as people may read it: providers put endpoints, paths and whole requests into their messages, so
 * only what is known of them is said.
 */
export const runError = (code: string, message: string): RuntimeError => {
  const cause = story(code, message);
  if (/context_length_exceeded|context window|prompt is too long/i.test(message))
    return new RuntimeError('CONTEXT_LIMIT', undefined, { cause });
  if (code === 'already_running')
    return new RuntimeError('WORKER_BUSY', 'The pod works for another client', { cause });
  if (code === 'invalid_request')
    return new RuntimeError('ENGINE_FAILED', 'The pod refused the input', { cause });
  const status = /\(status:? (\d{3})\)|\b(?:status|HTTP) (\d{3})\b/.exec(message);
  const number = status?.[1] ?? status?.[2];
  if (code === 'provider_error' || /^Client error: /.test(message))
    return new RuntimeError(
      'ENGINE_FAILED',
      number === undefined
        ? 'The provider of the model reported an error'
        : `The provider of the model reported an error (status ${number})`,
      { cause },
    );
  if (code === 'tool_error' || /^Tool error: /.test(message))
    return new RuntimeError('ENGINE_FAILED', 'A tool of the pod failed', { cause });
  return new RuntimeError('ENGINE_FAILED', 'The pod failed', { cause });
};
