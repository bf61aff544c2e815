import { hostname } from 'node:os';
import { Host, HostDirectory, RuntimeService } from '@worker-runtime/cluster';
import { Runtime } from '@worker-runtime/core';
import { abortAfter } from '@worker-runtime/core/plugin-kit';
import {
  answerArchives,
  type ConfiguredAccess,
  type HttpOptions,
  HttpServer,
  readAccess,
} from '@worker-runtime/plugin-http';
import { type PostgresStoreOptions, postgresMembership } from '@worker-runtime/plugin-postgres-store';
import { SocketServer } from '@worker-runtime/plugin-ws';
import type { Logger } from 'pino';
import { storeCompiledCode } from '../compiled-code.ts';
import { compose, shortName } from '../compose.ts';
import { EXIT, usageError } from '../failure.ts';
import { createLog } from '../log.ts';
import { logProcessFaults } from '../process-faults.ts';
import { setNonBlocking, surviveReaders } from '../standard-stream.ts';
import { startFailure } from '../start-failure.ts';
import { stopSignal } from '../stop-signal.ts';
import { type Plan, planOf, type ServeFlags } from './serve.ts';

export interface HostFlags extends Omit<ServeFlags, 'console' | 'replace'> {
  readonly address: string | undefined;
  readonly waitS: number;
}

const STORE = 'postgres-store';
/** The plugins of the host itself: one listener serves all its Runtimes. */
const OF_HOST = new Set(['http', 'ws']);
const DEFAULT_LEASE_MS = 5_000;
/** The time that streams and requests have to end when the host does. */
const DRAIN_MS = 2_000;

interface HostPlan extends Plan {
  readonly leaseMs: number;
  readonly waitMs: number;
  readonly address: URL | null;
}

const hostPlanOf = async (flags: HostFlags): Promise<HostPlan> => {
  const { address, waitS } = flags;
  const ofMachine = hostname().replace(/[^A-Za-z0-9._-]/g, '-');
  const plan = await planOf({ ...flags, console: undefined, replace: undefined }, ofMachine);
  if (!plan.plugins.some((plugin) => shortName(plugin.name) === STORE))
    throw usageError(`a host needs --plugin ${STORE}: the database has its Runtimes`);
  const { [STORE]: store = {} } = plan.options;
  const fixed = ['runtime', 'claim', 'whenLocked'].find((option) => option in store);
  if (fixed !== undefined)
    throw usageError(`--${STORE}.${fixed} is decided by the cluster; make Runtimes with: runtimes create`);
  const url = address !== undefined && URL.canParse(address) ? new URL(address) : null;
  if (address !== undefined && (url === null || !/^https?:$/.test(url.protocol)))
    throw usageError(`--address must be an address such as http://10.0.0.5:8787, not "${address}"`);
  const { leaseMs = DEFAULT_LEASE_MS } = store;
  return { ...plan, leaseMs: Number(leaseMs), waitMs: waitS * 1_000, address: url };
};

const httpOptionsOf = ({ options, address }: HostPlan): HttpOptions => {
  const http = (options.http ?? {}) as HttpOptions;
  if (address === null) return http;
  return { ...http, allowedHosts: [...(http.allowedHosts ?? []), address.hostname.replace(/^\[|\]$/g, '')] };
};

/** Serves a share of the Runtimes until a signal arrives, and then hands them over. */
const run = async (plan: HostPlan, log: Logger, isJson: boolean): Promise<void> => {
  const { name, leaseMs, waitMs, options, limits, address } = plan;
  const { [STORE]: store = {}, http: _, ws = {}, ...others } = options;
  const plugins = plan.plugins.filter((plugin) => !OF_HOST.has(shortName(plugin.name)));
  const membership = postgresMembership(store as PostgresStoreOptions, log);
  const httpOptions = httpOptionsOf(plan);
  const host = new Host({
    membership,
    name,
    // the port may be a free one
    get address() {
      return address?.href ?? server.url;
    },
    leaseMs,
    handOverMs: waitMs,
    log,
    serve: async ({ name: runtime, claim }) => {
      const claimed = { ...others, [STORE]: { ...store, runtime, claim, leaseMs } };
      const own = log.child({ runtime });
      const made = await compose(plugins, claimed);
      return new RuntimeService(new Runtime({ plugins: made, log: own, limits, displayName: runtime }), own);
    },
  });
  const directory = new HostDirectory(host);
  const server = new HttpServer(directory, httpOptions, log);
  server.mount('archives', 'admin', answerArchives);
  const sockets = new SocketServer(ws, log);
  sockets.listenOn(server);
  sockets.watch();
  let configured: ConfiguredAccess | null = null;
  const signal = stopSignal(() => {
    log.info({}, 'SIGHUP: reading tokens and issuers again');
    void configured?.reload();
  });
  try {
    configured = await readAccess(httpOptions, (runtime) => directory.runtimeIdOf(runtime), log);
    await server.listen(configured.access);
    await host.start();
    directory.opened();
    setNonBlocking(process.stdout);
    const reached = address?.href ?? server.url;
    console.log(
      isJson
        ? JSON.stringify({ url: server.url, name, address: reached })
        : `worker-runtime host ${name} listening on ${server.url} (address ${reached})`,
    );
    storeCompiledCode();
    const reason = await signal;
    log.info({ reason }, 'stopping');
    directory.stopping();
    await host.stop();
    await abortAfter(DRAIN_MS, new AbortController().signal, (cut) =>
      Promise.all([server.drain(cut), sockets.drain(cut)]),
    );
    log.info({}, 'stopped');
  } finally {
    host.close();
    directory.close();
    sockets.close();
    configured?.close();
    await server.close();
    await membership.close();
  }
};

/** Serves until a signal arrives. It exits the process itself, as `serve` does. @throws Failure the start failed */
export const serveAsHost = async (flags: HostFlags): Promise<never> => {
  const plan = await hostPlanOf(flags);
  surviveReaders();
  const operatorLog = await createLog(plan.logLevel);
  const { log, flush } = operatorLog;
  logProcessFaults(operatorLog);
  try {
    await run(plan, log, flags.json === true);
  } catch (error) {
    flush();
    throw startFailure(error, plan.options);
  }
  process.exit(EXIT.ok);
};
