import { RuntimeError, type RuntimePlugin } from '@worker-runtime/core';
import { fileStore } from './fs-store.ts';
import type { FsStoreOptions } from './settings.ts';

/** Keeps a runtime in the files of a directory. @throws INVALID_REQUEST options that are not valid */
export const fsStore = (options: FsStoreOptions): RuntimePlugin => {
  const store = fileStore(options);
  return { name: 'fs-store', apply: (host) => host.useStore(store) };
};

const KNOWN = ['dir', 'durability', 'intervalMs'] as const;
const DEFAULT_INTERVAL_MS = 100;

const refuse = (message: string): never => {
  throw new RuntimeError('INVALID_REQUEST', `${message}; fs-store knows the options ${KNOWN.join(', ')}`, {
    details: { options: KNOWN },
  });
};

/**
 * The same from options that nobody has checked: a command line's, a configuration file's.
 *
 * @throws INVALID_REQUEST an option that is unknown or not valid; the message names those that are known
 */
export const plugin = (options: unknown): RuntimePlugin => {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    return refuse('The options of fs-store must be an object');
  }
  const given = options as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(given).find((name) => !(KNOWN as readonly string[]).includes(name));
  if (unknown !== undefined) refuse(`"${unknown.slice(0, 64)}" is unknown`);
  const { dir, durability = 'commit', intervalMs } = given;
  if (typeof dir !== 'string' || dir === '') return refuse('"dir" must be the path of a directory');
  if (durability !== 'commit' && durability !== 'interval') {
    return refuse('"durability" must be "commit" or "interval"');
  }
  if (intervalMs !== undefined && durability !== 'interval') {
    return refuse('"intervalMs" belongs to durability "interval"');
  }
  if (intervalMs !== undefined && typeof intervalMs !== 'number')
    return refuse('"intervalMs" must be a number');
  return fsStore({
    dir,
    durability: durability === 'commit' ? 'commit' : { intervalMs: intervalMs ?? DEFAULT_INTERVAL_MS },
  });
};
