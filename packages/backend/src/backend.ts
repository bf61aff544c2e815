import { chmod, mkdir, readFile, rm } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assets } from '@worker-runtime/console';
import {
  type Logger,
  type Runtime,
  RuntimeError,
  type RuntimePlugin,
  silentLogger,
} from '@worker-runtime/core';
import { type HttpOptions, HttpServer, waitForPort } from '@worker-runtime/plugin-http';
import { SocketServer } from '@worker-runtime/plugin-ws';
import { Identity } from '@worker-runtime/registry';
import { writeFile } from 'atomically';
import { AuditLog } from './audit/audit-log.ts';
import { auditOf } from './audited.ts';
import { BackendAccess } from './backend-access.ts';
import {
  type BackendConfig,
  type PluginOptions,
  type ResolvedConfig,
  type ResolvedWorkspace,
  readConfig,
} from './config.ts';
import { DrainTogether } from './drain-together.ts';
import { mountLocalArchives } from './local-archives.ts';
import { mountPlugins } from './mounted-plugins.ts';
import { Cookie } from './people/cookie.ts';
import { Credentials, SESSION_MS } from './people/credentials.ts';
import { DeviceLogins } from './people/device-logins.ts';
import { IdentityProvider } from './people/identity-provider.ts';
import { OneTimeLinks } from './people/one-time-links.ts';
import { OPERATORS, type Person } from './people/person.ts';
import { failedLogins } from './people/rate-limit.ts';
import type { Policy } from './policy.ts';
import { DEFAULT_RULES, explain, PolicyFile } from './policy-file.ts';
import { backendRoutes } from './routes/backend-routes.ts';
import { Workspace } from './workspace.ts';
import { WorkspaceDirectory } from './workspace-directory.ts';

/** The services that a backend gets from its process. */
export interface BackendHost {
  readonly log?: Logger;
  /** Resolves the paths of the configuration. Default: the working directory. */
  readonly folder?: string;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** The time for which to wait for the port and the stores of the backend that runs now, to continue in its place. Default 0. */
  readonly replaceMs?: number;
  /** Ends the start when it is aborted. */
  readonly stopping?: AbortSignal;
  /** Makes the plugins that the configuration gives by name. */
  readonly compose?: (names: readonly string[], options: PluginOptions) => Promise<readonly RuntimePlugin[]>;
}

/** The content of `local.json`, with which programs of the same user reach the backend. Only its owner can read it. */
export interface LocalFile {
  readonly url: string;
  readonly token: string;
}

/** Matches the prefix of a workspace. */
const PREFIX = /^\/w\/[a-z0-9][a-z0-9-]{0,62}(?=\/)/;

/** Collects releases, and calls them in reverse order. */
class Releases {
  readonly #all: (() => void | Promise<void>)[] = [];

  defer(release: () => void | Promise<void>): void {
    this.#all.push(release);
  }

  async run(log: Logger): Promise<void> {
    for (const release of this.#all.splice(0).toReversed()) {
      try {
        await release();
      } catch (error) {
        log.error({ err: RuntimeError.from(error) }, 'a part of the backend was not released');
      }
    }
  }
}

interface Parts {
  readonly log: Logger;
  readonly releases: Releases;
  readonly workspaces: readonly Workspace[];
  readonly directory: WorkspaceDirectory;
  readonly server: HttpServer;
  readonly sockets: SocketServer;
  readonly linkOf: (person: Person) => { readonly url: string };
  readonly policyFile: PolicyFile | null;
}

/** Serves workspaces to people and programs, from `start` to `stop`. */
export class Backend {
  /** The base URL of the port, such as `http://127.0.0.1:8787`. */
  readonly url: string;
  /** Resolves when the store of a workspace is lost: only a new process can help. */
  readonly lost: Promise<void>;
  readonly #parts: Parts;

  private constructor(parts: Parts) {
    this.#parts = parts;
    this.url = parts.server.url;
    this.lost = Promise.race(parts.workspaces.map(({ runtime }) => runtime.lost)).then(() => {});
  }

  /**
   * Starts everything that a configuration names. If a part fails, all are released again.
   * @throws INVALID_REQUEST the configuration is not valid · PLUGIN_FAILED the port cannot be used · the errors of stores and
   * plugins
   */
  static async start(config: BackendConfig, host: BackendHost = {}): Promise<Backend> {
    const { folder = process.cwd(), environment = process.env, log = silentLogger } = host;
    const resolved = readConfig(config, folder, environment);
    const releases = new Releases();
    try {
      return new Backend(await begin(resolved, host, log, releases));
    } catch (error) {
      await releases.run(log);
      throw error;
    }
  }

