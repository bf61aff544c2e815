import type { ErrorCode } from '@worker-runtime/core';
import { RemoteError } from './remote-error.ts';

/**
 * An id as a segment of a path. What a URL cannot carry as one (`..` would lead elsewhere) is the id of nothing.
 * @throws `missing` there can be no such thing
 */
export const segment = (id: string, missing: ErrorCode): string => {
  if (id === '' || id === '.' || id === '..') throw new RemoteError(missing, 'There is no such id');
  try {
    return encodeURIComponent(id);
  } catch (cause) {
    // half of a character
    throw new RemoteError(missing, 'There is no such id', { cause });
  }
};
