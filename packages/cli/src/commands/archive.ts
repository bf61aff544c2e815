import { resolve } from 'node:path';
import { Runtime, type RuntimeStore } from '@worker-runtime/core';
import {
  addWorker,
  exportRuntime,
  importRuntime,
  type OfflineOptions,
  openArchive,
} from '@worker-runtime/core/archive';
import { archiveFacts, archiveFailure, archiveText } from '../archive-text.ts';
import { compose } from '../compose.ts';
import { usageError } from '../failure.ts';
import type { Output } from '../output.ts';
import type { PluginOptions } from '../plugin-option.ts';
import { startFailure } from '../start-failure.ts';
import { type Plan, planOf, WITHOUT_SERVER } from './serve.ts';

export interface StoreFlags {
  readonly name: string | undefined;
  readonly plugin: readonly string[] | undefined;
  readonly config: string | undefined;
  readonly file: string;
  readonly json: boolean;
  readonly pluginOptions: PluginOptions;
}

/** Returns the plan of `serve` with the same settings. A store that another process has open is refused, and not waited for. */
const planFor = async ({ name, plugin, config, pluginOptions }: StoreFlags): Promise<Plan> => {
  const plan = await planOf({ ...WITHOUT_SERVER, name, plugin, config, pluginOptions });
  const { 'postgres-store': postgres, ...others } = plan.options;
  if (postgres === undefined) return plan;
  return { ...plan, options: { ...others, 'postgres-store': { whenLocked: 'refuse', ...postgres } } };
};

/** Uses the store of a plan. @throws Failure the store or the archive refuses */
const withStoreOf = async (
  flags: StoreFlags,
  output: Output,
  whenLocked: string,
  use: (store: RuntimeStore, options: OfflineOptions) => Promise<void>,
): Promise<void> => {
  const plan = await planFor(flags);
  try {
    const plugins = await compose(plan.plugins, plan.options);
    const store = Runtime.storeOf({ plugins });
    if (!store) throw usageError('no plugin of the settings is a store; name one, such as --plugin fs-store');
    await use(store, {
      configuration: {
        plugins: plugins.map(({ name }) => name),
        limits: { ...plan.limits } as Record<string, number>,
      },
      report: ({ severity, code, message }) => {
        if (severity !== 'info') output.remark(`${severity}: ${code}: ${message}`);
      },
    });
  } catch (error) {
    throw startFailure(error, plan.options, whenLocked);
  }
};

/** Writes everything that a store keeps to a file. @throws Failure */
export const exportStore = (flags: StoreFlags, output: Output): Promise<void> =>
  withStoreOf(
    flags,
    output,
    'stop it first, or ask it for an archive with: worker-runtime backup',
    async (store, options) => {
      const archive = await exportRuntime(store, resolve(flags.file), options);
      output.print(
        flags.json ? JSON.stringify(archiveFacts(archive)) : `${flags.file}: ${archiveText(archive)}`,
      );
    },
  );

/** Fills an empty store from a file. @throws Failure */
export const importStore = (flags: StoreFlags & { readonly copy: boolean }, output: Output): Promise<void> =>
  withStoreOf(
    flags,
    output,
    'stop it first, or fill another store with --name or --fs-store.dir',
    async (store, options) => {
      const path = resolve(flags.file);
      const { content } = (await openArchive(path)).beginning;
      if (content === 'worker' && flags.copy) throw usageError('--copy is for the archive of a runtime');
      const archive =
        content === 'worker'
          ? await addWorker(path, store, options)
          : await importRuntime(path, store, { ...options, isCopy: flags.copy });
      const { runtimeId } = archive;
      output.print(
        flags.json
          ? JSON.stringify({ ...archiveFacts(archive), runtimeId })
          : `imported ${content === 'worker' ? 'into' : 'as'} ${runtimeId}: ${archiveText(archive)}`,
      );
    },
  );

/** Checks a file. @throws Failure it is not whole */
export const verifyArchive = async (
  { file, json }: { readonly file: string; readonly json: boolean },
  output: Output,
): Promise<void> => {
  try {
    const archive = await openArchive(resolve(file));
    output.print(json ? JSON.stringify(archiveFacts(archive)) : `${file} is whole: ${archiveText(archive)}`);
  } catch (error) {
    throw archiveFailure(error, file);
  }
};
