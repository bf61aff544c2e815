type Said<T> = { readonly [K in keyof T]: Exclude<T[K], undefined> };

/** Leaves out what was not said, so that the runtime's own defaults hold. */
export const said = <T extends object>(fields: T): Partial<Said<T>> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<Said<T>>;
