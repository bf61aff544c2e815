import type { RuntimePlugin } from '@worker-runtime/core';
import { PostgresStore } from './postgres-store.ts';
import type { PostgresStoreOptions } from './store-settings.ts';

/**
 * Makes the plugin from unchecked options, such as those of a command line or a configuration file.
 * @throws INVALID_REQUEST an option is missing, unknown or not valid
 */
export const plugin = (options: unknown): RuntimePlugin => {
  const store = new PostgresStore(options);
  return { name: 'postgres-store', apply: (host) => host.useStore(store) };
};

/** Makes a plugin that stores a runtime in a PostgreSQL database. @throws INVALID_REQUEST the options are not valid */
export const postgresStore = (options: PostgresStoreOptions): RuntimePlugin => plugin(options);
