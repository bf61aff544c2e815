import type { Permission } from '@worker-runtime/core/scope';

/** The permission that a route needs. A `public` route gives every caller the same answer. */
export type RoutePermission = Permission | 'public';
