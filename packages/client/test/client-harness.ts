import type { RuntimeApi } from '@worker-runtime/core';
import type { RuntimeApiHarness } from '@worker-runtime/core/testing';
import { archiveClient } from '../src/archive-client.ts';
import { type ClientOptions, runtimeClient } from '../src/index.ts';
import { Served } from './served.ts';

/** Creates a served runtime for the contract kit, with one client that stays the same across restarts. */
export const clientHarness = async (options: Partial<ClientOptions>): Promise<RuntimeApiHarness> => {
  const served = await Served.start({ limits: { stopDeadlineMs: 300, shutdownDeadlineMs: 1_000 } });
  const api = runtimeClient({ url: served.proxy.url, ...options });
  const archives = archiveClient({ url: served.proxy.url });
  const begin = async (): Promise<RuntimeApi> => {
    await served.begin();
    // lets the client notice that its kept-alive connections are closed
    await api.summary();
    return api;
  };
  return {
    api,
    engine: served.engine,
    restart: async () => {
      await served.stop();
      return begin();
    },
    kill: async () => {
      await served.kill();
      return begin();
    },
    archives: () => archives,
    dispose: () => served.dispose(),
  };
};
