/**
 * The permissions of callers. `observe` reads. `operate` uses Workers, and `answer` answers their requests; each includes
 * `observe` but not the other, so that the caller that sends an input need not be the one that grants what an agent asks for.
 * `admin` includes all, deletes Workers and manages bundles.
 */
export type Permission = 'observe' | 'operate' | 'answer' | 'admin';

/** The permission that a route needs. A `public` route gives every caller the same answer. */
export type RoutePermission = Permission | 'public';

const INCLUDED: Readonly<Record<Permission, readonly Permission[]>> = {
  observe: ['observe'],
  operate: ['observe', 'operate'],
  answer: ['observe', 'answer'],
  admin: ['observe', 'operate', 'answer', 'admin'],
};

export const PERMISSIONS = Object.keys(INCLUDED) as readonly Permission[];

export const isPermission = (value: unknown): value is Permission =>
  typeof value === 'string' && Object.hasOwn(INCLUDED, value);

/** True if one of the held permissions includes the needed one. */
export const covers = (held: readonly Permission[], needed: Permission): boolean =>
  held.some((permission) => INCLUDED[permission].includes(needed));
