import { RuntimeError } from '@worker-runtime/core';

const FULL = new Set<unknown>(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** The `code` of a `node:fs` failure. */
export const errnoOf = (error: unknown): unknown => (error as NodeJS.ErrnoException | null)?.code;

export const isFull = (error: unknown): boolean => FULL.has(errnoOf(error));

/** Whether a file, or a directory on the way to it, is missing or not what it should be: waiting will not cure that. */
export const isMisplaced = (error: unknown): boolean =>
  ['ENOENT', 'EISDIR', 'ENOTDIR', 'ELOOP', 'EACCES', 'EPERM', 'EROFS'].includes(String(errnoOf(error)));

/**
 * A failure of the disk as the runtime's error: the message is safe to show, path and number travel in the cause.
 * STORE_FULL only where the caller knows that nothing was added, for that is what the code says.
 */
export const diskFailure = (error: unknown): RuntimeError => {
  if (error instanceof RuntimeError) return error;
  return isFull(error)
    ? new RuntimeError('STORE_FULL', 'The disk of the store is full', { cause: error })
    : unavailable('The disk of the store failed', error);
};

export const unavailable = (message: string, cause?: unknown): RuntimeError =>
  new RuntimeError('STORE_UNAVAILABLE', message, { cause });
