import { Runtime, type RuntimeError, type RuntimePlugin } from '@worker-runtime/core';
import type { Logger } from 'pino';
import { storeCompiledCode } from '../compiled-code.ts';
import { compose, consoleFolder, DEFAULT_PLUGINS, shortName } from '../compose.ts';
import { dataFolder } from '../data-folder.ts';
import { EXIT, Failure, usageError } from '../failure.ts';
import { createLog, LOG_LEVELS, type OperatorLog } from '../log.ts';
import { type PluginName, type PluginOptions, pluginOptionsOf } from '../plugin-option.ts';
import { logProcessFaults } from '../process-faults.ts';
import { mergeSettings, readSettings, settingsFromEnvironment, settingsOf } from '../settings.ts';
import { setNonBlocking, surviveReaders } from '../standard-stream.ts';
import { startFailure, storeFolder } from '../start-failure.ts';
import { stopSignal } from '../stop-signal.ts';

export interface ServeFlags {
  readonly name: string | undefined;
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly tokenFile: string | undefined;
  readonly plugin: readonly string[] | undefined;
  readonly config: string | undefined;
  readonly console: boolean | undefined;
  /** The time for which to wait for the port and the store of the server that runs now, in seconds. */
  readonly replace: number | undefined;
  readonly logLevel: string | undefined;
  /** True if the ready line is JSON, for programs. */
  readonly json?: boolean;
  readonly pluginOptions: PluginOptions;
}

export interface Plan {
  readonly name: string;
  readonly logLevel: string;
  readonly plugins: readonly PluginName[];
  readonly options: PluginOptions;
  readonly limits: Readonly<Record<string, unknown>>;
}

/** The flags of a command that uses the settings of `serve` and has no server. */
export const WITHOUT_SERVER = {
  host: undefined,
  port: undefined,
  tokenFile: undefined,
  console: undefined,
  replace: undefined,
  logLevel: undefined,
} as const;

/** Combines all settings: flags override variables, variables override the settings file, and the file the defaults. */
export const planOf = async (flags: ServeFlags, defaultName = 'default'): Promise<Plan> => {
  const folder = process.cwd();
  const fromFlags = settingsOf('the command line', flags, flags.pluginOptions, folder);
  const fromEnvironment = settingsFromEnvironment(process.env, folder);
  const fromFile = await readSettings(flags.config ?? process.env.WORKER_RUNTIME_CONFIG, folder);
  const named = mergeSettings(fromFlags, fromEnvironment, fromFile);
  const { name = defaultName, logLevel = 'info' } = named;
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name))
    throw usageError(
      `--name must have 1 to 64 letters, digits, ".", "_" or "-" and begin with a letter or digit, not "${name}"`,
    );
  if (!LOG_LEVELS.some((level) => level === logLevel))
    throw usageError(`--log-level must be one of ${LOG_LEVELS.join(', ')}, not "${logLevel}"`);

  const asked = named.plugins ?? DEFAULT_PLUGINS.map((plugin) => ({ name: plugin, from: folder }));
  const plugins = asked.some((plugin) => plugin.name === 'http')
    ? asked
    : [...asked, { name: 'http', from: folder }];
  const shortNames = plugins.map((plugin) => shortName(plugin.name));
  const variables = { options: pluginOptionsOf(process.env, [...shortNames, 'limits']) };
  const waitMs = (flags.replace ?? 0) * 1_000;
  const defaults = {
    options: {
      ...(shortNames.includes('fs-store') && {
        'fs-store': { dir: dataFolder(name, process.env), lockWaitMs: waitMs },
      }),
      http: { portWaitMs: waitMs, ...(flags.console && { console: await consoleFolder() }) },
    },
  };
  const { limits = {}, ...options } = mergeSettings(
    fromFlags,
    variables,
    fromEnvironment,
    fromFile,
    defaults,
  ).options;
  return { name, logLevel, plugins, options, limits };
};

const addressOf = (plugins: readonly RuntimePlugin[]): string => {
  const web = plugins.find((plugin) => plugin.name === 'http');
  return web !== undefined && 'url' in web ? String(web.url) : 'an unknown address';
};

/** Says that the runtime is ready, and where: in one line for a program, or in lines for a person. */
const readyLines = async (
  runtime: Runtime,
  plugins: readonly RuntimePlugin[],
  options: PluginOptions,
  isJson: boolean,
): Promise<string> => {
  const { runtimeId, store } = await runtime.summary();
  const url = addressOf(plugins);
  const folder = storeFolder(options);
  const console = typeof options.http?.console === 'string' ? `${url}/` : null;
  if (isJson) {
    const { kind, durable } = store;
    return JSON.stringify({ url, runtimeId, store: { kind, durable, folder }, console });
  }
  const storage = `${store.kind}${folder === null ? '' : ` in ${folder}`}${store.durable ? '' : ', lost at exit'}`;
  const ready = `worker-runtime listening on ${url} (runtime ${runtimeId}, store ${storage})`;
  return console === null ? ready : `${ready}\nworker-runtime console on ${console}`;
};

const build = async (
  plan: Plan,
  log: Logger,
): Promise<{ runtime: Runtime; plugins: readonly RuntimePlugin[] }> => {
  const plugins = await compose(plan.plugins, plan.options);
  const runtime = new Runtime({
    plugins,
    log,
    limits: plan.limits,
    ...(plan.name !== 'default' && { displayName: plan.name }),
  });
  return { runtime, plugins };
};

/** Makes the plugins that read files read them again. */
const reload = (plugins: readonly RuntimePlugin[], log: Logger): void => {
  log.info({}, 'SIGHUP: reading tokens and issuers again');
  for (const plugin of plugins)
    if ('reload' in plugin && typeof plugin.reload === 'function') plugin.reload();
};

/** Runs the runtime until a signal arrives or the store is lost, then drains it. Returns the error of a lost store. */
const run = async (plan: Plan, operatorLog: OperatorLog, isJson: boolean): Promise<RuntimeError | null> => {
  const { log } = operatorLog;
  const { runtime, plugins } = await build(plan, log);
  logProcessFaults(operatorLog);
  const signal = stopSignal(() => reload(plugins, log));
  const outcome = await Promise.race([runtime.start().then(() => 'ready' as const), signal]);
  if (outcome === 'ready') {
    const lines = await readyLines(runtime, plugins, plan.options, isJson);
    // a plugin may have started processes, which make the stream block again
    setNonBlocking(process.stdout);
    console.log(lines);
    storeCompiledCode();
  }
  const reason = await Promise.race([signal, runtime.lost.then(() => 'the store is lost')]);
  log.info({ reason }, 'stopping');
  await runtime.stop({ reason });
  log.info({}, 'stopped');
  return runtime.failure;
};

/**
 * Serves until a signal arrives or the store is lost, then drains. It exits the process itself, because a detached
 * execution may hold timers and sockets forever. @throws Failure the start failed
 */
export const serve = async (flags: ServeFlags): Promise<never> => {
  const plan = await planOf(flags);
  surviveReaders();
  const operatorLog = await createLog(plan.logLevel);
  let failure: RuntimeError | null;
  try {
    failure = await run(plan, operatorLog, flags.json === true);
  } catch (error) {
    operatorLog.flush();
    throw startFailure(error, plan.options);
  }
  // a supervisor starts a process that failed again
  if (failure) throw new Failure(EXIT.failed, `${failure.code}: ${failure.message}`, { cause: failure });
  process.exit(EXIT.ok);
};
