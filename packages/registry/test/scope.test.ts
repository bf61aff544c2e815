import { runtimeClient } from '@worker-runtime/client';
import type { RuntimeApi } from '@worker-runtime/core';
import type { Scope } from '@worker-runtime/core/scope';
import { testScope } from '@worker-runtime/core/testing';
import test from 'ava';
import { Hop, OWNER } from './hop.ts';
import { makeKeys, RemotePlace } from './world.ts';

// scopes in signed tokens, which the registry signs for the caller of each request
testScope(test, async () => {
  const keys = await makeKeys();
  const place = await RemotePlace.start({ http: { issuerFile: keys.issuerFile } });
  const { runtimeId } = place.runtime;
  const callers: Record<string, typeof OWNER> = {};
  const source = { name: 'far', url: place.gate.url, runtimeId, auth: { identity: keys.identity } };
  const hop = await Hop.start([source], callers);
  return {
    api: place.runtime,
    engine: place.engine,
    as: async (scope: Scope): Promise<RuntimeApi> => {
      const token = `caller-${Object.keys(callers).length}`;
      callers[token] = { ...OWNER, scope };
      return runtimeClient({ url: hop.url, runtime: runtimeId, token, webSocket: null });
    },
    dispose: async () => {
      await hop.close();
      await place.dispose();
      await keys.remove();
    },
  };
});
