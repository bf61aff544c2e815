type Defined<T> = { readonly [K in keyof T]: Exclude<T[K], undefined> };

/** Omits undefined fields, so that the runtime applies its own defaults. */
export const defined = <T extends object>(fields: T): Partial<Defined<T>> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<
    Defined<T>
  >;
