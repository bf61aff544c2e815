/** What a caller may do, each with all before it: look, use Workers, remove them and change what they are made from. */
export type Permission = 'observe' | 'operate' | 'admin';

/** What a route asks for. A `public` one says nothing that is not the same for everybody. */
export type RoutePermission = Permission | 'public';

const RANK: Readonly<Record<Permission, number>> = { observe: 1, operate: 2, admin: 3 };

export const isPermission = (value: unknown): value is Permission =>
  typeof value === 'string' && Object.hasOwn(RANK, value);

export const covers = (held: Permission, needed: Permission): boolean => RANK[held] >= RANK[needed];