  /** The error of a lost store; null unless one is lost. */
  get failure(): RuntimeError | null {
    return this.#parts.directory.failure;
  }

  /** Returns the runtime of a workspace. @throws INVALID_REQUEST there is no such workspace */
  runtime(workspace = 'default'): Runtime {
    const found = this.#parts.workspaces.find(({ id }) => id === workspace);
    if (!found) throw new RuntimeError('INVALID_REQUEST', `There is no workspace "${workspace}"`);
    return found.runtime;
  }

  /** Creates a link with which a person logs in once, within ten minutes. Default: the user of this process. */
  link(person: Person = operator()): string {
    return this.#parts.linkOf(person).url;
  }

  /**
   * Reads the policy file again, as the backend does by itself when the file changes. A file that is not valid is logged and
   * changes nothing. Resolves when it is read.
   */
  async reload(): Promise<void> {
    await this.#parts.policyFile?.readAgain();
  }

  /** Ends the runs, then the streams and requests, then everything else. */
  async stop(options: { readonly reason?: string } = {}): Promise<void> {
    const { workspaces, releases, log } = this.#parts;
    const running = workspaces.filter(({ runtime }) => runtime.status === 'running');
    const together = new DrainTogether(running.length, (signal) => this.#drain(signal));
    const ended = await Promise.allSettled(workspaces.map((workspace) => workspace.stop(together, options)));
    await releases.run(log);
    for (const one of ended) if (one.status === 'rejected') throw one.reason;
  }

  async #drain(signal: AbortSignal): Promise<void> {
    const { server, sockets } = this.#parts;
    await Promise.all([server.drain(signal), sockets.drain(signal)]);
  }
}

/** The user of this process, who may do everything unless a policy says otherwise. */
const operator = (): Person => {
  let name = 'operator';
  try {
    name =
      userInfo()
        .username.replace(/[^A-Za-z0-9._@+-]/g, '-')
        .replace(/^[^A-Za-z0-9]+/, '')
        .slice(0, 64) || name;
  } catch {
    // a system may have no name for the user
  }
  return { name, groups: [OPERATORS] };
};

const begin = async (
  config: ResolvedConfig,
  host: BackendHost,
  log: Logger,
  releases: Releases,
): Promise<Parts> => {
  const { publicUrl } = config;
  const { replaceMs = 0, stopping } = host;
  // before the wait, because their modules take time to load
  const plugins = await Promise.all(config.workspaces.map((one) => pluginsOf(one, host)));
  // before any file is read: the backend that runs now writes to them until its end
  await waitForPort({ ...config, portWaitMs: replaceMs }, log, () => stopping?.aborted !== true);
  assertWanted(stopping);
  const folder = join(config.dataDir, 'backend');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  const credentials = await Credentials.open(join(folder, 'credentials.json'), log);
  releases.defer(() => credentials.close());
  const policyFile = await policyFileOf(config, log, () => credentials.withdrawAll(), releases);
  const policy = policyFile?.decide ?? policyOf(config);
  const auditPath = join(folder, 'audit.jsonl');
  const audit = new AuditLog(auditPath, config.auditBytes);
  releases.defer(() => audit.close());

  const identity = await Identity.at(join(folder, 'signing.jwk'), config.issuer);
  const workspaces = config.workspaces.map((one, index) => {
    const remotes = config.runtimes.filter((remote) => remote.workspaces.includes(one.id));
    const workspace = new Workspace({
      ...one,
      plugins: plugins[index] ?? [],
      remotes,
      identity,
      lockWaitMs: replaceMs,
      log,
    });
    releases.defer(() => workspace.registry.close());
    return workspace;
  });
  const directory = new WorkspaceDirectory(workspaces);
  const isSecure = publicUrl?.protocol === 'https:';
  const cookie = new Cookie('wr', SESSION_MS, isSecure);
  const byId = new Map(workspaces.map((workspace) => [workspace.id, workspace]));
  const access = new BackendAccess({ credentials, cookie, policy, workspaces: byId, audit, log });
  const links = new OneTimeLinks();
  const linkOf = (person: Person): { readonly url: string; readonly expiresAt: number } => {
    const { code, expiresAt } = links.create(person);
    return { url: `${pageUrl('login')}#${code}`, expiresAt };
  };
  const pageUrl = (name: string): string => `${publicUrl?.origin ?? server.url}/${name}`;
  const provider =
    config.oidc === null ? null : await IdentityProvider.open(config.oidc, () => pageUrl('login'), log);
  const routes = backendRoutes({
    access,
    credentials,
    cookie,
    isSecure,
    links,
    linkOf,
    auditPath,
    provider,
    failedLogins: failedLogins(),
    devices: new DeviceLogins(),
    pageUrl,
  });
  const server = new HttpServer(directory, httpOptionsOf(config), log, {
    prefix: PREFIX,
    routes,
    record: auditOf(audit, access),
  });
  for (const { id, runtime, hooks } of workspaces) server.measure(id, runtime, hooks);
  mountPlugins(
    server,
    config.workspaces.map(({ id }, index) => ({ id, plugins: plugins[index] ?? [] })),
  );
  mountLocalArchives(server);
  const sockets = new SocketServer({}, log);
  sockets.listenOn(server);
  sockets.watch();
  releases.defer(() => sockets.close());
  releases.defer(() => server.close());
  await server.listen(access);
  for (const { runtime } of workspaces) releases.defer(() => runtime.stop({ reason: 'the backend ends' }));
  const endStart = (): void => {
    for (const { runtime } of workspaces) void runtime.stop({ reason: 'the backend ends' });
  };
  stopping?.addEventListener('abort', endStart);
  await Promise.all(workspaces.map((workspace) => workspace.start()));
  stopping?.removeEventListener('abort', endStart);
  assertWanted(stopping);
  void provider?.check();
  await writeLocalFile(join(folder, 'local.json'), server.url, credentials, releases);
  return { log, releases, workspaces, directory, server, sockets, linkOf, policyFile };
};

