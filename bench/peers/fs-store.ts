import { fsStore } from '@worker-runtime/plugin-fs-store';
import { embeddedRuntime } from './embedded-runtime.ts';
import type { Peer } from './peer.ts';

export const embeddedFsStore: Peer = {
  id: 'fs-store',
  what: 'Runtime with fs-store, embedded',
  prepare: async () => null,
  start: (dir) => embeddedRuntime(fsStore({ dir })),
};
