import { type ClientOptions, runtimeClient } from '@worker-runtime/client';
import type { RuntimeApiHarness } from '@worker-runtime/core/testing';
import { MemoryCluster } from './memory-cluster.ts';

/** Creates a Runtime on one host for the contract kit, and a client that reaches it through another host. */
export const elsewhereHarness = async (options: Partial<ClientOptions>): Promise<RuntimeApiHarness> => {
  const cluster = new MemoryCluster({}, { stopDeadlineMs: 1_000, shutdownDeadlineMs: 2_000 });
  const runtimeId = await cluster.make('far', 'owner');
  const owner = await cluster.join('owner');
  await owner.serves('far');
  const asked = await cluster.join('asked');
  return {
    api: runtimeClient({ url: asked.url, runtime: runtimeId, ...options }),
    engine: cluster.engine,
    dispose: () => cluster.dispose(),
  };
};

/** The reason for which some tests of the contract are skipped. */
export const LACKS = {
  restart: 'a Runtime of a cluster moves instead, which other tests show',
  archives: 'the host that is asked passes on what the owner answers, which the direct client shows',
  kill: 'a Runtime of a cluster moves instead, which other tests show',
};
