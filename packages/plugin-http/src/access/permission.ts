import { isPermission, type Permission } from '@worker-runtime/core/scope';

/** The permission that a route needs. A `public` route gives every caller the same answer. */
export type RoutePermission = Permission | 'public';

/** One permission, or a list of those that no single one includes. */
export type Permissions = Permission | readonly Permission[];

export const isPermissions = (value: unknown): value is Permissions =>
  Array.isArray(value) ? value.length > 0 && value.every(isPermission) : isPermission(value);
