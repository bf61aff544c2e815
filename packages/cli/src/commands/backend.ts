import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Backend, type BackendConfig } from '@worker-runtime/backend';
import type { RuntimeError } from '@worker-runtime/core';
import { storeCompiledCode } from '../compiled-code.ts';
import { compose } from '../compose.ts';
import { EXIT, usageError } from '../failure.ts';
import { createLog, LOG_LEVELS, type OperatorLog } from '../log.ts';
import type { PluginOptions } from '../plugin-option.ts';
import { logProcessFaults } from '../process-faults.ts';
import { contentOf } from '../settings.ts';
import { setNonBlocking, surviveReaders } from '../standard-stream.ts';
import { startFailure } from '../start-failure.ts';
import { stopSignal } from '../stop-signal.ts';

export interface BackendFlags {
  readonly dataDir: string | undefined;
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly plugin: readonly string[] | undefined;
  readonly config: string | undefined;
  /** The time for which to wait for the port and the stores of the backend that runs now, in seconds. */
  readonly replace: number | undefined;
  readonly logLevel: string | undefined;
  /** True if the ready line is JSON, for programs. */
  readonly json: boolean;
  readonly pluginOptions: PluginOptions;
}

const CONFIG_FILES = ['backend.config.ts', 'backend.config.js', 'backend.config.json'];

const fileOf = ({ config }: BackendFlags): string | null => {
  if (config === undefined)
    return CONFIG_FILES.map((name) => resolve(name)).find((path) => existsSync(path)) ?? null;
  const path = resolve(config);
  if (!existsSync(path)) throw usageError(`--config: file not found: ${path}`);
  return path;
};

/** Returns the configuration of the file, or the one that the flags describe. Flags override the file. */
const configOf = async (flags: BackendFlags, file: string | null): Promise<BackendConfig> => {
  const { dataDir, host, port, plugin, pluginOptions } = flags;
  const { limits = {}, ...options } = pluginOptions;
  const hasPlugins = plugin !== undefined || Object.keys(pluginOptions).length > 0;
  if (file !== null && hasPlugins)
    throw usageError(
      `--plugin and plugin options cannot be combined with ${file}; name the plugins of each workspace in it`,
    );
  const content = file === null ? {} : await contentOf(file);
  if (typeof content !== 'object' || content === null || Array.isArray(content))
    throw usageError(`${String(file)} must contain one object (in a module: as its default export)`);
  const config = content as BackendConfig;
  return {
    ...config,
    ...(hasPlugins && { workspaces: { default: { plugins: plugin ?? [], options, limits } } }),
    ...(dataDir !== undefined && { dataDir: resolve(dataDir) }),
    listen: {
      ...config.listen,
      ...(host !== undefined && { host }),
      ...(port !== undefined && { port }),
    },
  };
};

const run = async (flags: BackendFlags, operatorLog: OperatorLog): Promise<RuntimeError | null> => {
  const { log } = operatorLog;
  const file = fileOf(flags);
  const config = await configOf(flags, file);
  const folder = file === null ? process.cwd() : dirname(file);
  logProcessFaults(operatorLog);
  let serving: Backend | null = null;
  const signal = stopSignal(() => {
    log.info({}, 'SIGHUP: reading the policy again');
    void serving?.reload();
  });
  const stopping = new AbortController();
  const starting = Backend.start(config, {
    log,
    folder,
    replaceMs: (flags.replace ?? 0) * 1_000,
    stopping: stopping.signal,
    compose: (names, options) =>
      compose(
        names.map((name) => ({ name, from: folder })),
        options,
      ),
  });
  const backend = await Promise.race([starting, signal.then(() => null)]);
  if (backend === null) {
    stopping.abort();
    // a start that ends early has released everything
    await starting.then(
      (started) => started.stop({ reason: 'a signal' }),
      () => {},
    );
    return null;
  }
  serving = backend;
  // a plugin may have started processes, which make the stream block again
  setNonBlocking(process.stdout);
  const ids = Object.keys(config.workspaces ?? { default: {} });
  const link = backend.link();
  if (flags.json) console.log(JSON.stringify({ url: backend.url, workspaces: ids, link }));
  else {
    console.log(`worker-runtime backend listening on ${backend.url} (workspaces: ${ids.join(', ')})`);
    console.log(`log in: ${link}`);
  }
  storeCompiledCode();
  const reason = await Promise.race([signal, backend.lost.then(() => 'a store is lost')]);
  log.info({ reason }, 'stopping');
  await backend.stop({ reason });
  log.info({}, 'stopped');
  return backend.failure;
};

/** Serves workspaces until a signal arrives or a store is lost, then drains. It exits the process itself. */
export const backend = async (flags: BackendFlags): Promise<never> => {
  const { logLevel = 'info' } = flags;
  if (!LOG_LEVELS.some((level) => level === logLevel))
    throw usageError(`--log-level must be one of ${LOG_LEVELS.join(', ')}, not "${logLevel}"`);
  surviveReaders();
  const operatorLog = await createLog(logLevel);
  let failure: RuntimeError | null;
  try {
    failure = await run(flags, operatorLog);
  } catch (error) {
    operatorLog.flush();
    throw startFailure(error, flags.pluginOptions);
  }
  if (failure) process.stderr.write(`worker-runtime: ${failure.code}: ${failure.message}\n`);
  process.exit(failure ? EXIT.failed : EXIT.ok);
};
