import { memoryStore, type RuntimeStore } from '@worker-runtime/core';

/** A store in memory with the id of another one, as if it were the same. */
export const namedStore = (runtimeId: string): RuntimeStore => {
  const store = memoryStore();
  const open = store.open.bind(store);
  return Object.assign(store, { open: (host: Parameters<typeof open>[0]) => open({ ...host, runtimeId }) });
};
