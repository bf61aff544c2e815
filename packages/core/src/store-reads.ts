import type { Clock } from './contracts/clock.ts';
import type { RuntimeStore } from './contracts/store.ts';
import { storeInTime } from './in-time.ts';

/** The reads of a store, each of which answers in time or fails. */
export type StoreReads = Pick<RuntimeStore, 'read' | 'record' | 'keys' | 'blob' | 'bundle' | 'bundles'>;

/**
 * Limits the time of each read, so that a caller does not depend on how many other reads the store has to make first. A read
 * that is late costs the store the same. @throws as the store · STORE_UNAVAILABLE it took longer than `limitMs`
 */
export const readsInTime = (store: RuntimeStore, clock: Clock, limitMs: number): StoreReads => {
  const inTime = <T>(reading: Promise<T>): Promise<T> => storeInTime(clock, limitMs, reading);
  return {
    read: (log, position, limits) => inTime(store.read(log, position, limits)),
    record: (log) => inTime(store.record(log)),
    keys: (log) => inTime(store.keys(log)),
    blob: (log, name) => inTime(store.blob(log, name)),
    bundle: (digest) => inTime(store.bundle(digest)),
    bundles: () => inTime(store.bundles()),
  };
};
