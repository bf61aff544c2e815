import { randomBytes } from 'node:crypto';

/**
 * Whether the old program takes it for a name. It becomes one component of paths, so nothing else is ever joined to
 * one.
 */
export const isPodName = (name: string): boolean =>
  name !== '' &&
  name !== '.' &&
  name !== '..' &&
  !name.includes('/') &&
  !name.includes('\0') &&
  name.length <= 200;

/** A name that nobody can tell from the Worker, nor the Worker from it. Short, since a socket's path has little room. */
export const mintPodName = (): string => `w-${randomBytes(8).toString('hex')}`;

/**
 * A pod that never ran cannot be restored under its name. The next one that its Worker gets is called so; the
 * numbers tell which one was last.
 */
export const laterPodName = (base: string, number: number): string =>
  number === 1 ? base : `${base}-${number}`;
