/** A function that makes a value at its first call, and returns the same one afterwards. */
export interface Once<T> {
  (): Promise<T>;
  /** True after the first call. */
  readonly isMade: boolean;
}

export const once = <T>(make: () => Promise<T>): Once<T> => {
  let made: Promise<T> | null = null;
  const get = (): Promise<T> => {
    made ??= make();
    return made;
  };
  return Object.defineProperty(get, 'isMade', { get: () => made !== null }) as Once<T>;
};
