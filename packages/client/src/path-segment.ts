import type { ErrorCode } from '@worker-runtime/core';
import { RemoteError } from './remote-error.ts';

/**
 * Encodes an id as a segment of a path. An id that a URL cannot carry, such as `..`, cannot exist.
 * @throws `missing` the id cannot exist
 */
export const pathSegment = (id: string, missing: ErrorCode): string => {
  if (id === '' || id === '.' || id === '..') throw new RemoteError(missing, 'No such id');
  try {
    return encodeURIComponent(id);
  } catch (cause) {
    // the id contains half of a surrogate pair
    throw new RemoteError(missing, 'No such id', { cause });
  }
};
