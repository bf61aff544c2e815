import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import { importModule } from './compose.ts';
import { usageError } from './failure.ts';
import type { PluginName, PluginOptions } from './plugin-option.ts';

/** The settings of `serve` from one source, or from all sources combined. */
export interface Settings {
  readonly name?: string;
  readonly logLevel?: string;
  readonly plugins?: readonly PluginName[];
  /** Options by plugin name. The key `limits` holds the limits of the runtime itself. */
  readonly options: PluginOptions;
}

/** The names of the settings in every source. `host`, `port` and `tokenFile` are short for options of `http`. */
const SETTINGS = ['plugin', 'name', 'host', 'port', 'tokenFile', 'logLevel'] as const;
type Setting = (typeof SETTINGS)[number];
const CONFIG_FILES = ['worker-runtime.config.ts', 'worker-runtime.config.js', 'worker-runtime.config.json'];

/** Checks the raw settings of one source and brings them into the common shape. `from` resolves plugin paths. */
export const settingsOf = (
  source: string,
  raw: Readonly<Partial<Record<Setting, unknown>>>,
  options: PluginOptions,
  from: string,
): Settings => {
  const text = (setting: 'name' | 'logLevel'): string | undefined => {
    const value = raw[setting];
    if (value === undefined || typeof value === 'string') return value;
    throw usageError(`${source}: ${setting} must be a string`);
  };
  const { plugin: plugins, host, port, tokenFile } = raw;
  if (plugins !== undefined && !(Array.isArray(plugins) && plugins.every((name) => typeof name === 'string')))
    throw usageError(`${source}: plugin must be an array of names`);
  for (const [setting, value] of Object.entries({ host, port, tokenFile }))
    if (value !== undefined && options.http?.[setting] !== undefined)
      throw usageError(
        `${source}: ${setting} and http.${setting} are the same setting; give only one of them`,
      );
  const http = {
    ...options.http,
    ...(host !== undefined && { host }),
    ...(port !== undefined && { port }),
    ...(tokenFile !== undefined && { tokenFile }),
  };
  const name = text('name');
  const logLevel = text('logLevel');
  return {
    ...(name !== undefined && { name }),
    ...(logLevel !== undefined && { logLevel }),
    ...(plugins !== undefined && { plugins: plugins.map((plugin: string) => ({ name: plugin, from })) }),
    options: Object.keys(http).length > 0 ? { ...options, http } : options,
  };
};

const chosenFile = (named: string | undefined, folder: string): string | undefined => {
  if (named !== undefined) {
    const path = resolve(folder, named);
    if (!existsSync(path)) throw usageError(`--config: file not found: ${path}`);
    return path;
  }
  const [found, second] = CONFIG_FILES.map((name) => resolve(folder, name)).filter((path) =>
    existsSync(path),
  );
  if (second !== undefined)
    throw usageError(`found both ${found} and ${second}; keep one of them, or choose one with --config`);
  return found;
};

/** Reads a settings file: JSON, or the default export of a module. @throws Failure */
export const contentOf = async (path: string): Promise<unknown> => {
  try {
    if (extname(path) === '.json') return JSON.parse(await readFile(path, 'utf8'));
    const loaded = await importModule(path);
    return loaded.default;
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_UNKNOWN_FILE_EXTENSION')
      throw usageError(
        `${path}: this version of Node cannot load TypeScript; use Node 22.18 or newer, NODE_OPTIONS="--import tsx", or a .js or .json file`,
      );
    throw usageError(`cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
};

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Reads the settings file: the one named by `--config`, or the one in `folder` if there is one. */
export const readSettings = async (named: string | undefined, folder: string): Promise<Settings> => {
  const path = chosenFile(named, folder);
  if (path === undefined) return { options: {} };
  const content = await contentOf(path);
  if (!isRecord(content))
    throw usageError(`${path} must contain one object (in a module: as its default export)`);
  const raw: Partial<Record<Setting, unknown>> = {};
  const options: Record<string, Record<string, unknown>> = {};
  for (const [key, value] of Object.entries(content)) {
    const setting = SETTINGS.find((known) => known === key);
    if (setting !== undefined) raw[setting] = value;
    else if (isRecord(value)) options[key] = value;
    else
      throw usageError(
        `${path}: "${key}" is neither a setting (${SETTINGS.join(', ')}) nor an object of plugin options`,
      );
  }
  return settingsOf(path, raw, options, dirname(path));
};

/** Reads the settings in the environment that belong to no plugin, such as `WORKER_RUNTIME_PORT`. */
export const settingsFromEnvironment = (
  environment: Readonly<Record<string, string | undefined>>,
  folder: string,
): Settings => {
  const plugin = environment.WORKER_RUNTIME_PLUGIN?.split(/[\s,]+/).filter((name) => name !== '');
  const raw: Record<Setting, unknown> = {
    plugin,
    name: environment.WORKER_RUNTIME_NAME,
    host: environment.WORKER_RUNTIME_HOST,
    port: environment.WORKER_RUNTIME_PORT,
    tokenFile: environment.WORKER_RUNTIME_TOKEN_FILE,
    logLevel: environment.WORKER_RUNTIME_LOG_LEVEL,
  };
  return settingsOf('WORKER_RUNTIME_…', raw, {}, folder);
};

/** Combines settings option by option. An earlier source overrides a later one. */
export const mergeSettings = (...sources: readonly Settings[]): Settings => {
  const weakestFirst = sources.toReversed();
  const options: Record<string, Record<string, unknown>> = {};
  for (const source of weakestFirst)
    for (const [plugin, given] of Object.entries(source.options))
      options[plugin] = { ...options[plugin], ...given };
  return { ...Object.assign({}, ...weakestFirst), options };
};
