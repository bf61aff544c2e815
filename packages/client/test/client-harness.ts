import type { RuntimeApi } from '@worker-runtime/core';
import type { RuntimeApiHarness } from '@worker-runtime/core/testing';
import { archiveClient } from '../src/archive-client.ts';
import { type ClientOptions, runtimeClient } from '../src/index.ts';
import { Served } from './served.ts';

/**
 * The limits in time of both sides. All tests of the kit begin at once, in one process with all their runtimes: on a busy machine the first
 * calls take a minute, which is the limit of servers and clients by default.
 */
const PATIENCE_MS = 600_000;

/** Creates a served runtime for the contract kit, with one client that stays the same across restarts. */
export const clientHarness = async (options: Partial<ClientOptions>): Promise<RuntimeApiHarness> => {
  const served = await Served.start({
    limits: { stopDeadlineMs: 300, shutdownDeadlineMs: 1_000 },
    http: { requestTimeoutMs: PATIENCE_MS, idleTimeoutMs: PATIENCE_MS },
  });
  const shared = { url: served.address, timeoutMs: PATIENCE_MS };
  const api = runtimeClient({ ...shared, ...options });
  const archives = archiveClient(shared);
  const begin = async (kept: number): Promise<RuntimeApi> => {
    await served.begin();
    // lets the client notice that its kept connections are closed: as many calls at once use all of them. A call without a key that one of
    // them loses is not repeated
    await Promise.allSettled(Array.from({ length: kept }, () => api.summary()));
    await api.summary();
    return api;
  };
  return {
    api,
    engine: served.engine,
    restart: async () => {
      const kept = served.proxy.open;
      await served.stop();
      return begin(kept);
    },
    kill: async () => {
      const kept = served.proxy.open;
      await served.kill();
      return begin(kept);
    },
    archives: () => archives,
    dispose: () => served.dispose(),
  };
};
