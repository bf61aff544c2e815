import { type ClientOptions, runtimeClient } from '@worker-runtime/client';
import type { RuntimeApi } from '@worker-runtime/core';
import type { RuntimeApiHarness } from '@worker-runtime/core/testing';
import { Hop } from './hop.ts';
import { RemotePlace } from './world.ts';

/** Creates a remote runtime for the contract kit, and a client that reaches it through a server of a registry. It has no callers, whose
 * names the events would have. */
export const hopHarness = async (options: Partial<ClientOptions>): Promise<RuntimeApiHarness> => {
  const place = await RemotePlace.start({
    limits: { stopDeadlineMs: 1_000, shutdownDeadlineMs: 2_000 },
  });
  const { runtimeId } = place.runtime;
  const hop = await Hop.start([{ name: 'far', url: place.gate.url, runtimeId }]);
  const api: RuntimeApi = runtimeClient({ url: hop.url, runtime: runtimeId, ...options });
  return {
    api,
    engine: place.engine,
    restart: async () => {
      await place.stop();
      await place.begin();
      await api.summary();
      return api;
    },
    archives: () => place.runtime.archives,
    dispose: async () => {
      await hop.close();
      await place.dispose();
    },
  };
};
