export { plugin, postgresStore } from './plugin.ts';
export { postgresDatabase, postgresMembership } from './postgres-store.ts';
export { type Migrated, type MigrateOptions, migrate } from './schema/migrate.ts';
export type { PostgresStoreOptions } from './store-settings.ts';
