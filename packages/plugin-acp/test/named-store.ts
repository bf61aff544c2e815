import { memoryStore, type RuntimeStore } from '@worker-runtime/core';

/** Returns a memory store with a given runtime id, as a store on a disk would have it after a restart. */
export const namedStore = (runtimeId: string): RuntimeStore => {
  const inner = memoryStore();
  return new Proxy(inner, {
    get: (_, name: keyof RuntimeStore) => {
      if (name === 'open')
        return async (...args: Parameters<RuntimeStore['open']>) => ({
          ...(await inner.open(...args)),
          runtimeId,
        });
      const value = inner[name];
      return typeof value === 'function' ? value.bind(inner) : value;
    },
  });
};
