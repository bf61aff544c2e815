import type { RuntimeApi } from '@worker-runtime/core';
import { type RuntimeApiHarness, testRuntimeApi } from '@worker-runtime/core/testing';
import test from 'ava';
import { runtimeClient } from '../src/index.ts';
import { Served } from './served.ts';

// one client for all lives of the runtime, as a program that outlives it has
testRuntimeApi(test, async (): Promise<RuntimeApiHarness> => {
  const served = await Served.start({ limits: { stopDeadlineMs: 300, shutdownDeadlineMs: 1_000 } });
  const api = runtimeClient({ url: served.proxy.url });
  const begin = async (): Promise<RuntimeApi> => {
    await served.begin();
    // finds the connections closed that were kept open, as any program does that goes on after a restart
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
    dispose: () => served.dispose(),
  };
});
