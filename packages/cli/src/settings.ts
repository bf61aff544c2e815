import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import { importModule } from './compose.ts';
import { misuse } from './failure.ts';
import type { PluginName, PluginOptions } from './plugin-option.ts';

/** What `serve` was told by one source, or by all of them together. */
export interface Settings {
  readonly name?: string;
  readonly logLevel?: string;
  readonly plugins?: readonly PluginName[];
  /** By the name of the plugin; `limits` are those of the runtime itself. */
  readonly options: PluginOptions;
}

/** What each source calls its settings. `host`, `port` and `tokenFile` are short for those of `http`. */
const SETTINGS = ['plugin', 'name', 'host', 'port', 'tokenFile', 'logLevel'] as const;
type Setting = (typeof SETTINGS)[number];
const CONFIG_FILES = ['worker-runtime.config.ts', 'worker-runtime.config.js', 'worker-runtime.config.json'];

/** One source's raw settings in the shape that all sources share. */
export const settingsOf = (
  source: string,
  raw: Readonly<Partial<Record<Setting, unknown>>>,
  options: PluginOptions,
  from: string,
): Settings => {
  const text = (setting: 'name' | 'logLevel'): string | undefined => {
    const value = raw[setting];
    if (value === undefined || typeof value === 'string') return value;
    throw misuse(`${source}: ${setting} must be text`);
  };
  const { plugin: plugins, host, port, tokenFile } = raw;
  if (plugins !== undefined && !(Array.isArray(plugins) && plugins.every((name) => typeof name === 'string')))
    throw misuse(`${source}: plugin must be a list of names`);
  for (const [setting, value] of Object.entries({ host, port, tokenFile }))
    if (value !== undefined && options.http?.[setting] !== undefined)
      throw misuse(`${source}: ${setting} and http.${setting} are the same: name one of them`);
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
    if (!existsSync(path)) throw misuse(`--config: there is no file ${path}`);
    return path;
  }
  const [found, second] = CONFIG_FILES.map((name) => resolve(folder, name)).filter((path) =>
    existsSync(path),
  );
  if (second !== undefined) throw misuse(`${found} and ${second}: keep one, or name one with --config`);
  return found;
};

const contentOf = async (path: string): Promise<unknown> => {
  try {
    if (extname(path) === '.json') return JSON.parse(await readFile(path, 'utf8'));
    const loaded = await importModule(path);
    return loaded.default;
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_UNKNOWN_FILE_EXTENSION')
      throw misuse(
        `${path}: this Node cannot read TypeScript. Use Node 22.18 or newer, NODE_OPTIONS="--import tsx", or a .js or .json file.`,
      );
    throw misuse(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
};

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The configuration file: named by `--config`, else the one in `folder`, else nothing. */
export const readSettings = async (named: string | undefined, folder: string): Promise<Settings> => {
  const path = chosenFile(named, folder);
  if (path === undefined) return { options: {} };
  const content = await contentOf(path);
  if (!isRecord(content))
    throw misuse(`${path} must hold one object, as its default export if it is a module`);
  const raw: Partial<Record<Setting, unknown>> = {};
  const options: Record<string, Record<string, unknown>> = {};
  for (const [key, value] of Object.entries(content)) {
    const setting = SETTINGS.find((known) => known === key);
    if (setting !== undefined) raw[setting] = value;
    else if (isRecord(value)) options[key] = value;
    else
      throw misuse(
        `${path}: "${key}" is no setting (${SETTINGS.join(', ')}) and no object of plugin options`,
      );
  }
  return settingsOf(path, raw, options, dirname(path));
};

/** The variables that are no plugin's: `WORKER_RUNTIME_PORT` and its like. */
export const settingsFrom = (
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

/** One set of settings: what an earlier source says wins, option by option. */
export const mergeSettings = (...sources: readonly Settings[]): Settings => {
  const weakestFirst = sources.toReversed();
  const options: Record<string, Record<string, unknown>> = {};
  for (const source of weakestFirst)
    for (const [plugin, given] of Object.entries(source.options))
      options[plugin] = { ...options[plugin], ...given };
  return { ...Object.assign({}, ...weakestFirst), options };
};
