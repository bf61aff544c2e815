import type { IncomingMessage } from 'node:http';
import { DEFAULT_LIMITS } from '@worker-runtime/core';
import { isMounted } from './passage.ts';

/** The time limit for the head of an answer, beyond what the request itself may wait. */
export const HEAD_MS = 30_000;
/** The longest time that a command waits for an engine to attach, unless the runtime has another limit. */
const ATTACH_MS = DEFAULT_LIMITS.attachTimeoutMs;
/** The longest time that a preference to wait for a run may have. */
const PREFERRED_MS = 60_000;
/** The longest time that a stop or a cancel waits if it does not say so. */
const ENDING_MS = 60_000;
/** The longest time that a mounted handler waits: for the end of a run. */
const RUN_MS = 3_600_000;

/** Returns the deadline in the body of a stop; 0 if there is none. The runtime refuses one that is not valid. */
const deadlineIn = (body: Buffer | null): number => {
  try {
    const { deadlineMs } = Object(JSON.parse(String(body))) as { readonly deadlineMs?: unknown };
    return Number.isSafeInteger(deadlineMs) ? Math.max(0, Number(deadlineMs)) : 0;
  } catch {
    return 0;
  }
};

/**
 * Returns the time for which a request may wait before the head of its answer arrives, in milliseconds. It is at least the time for
 * which the runtime may let it wait: what the runtime reads in a header or a body is not read in the same way twice.
 */
export const headLimitOf = (request: IncomingMessage, body: Buffer | null): number => {
  const { headers, method, url = '' } = request;
  if (isMounted(request)) return RUN_MS + HEAD_MS;
  const preferred = headers.prefer === undefined ? 0 : PREFERRED_MS;
  const isCommand = method === 'POST';
  const isEnding = isCommand && /\/(stop|cancel)$/.test(url.split('?', 1)[0] as string);
  const attaching = isCommand ? ATTACH_MS : 0;
  return HEAD_MS + attaching + preferred + (isEnding ? Math.max(ENDING_MS, deadlineIn(body)) : 0);
};
