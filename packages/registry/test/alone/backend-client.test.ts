import { backendClient } from '@worker-runtime/client';
import { testRegistry } from '@worker-runtime/core/testing';
import test from 'ava';
import { Hop } from '../hop.ts';
import { registryHarness } from '../registry-harness.ts';

testRegistry(test, () =>
  registryHarness(async (registry) => {
    const hop = await Hop.serve(registry);
    return { api: backendClient({ url: hop.url, webSocket: null }), close: () => hop.close() };
  }),
);
