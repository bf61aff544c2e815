import { randomBytes } from 'node:crypto';

/** True if the old program accepts the name. A pod name is used as one component of a path, so it must have no `/`. */
export const isPodName = (name: string): boolean =>
  name !== '' &&
  name !== '.' &&
  name !== '..' &&
  !name.includes('/') &&
  !name.includes('\0') &&
  name.length <= 200;

/**
 * Returns a new random name. The name and the Worker's id cannot be derived from each other. The name is short, because
 * the length of a socket's path is limited.
 */
export const mintPodName = (): string => `w-${randomBytes(8).toString('hex')}`;

/**
 * Returns the name of a Worker's nth pod. A pod that never ran cannot be restored under its name, so its Worker gets
 * another pod under the next name.
 */
export const laterPodName = (base: string, number: number): string =>
  number === 1 ? base : `${base}-${number}`;
