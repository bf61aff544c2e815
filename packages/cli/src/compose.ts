/** The one file that knows all plugins, and the only one that imports what a person names. */
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { RuntimePlugin } from '@worker-runtime/core';
import type { UpgradeSource, WsPlugin } from '@worker-runtime/plugin-ws';
import { misuse } from './failure.ts';
import type { PluginName, PluginOptions } from './plugin-option.ts';

type MakePlugin = (options: Readonly<Record<string, unknown>>) => RuntimePlugin;

/** What a plugin module exports, as far as the command line is concerned. */
interface PluginModule {
  readonly plugin: MakePlugin;
}

/** The plugins that come with the command line, by their short names. */
const SHIPPED: Readonly<Record<string, () => Promise<PluginModule>>> = {
  'fs-store': () => import('@worker-runtime/plugin-fs-store'),
  http: () => import('@worker-runtime/plugin-http'),
  ws: () => import('@worker-runtime/plugin-ws'),
  'legacy-pod': () => import('@worker-runtime/plugin-legacy-pod'),
  'ai-sdk': () => import('@worker-runtime/plugin-ai-sdk'),
  acp: () => import('@worker-runtime/plugin-acp'),
  echo: () => import('./echo.ts'),
};

export const SHIPPED_PLUGINS: readonly string[] = Object.keys(SHIPPED);

/** What `serve` loads when nobody names a plugin. */
export const DEFAULT_PLUGINS = ['fs-store', 'http', 'ws'];

/** Imports a file by its path, or a package by its name. */
export const importModule = async (specifier: string): Promise<Readonly<Record<string, unknown>>> =>
  (await import(isAbsolute(specifier) ? pathToFileURL(specifier).href : specifier)) as Record<
    string,
    unknown
  >;

const isPath = (name: string): boolean => /^\.{0,2}\//.test(name) || isAbsolute(name);

/** What options of a plugin are called by: `./plugins/audit.ts` and `@acme/plugin-audit` are both `audit`. */
export const shortName = (name: string): string =>
  name in SHIPPED
    ? name
    : (name.split(/[\\/]/).at(-1) ?? name)
        .replace(/\.[cm]?[jt]s$/, '')
        .replace(/^(worker-runtime-)?(plugin-)?(?=.)/, '');

const unknownPlugin = (name: string, reason: string): Error =>
  misuse(
    `PLUGIN_UNKNOWN: there is no plugin "${name}" (${reason}). Known are ${SHIPPED_PLUGINS.join(', ')}; ` +
      'besides, a package of npm or a path such as ./plugin.js',
  );

const codeOf = (error: unknown): unknown => (error as { code?: unknown }).code;

/** As seen from the folder of whoever named it; else, as for a command that is installed globally, from here. */
const resolvePackage = (name: string, from: string): string => {
  try {
    return createRequire(join(from, 'noop.js')).resolve(name);
  } catch {
    return name;
  }
};

const importPlugin = async ({ name, from }: PluginName): Promise<Partial<PluginModule>> => {
  const shipped = SHIPPED[name];
  if (shipped !== undefined) return shipped();
  const specifier = isPath(name) ? resolve(from, name) : resolvePackage(name, from);
  try {
    return (await importModule(specifier)) as Partial<PluginModule>;
  } catch (error) {
    const isMissing =
      codeOf(error) === 'ERR_MODULE_NOT_FOUND' || codeOf(error) === 'ERR_INVALID_MODULE_SPECIFIER';
    // a plugin that is there but misses a module of its own is broken, not unknown
    if (isMissing && (error as Error).message.includes(specifier))
      throw unknownPlugin(name, isPath(name) ? `no file ${specifier}` : 'no such package is installed');
    throw misuse(
      `the plugin "${name}" cannot be loaded: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
};

/** Where the files of a runtime of this name are kept when nobody says so. */
export const dataFolder = (
  name: string,
  environment: Readonly<Record<string, string | undefined>>,
): string => {
  const home = environment.XDG_DATA_HOME;
  const base = home !== undefined && isAbsolute(home) ? home : join(homedir(), '.local', 'share');
  return join(base, 'worker-runtime', name);
};

interface Shows {
  onGet(name: string, answer: () => Promise<unknown>): void;
}
interface Lists {
  list(): Promise<readonly unknown[]>;
}

/** Plugins do not know each other: what one has to show and another can, meets here. */
const connect = (plugins: readonly RuntimePlugin[]): void => {
  const find = <T>(name: string, member: string): T | undefined =>
    plugins.find((plugin) => plugin.name === name && member in plugin) as T | undefined;
  const http = find<Shows>('http', 'onGet');
  const upgrades = find<UpgradeSource>('http', 'onUpgrade');
  const sockets = find<WsPlugin>('ws', 'listenOn');
  const pods = find<Lists>('legacy-pod', 'list');
  if (upgrades && sockets) sockets.listenOn(upgrades);
  if (http && pods) http.onGet('legacy-pod', async () => ({ items: await pods.list() }));
};

/**
 * The plugins in the order of their names. Each checks its own options.
 * @throws Failure an unknown plugin, or options for one that is not loaded; the message names the known ones
 */
export const compose = async (
  names: readonly PluginName[],
  options: PluginOptions,
): Promise<readonly RuntimePlugin[]> => {
  const shortNames = names.map(({ name }) => shortName(name));
  const twice = shortNames.find((name, at) => shortNames.indexOf(name) !== at);
  if (twice !== undefined) throw misuse(`two plugins are called "${twice}": name it once`);
  const stray = Object.keys(options).find((name) => !shortNames.includes(name));
  if (stray !== undefined)
    throw misuse(
      `there are options for "${stray}", which is not loaded: loaded are ${shortNames.join(', ')}; and there is limits`,
    );
  const plugins = await Promise.all(
    names.map(async (name) => {
      const { plugin } = await importPlugin(name);
      if (typeof plugin !== 'function')
        throw misuse(`the plugin "${name.name}" has no export named "plugin"`);
      return plugin(options[shortName(name.name)] ?? {});
    }),
  );
  connect(plugins);
  return plugins;
};
