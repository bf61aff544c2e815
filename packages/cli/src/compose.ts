/** The only file that knows all plugins, and the only one that imports modules that the user names. */
import { createRequire } from 'node:module';
import { isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { RuntimeError, type RuntimePlugin } from '@worker-runtime/core';
import { methodNotAllowed, ownValue } from '@worker-runtime/core/plugin-kit';
import type { MountPlace } from '@worker-runtime/plugin-http';
import type { UpgradeSource, WsPlugin } from '@worker-runtime/plugin-ws';
import { EXIT, Failure, usageError } from './failure.ts';
import type { PluginName, PluginOptions } from './plugin-option.ts';
import { suggestion } from './suggestion.ts';

type MakePlugin = (options: Readonly<Record<string, unknown>>) => RuntimePlugin;

/** The exports of a plugin module that the command line uses. */
interface PluginModule {
  readonly plugin: MakePlugin;
}

/** The plugins that are part of the command line, by short name. */
const SHIPPED: Readonly<Record<string, () => Promise<PluginModule>>> = {
  'fs-store': () => import('@worker-runtime/plugin-fs-store'),
  'postgres-store': () => import('@worker-runtime/plugin-postgres-store'),
  http: () => import('@worker-runtime/plugin-http'),
  ws: () => import('@worker-runtime/plugin-ws'),
  'legacy-pod': () => import('@worker-runtime/plugin-legacy-pod'),
  'ai-sdk': () => import('@worker-runtime/plugin-ai-sdk'),
  acp: () => import('@worker-runtime/plugin-acp'),
  'facade-a2a': () => import('@worker-runtime/facade-a2a'),
  'facade-ag-ui': () => import('@worker-runtime/facade-ag-ui'),
  'facade-mcp': () => import('@worker-runtime/facade-mcp'),
  'facade-openai': () => import('@worker-runtime/facade-openai'),
  'facade-ui-stream': () => import('@worker-runtime/facade-ui-stream'),
  otel: () => import('./otel-export.ts'),
  quota: () => import('@worker-runtime/plugin-quota'),
  webhooks: () => import('@worker-runtime/plugin-webhooks'),
  echo: () => import('./echo.ts'),
};

export const SHIPPED_PLUGINS: readonly string[] = Object.keys(SHIPPED);

/** The plugins that `serve` loads if no plugin is named. */
export const DEFAULT_PLUGINS = ['fs-store', 'http', 'ws'];

/** Imports a file by its absolute path, or a package by its name. */
export const importModule = async (specifier: string): Promise<Readonly<Record<string, unknown>>> =>
  (await import(isAbsolute(specifier) ? pathToFileURL(specifier).href : specifier)) as Record<
    string,
    unknown
  >;

const isPath = (name: string): boolean => /^\.{0,2}\//.test(name) || isAbsolute(name);

/**
 * Returns the short name of a plugin, which prefixes its options: `./plugins/audit.ts` and `@acme/plugin-audit` are both
 * `audit`.
 */
export const shortName = (name: string): string =>
  Object.hasOwn(SHIPPED, name)
    ? name
    : (name.split(/[\\/]/).at(-1) ?? name)
        .replace(/\.[cm]?[jt]s$/, '')
        .replace(/^(worker-runtime-)?(plugin-)?(?=.)/, '');

const unknownPlugin = (name: string, reason: string): Error =>
  new Failure(
    EXIT.usage,
    `PLUGIN_UNKNOWN: unknown plugin "${name}" (${reason})${suggestion(name, SHIPPED_PLUGINS)} ` +
      `(available plugins: ${SHIPPED_PLUGINS.join(', ')}, an npm package, or a path such as ./plugin.js)`,
    { code: 'PLUGIN_UNKNOWN' },
  );

const codeOf = (error: unknown): unknown => (error as { code?: unknown }).code;

/**
 * Resolves a package from the folder of the settings that name it. If that fails, the name is returned and is resolved
 * from here, for a command that is installed globally.
 */
const resolvePackage = (name: string, from: string): string => {
  try {
    return createRequire(join(from, 'noop.js')).resolve(name);
  } catch {
    return name;
  }
};

const importPlugin = async ({ name, from }: PluginName): Promise<Partial<PluginModule>> => {
  const shipped = ownValue(SHIPPED, name);
  if (shipped !== undefined) return shipped();
  const specifier = isPath(name) ? resolve(from, name) : resolvePackage(name, from);
  try {
    return (await importModule(specifier)) as Partial<PluginModule>;
  } catch (error) {
    const isMissing =
      codeOf(error) === 'ERR_MODULE_NOT_FOUND' || codeOf(error) === 'ERR_INVALID_MODULE_SPECIFIER';
    // a plugin that exists but cannot find one of its own imports is broken, not unknown
    if (isMissing && (error as Error).message.includes(specifier))
      throw unknownPlugin(name, isPath(name) ? `no file ${specifier}` : 'no such package is installed');
    throw usageError(
      `cannot load the plugin "${name}": ${error instanceof Error ? error.message : String(error)}`,
    );
  }
};

/** Returns the folder of the built console. */
export const consoleFolder = async (): Promise<string> =>
  fileURLToPath((await import('@worker-runtime/console')).assets);

/** The part of the legacy-pod plugin that lists pods. */
interface PodList {
  list(): Promise<readonly unknown[]>;
}

/** A plugin that serves a protocol of its own on the port of the http plugin. */
interface Mounting {
  mountOn(place: MountPlace): void;
}

/** Serves the pods as JSON. */
const mountPods = (place: MountPlace, pods: PodList): void =>
  place.mount('legacy-pod', 'observe', async ({ method }, { caller, path }) => {
    // a pod belongs to no Worker that the scope could select
    if (caller.scope.workers !== '*')
      throw new RuntimeError(
        'FORBIDDEN',
        'The pods are those of all Workers, and your scope is a part of them',
      );
    if (path !== '') throw new RuntimeError('ROUTE_NOT_FOUND');
    if (method !== 'GET' && method !== 'HEAD') throw methodNotAllowed('GET', 'HEAD');
    return Response.json({ items: await pods.list() });
  });

/** Connects plugins that use each other. Plugins do not import one another, so this is the place that knows both. */
const connect = (plugins: readonly RuntimePlugin[]): void => {
  const find = <T>(name: string, member: string): T | undefined =>
    plugins.find((plugin) => plugin.name === name && member in plugin) as T | undefined;
  const http = find<MountPlace>('http', 'mount');
  const upgrades = find<UpgradeSource>('http', 'onUpgrade');
  const sockets = find<WsPlugin>('ws', 'listenOn');
  const pods = find<PodList>('legacy-pod', 'list');
  if (upgrades && sockets) sockets.listenOn(upgrades);
  if (http && pods) mountPods(http, pods);
  if (http)
    for (const plugin of plugins) if ('mountOn' in plugin) (plugin as RuntimePlugin & Mounting).mountOn(http);
};

/**
 * Creates the named plugins, in the given order. Each plugin checks its own options.
 * @throws Failure a plugin is unknown, or options are given for one that is not loaded; the message lists the known ones
 */
export const compose = async (
  names: readonly PluginName[],
  options: PluginOptions,
): Promise<readonly RuntimePlugin[]> => {
  const shortNames = names.map(({ name }) => shortName(name));
  const twice = shortNames.find((name, at) => shortNames.indexOf(name) !== at);
  if (twice !== undefined)
    throw usageError(`two plugins have the short name "${twice}"; name each plugin once`);
  const stray = Object.keys(options).find((name) => !shortNames.includes(name));
  if (stray !== undefined)
    throw usageError(
      `options are given for "${stray}", which is not loaded (loaded: ${shortNames.join(', ')}; "limits" is always available)`,
    );
  const plugins = await Promise.all(
    names.map(async (name) => {
      const { plugin } = await importPlugin(name);
      if (typeof plugin !== 'function')
        throw usageError(`the plugin "${name.name}" has no export named "plugin"`);
      return plugin(options[shortName(name.name)] ?? {});
    }),
  );
  connect(plugins);
  return plugins;
};
