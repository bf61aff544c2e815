import { Runtime } from '@worker-runtime/core';
import type { RegistryApi } from '@worker-runtime/core/plugin-kit';
import { type RegistryHarness, type RegistryPlace, scriptedEngine } from '@worker-runtime/core/testing';
import { Registry } from '../src/index.ts';
import { makeKeys, RemotePlace } from './world.ts';

/** Creates a registry of an embedded runtime and two remote ones for the contract kit. `apiOf` returns the API under test. */
export const registryHarness = async (
  apiOf: (registry: Registry) => Promise<{ readonly api: RegistryApi; readonly close: () => Promise<void> }>,
): Promise<RegistryHarness> => {
  const keys = await makeKeys();
  const engine = scriptedEngine();
  const embedded = await Runtime.start({ engines: [engine] });
  const remotes = await Promise.all(
    [1, 2].map(() => RemotePlace.start({ http: { issuerFile: keys.issuerFile } })),
  );
  const places: RegistryPlace[] = [
    { name: 'here', runtimeId: embedded.runtimeId, api: embedded, engine },
    ...remotes.map((place, index) => ({
      name: `far-${index}`,
      runtimeId: place.runtime.runtimeId,
      api: place.runtime,
      engine: place.engine,
      faults: {
        cut: async () => place.gate.cut(),
        hang: async () => place.gate.hang(),
        swap: () => place.swap(),
        restore: async () => place.restore(),
      },
    })),
  ];
  const registry = new Registry(
    [
      { name: 'here', runtime: embedded },
      ...remotes.map((place, index) => ({
        name: `far-${index}`,
        url: place.gate.url,
        runtimeId: place.runtime.runtimeId,
        auth: { identity: keys.identity },
      })),
    ],
    { listDeadlineMs: 2_500 },
  );
  const { api, close } = await apiOf(registry);
  return {
    registry: api,
    places,
    dispose: async () => {
      await close();
      registry.close();
      await Promise.all(remotes.map((place) => place.dispose()));
      await embedded.stop();
      await keys.remove();
    },
  };
};
