import { RuntimeError, type RuntimePlugin } from '@worker-runtime/core';
import { oneOf, optional, readOptions, text } from '@worker-runtime/core/plugin-kit';
import { fileStore } from './fs-store.ts';
import { BOUNDS, type FsStoreOptions, interval } from './store/store-settings.ts';

/** Makes a plugin that stores a runtime in the files of a directory. @throws INVALID_REQUEST the options are not valid */
export const fsStore = (options: FsStoreOptions): RuntimePlugin => {
  const store = fileStore(options);
  return { name: 'fs-store', apply: (host) => host.useStore(store) };
};

const DEFAULT_INTERVAL_MS = 100;

/**
 * Makes the plugin from unchecked options, such as those of a command line or a configuration file. A flag cannot be an
 * object, so `durability` is `commit` or `interval` here, and `intervalMs` is an option of its own.
 *
 * @throws INVALID_REQUEST an option is missing, unknown or not valid
 */
export const plugin = (options: unknown): RuntimePlugin => {
  const { durability, intervalMs, ...others } = readOptions('fs-store', options, {
    dir: text,
    durability: optional(oneOf('commit', 'interval'), 'commit'),
    intervalMs: optional(interval, null),
    ...BOUNDS,
  });
  if (durability === 'interval')
    return fsStore({ ...others, durability: { intervalMs: intervalMs ?? DEFAULT_INTERVAL_MS } });
  if (intervalMs === null) return fsStore(others);
  throw new RuntimeError('INVALID_REQUEST', 'The option fs-store.intervalMs requires durability interval', {
    details: { option: 'intervalMs' },
  });
};