/** @throws RUNTIME_STOPPING */
const assertWanted = (stopping: AbortSignal | undefined): void => {
  if (stopping?.aborted === true) throw new RuntimeError('RUNTIME_STOPPING');
};

const httpOptionsOf = ({ host, port, publicUrl, trustedProxies, prices }: ResolvedConfig): HttpOptions => ({
  host,
  port,
  trustedProxies,
  // an IPv6 address has no brackets there
  allowedHosts: publicUrl === null ? [] : [publicUrl.hostname.replace(/^\[|\]$/g, '')],
  console: fileURLToPath(assets),
  ...(prices !== null && { prices }),
});

const policyFileOf = async (
  { policy }: ResolvedConfig,
  log: Logger,
  changed: () => void,
  releases: Releases,
): Promise<PolicyFile | null> => {
  if (typeof policy !== 'string') return null;
  const file = await PolicyFile.open(policy, log, changed);
  releases.defer(() => file.close());
  return file;
};

const policyOf = ({ policy }: ResolvedConfig): Policy =>
  typeof policy === 'function'
    ? policy
    : (person, workspace) => explain(DEFAULT_RULES, person, workspace).grant;

/** @throws INVALID_REQUEST plugins are given by name, and this process cannot make them */
const pluginsOf = async (
  { id, plugins, options }: ResolvedWorkspace,
  { compose }: BackendHost,
): Promise<readonly RuntimePlugin[]> => {
  const names = plugins.filter((plugin) => typeof plugin === 'string');
  const made = plugins.filter((plugin) => typeof plugin !== 'string');
  if (names.length === 0 && Object.keys(options).length === 0) return made;
  if (compose === undefined)
    throw new RuntimeError(
      'INVALID_REQUEST',
      `The workspace "${id}" gives plugins by name, which only worker-runtime backend can make; give them as objects`,
    );
  return [...made, ...(await compose(names, options))];
};

/** Writes the file for programs on this machine, and removes it at the end. */
const writeLocalFile = async (
  path: string,
  url: string,
  credentials: Credentials,
  releases: Releases,
): Promise<void> => {
  const content: LocalFile = { url, token: credentials.createLocal(operator()) };
  const text = `${JSON.stringify(content)}\n`;
  await writeFile(path, text, { mode: 0o600 });
  releases.defer(async () => {
    // the next backend may have written its own
    if ((await readFile(path, 'utf8').catch(() => null)) === text) await rm(path, { force: true });
  });
};
