import { RuntimeError } from '@worker-runtime/core';

/** The longest time that one request may wait for its run. */
const MAX_WAIT_SECONDS = 60;

const WAIT = /^wait(?:\s*=\s*"?([^"\s]*)"?)?$/i;

/** Returns the value of the first preference `wait`; null if there is none. Each part is matched once, from its start. */
const waitIn = (text: string): string | null => {
  for (const part of text.split(/[,;]/)) {
    const wait = WAIT.exec(part.trim());
    if (wait) return wait[1] ?? '';
  }
  return null;
};

/**
 * Returns the wait of `Prefer: wait=N` in milliseconds; 0 without it. Other preferences are ignored.
 * @throws INVALID_REQUEST not a whole number · LIMIT_TOO_LARGE more than 60 seconds
 */
export const waitMsOf = (prefer: string | readonly string[] | undefined): number => {
  if (prefer === undefined) return 0;
  const text = typeof prefer === 'string' ? prefer : prefer.join(',');
  const value = waitIn(text);
  if (value === null) return 0;
  if (!/^[0-9]{1,9}$/.test(value)) {
    throw new RuntimeError('INVALID_REQUEST', '"Prefer: wait" must be a whole number of seconds');
  }
  const seconds = Number(value);
  if (seconds > MAX_WAIT_SECONDS) {
    throw new RuntimeError('LIMIT_TOO_LARGE', `"Prefer: wait" must be at most ${MAX_WAIT_SECONDS} seconds`, {
      details: { limit: 'waitSeconds', value: MAX_WAIT_SECONDS },
    });
  }
  return seconds * 1_000;
};
