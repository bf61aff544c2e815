import { resolve } from 'node:path';
import { Runtime, RuntimeError, type RuntimeStore } from '@worker-runtime/core';
import {
  type Archive,
  exportRuntime,
  importRuntime,
  type OfflineOptions,
  openArchive,
} from '@worker-runtime/core/archive';
import { compose } from '../compose.ts';
import { EXIT, Failure, usageError } from '../failure.ts';
import type { Output } from '../output.ts';
import type { PluginOptions } from '../plugin-option.ts';
import { startFailure } from '../start-failure.ts';
import { type Plan, planOf } from './serve.ts';

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
  const serving = {
    host: undefined,
    port: undefined,
    tokenFile: undefined,
    console: undefined,
    logLevel: undefined,
  };
  const plan = await planOf({ ...serving, name, plugin, config, pluginOptions });
  const { 'postgres-store': postgres, ...others } = plan.options;
  if (postgres === undefined) return plan;
  return { ...plan, options: { ...others, 'postgres-store': { whenLocked: 'refuse', ...postgres } } };
};

const kindOf = (text: string, count: number): string => `${count} ${text}${count === 1 ? '' : 's'}`;

const summaryOf = ({ beginning, end, digest }: Archive): string => {
  const { workers, events, blobs, bundles, pluginStates } = end;
  const parts = [
    kindOf('Worker', workers),
    kindOf('event', events),
    kindOf('file', blobs),
    kindOf('bundle', bundles),
    kindOf('plugin state', pluginStates),
  ];
  return `${parts.join(', ')} of ${beginning.runtimeId}, written ${beginning.writtenAt}, digest ${digest}`;
};

const answer = (
  output: Output,
  isJson: boolean,
  archive: Archive & { readonly runtimeId?: string },
  text: string,
) => {
  const { path, digest, beginning, end, runtimeId } = archive;
  const { kind: _beginning, ...begin } = beginning;
  const { kind: _end, ...counts } = end;
  // the body of an item is no part of its description
  const shown = { file: path, digest, ...begin, ...counts, body: undefined };
  output.print(isJson ? JSON.stringify({ ...shown, ...(runtimeId !== undefined && { runtimeId }) }) : text);
};

/** Uses the store of a plan. @throws Failure the store or the archive refuses */
const withStoreOf = async (
  flags: StoreFlags,
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
        if (severity !== 'info') process.stderr.write(`${severity}: ${code}: ${message}\n`);
      },
    });
  } catch (error) {
    throw startFailure(error, plan.options);
  }
};

/** Writes everything that a store keeps to a file. @throws Failure */
export const exportStore = (flags: StoreFlags, output: Output): Promise<void> =>
  withStoreOf(flags, async (store, options) => {
    const archive = await exportRuntime(store, resolve(flags.file), options);
    answer(output, flags.json, archive, `${flags.file}: ${summaryOf(archive)}`);
  });

/** Fills an empty store from a file. @throws Failure */
export const importStore = (flags: StoreFlags & { readonly copy: boolean }, output: Output): Promise<void> =>
  withStoreOf(flags, async (store, options) => {
    const archive = await importRuntime(resolve(flags.file), store, { ...options, isCopy: flags.copy });
    answer(output, flags.json, archive, `imported as ${archive.runtimeId}: ${summaryOf(archive)}`);
  });

/** Checks a file. @throws Failure it is not whole */
export const verifyArchive = async (
  { file, json }: { readonly file: string; readonly json: boolean },
  output: Output,
): Promise<void> => {
  try {
    const archive = await openArchive(resolve(file));
    answer(output, json, archive, `${file} is whole: ${summaryOf(archive)}`);
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    throw new Failure(EXIT.failed, `${error.code}: ${error.message} (${file})`, { cause: error });
  }
};
