/**
 * The permission of a token; each includes the ones before it. `observe` reads, `operate` also uses Workers, `admin`
 * also deletes Workers and manages bundles.
 */
export type Permission = 'observe' | 'operate' | 'admin';

/** The permission that a route needs. A `public` route gives every caller the same answer. */
export type RoutePermission = Permission | 'public';

const RANK: Readonly<Record<Permission, number>> = { observe: 1, operate: 2, admin: 3 };

export const isPermission = (value: unknown): value is Permission =>
  typeof value === 'string' && Object.hasOwn(RANK, value);

/** True if the held permission includes the needed one. */
export const covers = (held: Permission, needed: Permission): boolean => RANK[held] >= RANK[needed];
