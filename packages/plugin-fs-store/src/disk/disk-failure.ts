import { RuntimeError } from '@worker-runtime/core';

const FULL = new Set<unknown>(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** Returns the `code` of a `node:fs` error. */
export const errnoOf = (error: unknown): unknown => (error as NodeJS.ErrnoException | null)?.code;

/** True if the error means that the disk, the quota or the file is full. */
export const isFull = (error: unknown): boolean => FULL.has(errnoOf(error));

/** True if another object, or none, has the name of a file or of a directory on its path. */
export const isReplaced = (error: unknown): boolean =>
  ['ENOENT', 'EISDIR', 'ENOTDIR', 'ELOOP'].includes(String(errnoOf(error)));

/** True if a file may be readable though it cannot be written. */
export const isReadOnly = (error: unknown): boolean =>
  ['EACCES', 'EPERM', 'EROFS'].includes(String(errnoOf(error)));

/**
 * True if an error may concern one file and not the disk, and may pass: a tool replaces the file, an operator changes its mode, its
 * handle is stale, or it has a bad sector. Only a full disk is the same for every file.
 */
export const isOfFile = (error: unknown): boolean =>
  !isFull(error) && /^E[A-Z\d]+$/.test(String(errnoOf(error)));

/**
 * Converts an error of the disk to a RuntimeError. Its message is safe to show; path and errno are in the cause.
 * Callers that may get STORE_FULL must know that nothing was added, because that is what the code promises.
 */
export const diskFailure = (error: unknown): RuntimeError => {
  if (error instanceof RuntimeError) return error;
  return isFull(error)
    ? new RuntimeError('STORE_FULL', 'The disk of the store is full', { cause: error })
    : unavailable('The disk of the store failed', error);
};

/** True if the error says that the store is lost to this process. The loss is reported once, as such. */
export const isLoss = (error: unknown): boolean =>
  error instanceof RuntimeError && error.code === 'STORE_LOST';

/** Makes a STORE_UNAVAILABLE error. */
export const unavailable = (message: string, cause?: unknown): RuntimeError =>
  new RuntimeError('STORE_UNAVAILABLE', message, { cause });

/** Runs a job, and converts the error that it fails with. @throws STORE_FULL · STORE_UNAVAILABLE */
export const withDiskFailure = async <T>(job: () => Promise<T>): Promise<T> => {
  try {
    return await job();
  } catch (error) {
    throw diskFailure(error);
  }
};
