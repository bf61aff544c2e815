import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { type JsonObject, type Limits, RuntimeError, type RuntimePlugin } from '@worker-runtime/core';
import {
  isObject,
  isPathInside,
  list,
  optional,
  priceList,
  readOptions,
  text,
  wholeNumber,
} from '@worker-runtime/core/plugin-kit';
import type { PriceList } from '@worker-runtime/core/views';
import { addressesBehind } from '@worker-runtime/plugin-http';
import type { CompanionConfig } from './companion.ts';
import { isLoopback } from './loopback.ts';
import { type OidcConfig, type ResolvedOidc, readOidc } from './people/oidc-config.ts';
import type { Policy } from './policy.ts';

/** The options of plugins, by the names of the plugins. */
export type PluginOptions = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

export interface WorkspaceConfig {
  /** The name for people. Default: the id. */
  readonly name?: string;
  /** The plugins of its runtime besides the store: as objects or, for `worker-runtime backend`, by name. */
  readonly plugins?: readonly (RuntimePlugin | string)[];
  /** The options of the plugins that are given by name. */
  readonly options?: PluginOptions;
  /** The directory of its Workers. Default: below `dataDir`, by its id. */
  readonly storeRoot?: string;
  readonly limits?: Partial<Limits>;
  readonly companion?: CompanionConfig;
}

/** A runtime in another process, which workspaces share. Each sees the Workers with its own label `workspace` there. */
export interface RuntimeConfig {
  /** The name in lists and in policies. `self` is the embedded runtime. */
  readonly name: string;
  readonly url: string;
  /** Its id, which `worker-runtime status` shows. Tokens are signed for this runtime only. */
  readonly runtimeId: string;
  /** The ids of the workspaces that have it. Default: all. */
  readonly workspaces?: readonly string[];
}

/** The configuration of a backend. Paths are relative to the folder of its file. */
export interface BackendConfig {
  readonly listen?: {
    /** Default 127.0.0.1. */
    readonly host?: string;
    /** Default 8787; 0 selects a free one. */
    readonly port?: number;
    /** The address by which browsers reach the backend, such as that of a reverse proxy. Needed for a host beyond loopback. */
    readonly publicUrl?: string;
    /**
     * The addresses of reverse proxies, such as `127.0.0.1` or `10.0.0.0/8`. From them, `X-Forwarded-For` gives the address of a
     * client, for limits and for the audit log. Default: none, and the header is ignored.
     */
    readonly trustedProxies?: readonly string[];
  };
  /** The folder of all files. Default: `worker-runtime` in the user's data folder. */
  readonly dataDir?: string;
  /** The workspaces, by their ids. Default: one with the id `default`. */
  readonly workspaces?: Readonly<Record<string, WorkspaceConfig>>;
  /** Runtimes in other processes. Each accepts the identity of the backend, which `worker-runtime identity` prints. */
  readonly runtimes?: readonly RuntimeConfig[];
  /** The name under which those runtimes know the backend. Default: the origin of `listen.publicUrl`, else `backend`. */
  readonly issuer?: string;
  /** The identity provider with which people log in. Default: none, people log in with links. */
  readonly oidc?: OidcConfig;
  /** A policy file, or a function. Default: those who start the backend may do everything, and others nothing. */
  readonly policy?: string | Policy;
  /** The prices of models, from which the console computes costs. Everyone who may observe can read them. Default: none. */
  readonly prices?: PriceList;
  /** The size at which the audit log begins a new file. Default 64 MiB. */
  readonly auditBytes?: number;
}

/** Returns a configuration as it is, with its type. */
export const defineBackend = (config: BackendConfig): BackendConfig => config;

export interface ResolvedWorkspace {
  readonly id: string;
  readonly name: string;
  readonly plugins: readonly (RuntimePlugin | string)[];
  readonly options: PluginOptions;
  readonly storeRoot: string;
  readonly limits: Partial<Limits>;
  readonly companion: CompanionConfig | null;
}

export type ResolvedRuntime = Required<RuntimeConfig>;

export interface ResolvedConfig {
  readonly host: string;
  readonly port: number;
  readonly publicUrl: URL | null;
  readonly trustedProxies: readonly string[];
  readonly dataDir: string;
  readonly workspaces: readonly ResolvedWorkspace[];
  readonly runtimes: readonly ResolvedRuntime[];
  readonly issuer: string;
  readonly oidc: ResolvedOidc | null;
  readonly policy: string | Policy | null;
  readonly prices: PriceList | null;
  readonly auditBytes: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The name of the embedded runtime of a workspace. */
export const SELF = 'self';

const WORKSPACE_ID = /^[a-z0-9][a-z0-9-]{0,62}$/;
/** The plugins that the backend itself has. */
const OWN_PLUGINS = ['fs-store', 'http', 'ws'];

const refused = (message: string): RuntimeError => new RuntimeError('INVALID_REQUEST', message);

const userDataFolder = ({ XDG_DATA_HOME: home }: Environment): string =>
  join(home !== undefined && isAbsolute(home) ? home : join(homedir(), '.local', 'share'), 'worker-runtime');

const anObject = <T extends object>(value: unknown, refuse: (mismatch: string) => never): T =>
  isObject(value) ? (value as T) : refuse('must be an object');

const pluginsIn = (
  value: unknown,
  refuse: (mismatch: string) => never,
): readonly (RuntimePlugin | string)[] => {
  if (!Array.isArray(value)) return refuse('must be a list');
  for (const plugin of value) {
    const name: unknown = typeof plugin === 'string' ? plugin : Object(plugin).name;
    if (typeof name !== 'string') return refuse('must have plugins or their names');
    if (OWN_PLUGINS.includes(name)) return refuse(`has "${name}", which is a part of the backend already`);
  }
  return value;
};

const listIn = (value: unknown, refuse: (mismatch: string) => never): readonly unknown[] =>
  Array.isArray(value) ? value : refuse('must be a list');

const policyIn = (value: unknown, refuse: (mismatch: string) => never): string | Policy =>
  typeof value === 'function' || (typeof value === 'string' && value !== '')
    ? (value as string | Policy)
    : refuse('must be the path of a file, or a function');

const urlIn = (value: unknown, refuse: (mismatch: string) => never): URL => {
  const { protocol, pathname, search, hash, username } = URL.canParse(String(value))
    ? new URL(String(value))
    : refuse('must be an address');
  if (!/^https?:$/.test(protocol) || pathname !== '/' || search + hash + username !== '')
    return refuse('must be an address such as https://agents.example, without a path');
  return new URL(String(value));
};

const proxiesIn = (value: unknown, refuse: (mismatch: string) => never): readonly string[] => {
  const proxies = list(value, refuse);
  try {
    addressesBehind(proxies);
    return proxies;
  } catch {
    return refuse('must be a list of addresses or ranges of proxies, such as 127.0.0.1 or 10.0.0.0/8');
  }
};

const companionIn =
  (option: string) =>
  (value: unknown): CompanionConfig => {
    const { displayName, config, ...required } = readOptions<{
      readonly engine: string;
      readonly displayName: string | null;
      readonly config: JsonObject | null;
    }>(option, value, {
      engine: text,
      displayName: optional(text, null),
      config: optional(anObject<JsonObject>, null),
    });
    return { ...required, ...(displayName !== null && { displayName }), ...(config !== null && { config }) };
  };

const workspaceOf = (id: string, value: unknown, folder: string, dataDir: string): ResolvedWorkspace => {
  if (!WORKSPACE_ID.test(id))
    throw refused(`The id "${id}" of a workspace must match ${WORKSPACE_ID.source}`);
  const option = `workspaces.${id}`;
  const { storeRoot, ...rest } = readOptions<
    Omit<ResolvedWorkspace, 'id' | 'storeRoot'> & { storeRoot: string | null }
  >(option, value, {
    name: optional(text, id),
    plugins: optional(pluginsIn, []),
    options: optional(anObject<PluginOptions>, {}),
    storeRoot: optional(text, null),
    limits: optional(anObject<Partial<Limits>>, {}),
    companion: optional(companionIn(`${option}.companion`), null),
  });
  // the workspace of a single team has the files of `worker-runtime serve`
  const ownRoot = id === 'default' ? join(dataDir, 'default') : join(dataDir, 'workspaces', id, 'runtime');
  return { id, ...rest, storeRoot: storeRoot === null ? ownRoot : resolve(folder, storeRoot) };
};

const runtimeOf = (value: unknown, index: number, ids: readonly string[]): ResolvedRuntime => {
  const option = `runtimes.${index}`;
  const runtime = readOptions<ResolvedRuntime>(option, value, {
    name: text,
    url: text,
    runtimeId: text,
    workspaces: optional(list, ids),
  });
  if (runtime.name === SELF)
    throw refused(`The option ${option}.name must not be "${SELF}", which is the embedded runtime`);
  const unknown = runtime.workspaces.find((id) => !ids.includes(id));
  if (unknown !== undefined)
    throw refused(`The option ${option}.workspaces has "${unknown}"; the workspaces are ${ids.join(', ')}`);
  return runtime;
};

/**
 * Checks a configuration. `folder` resolves its paths.
 * @throws INVALID_REQUEST a field is unknown or not suitable; the message names it
 */
export const readConfig = (config: unknown, folder: string, environment: Environment): ResolvedConfig => {
  const { listen, dataDir, workspaces, ...rest } = readOptions<{
    readonly listen: object;
    readonly dataDir: string | null;
    readonly workspaces: Readonly<Record<string, unknown>>;
    readonly runtimes: readonly unknown[];
    readonly issuer: string | null;
    readonly oidc: ResolvedOidc | null;
    readonly policy: string | Policy | null;
    readonly prices: PriceList | null;
    readonly auditBytes: number;
  }>('backend', config, {
    listen: optional(anObject, {}),
    dataDir: optional(text, null),
    workspaces: optional(anObject<Readonly<Record<string, unknown>>>, { default: {} }),
    runtimes: optional(listIn, []),
    issuer: optional(text, null),
    oidc: optional((value) => readOidc(value, folder), null),
    policy: optional(policyIn, null),
    prices: optional(priceList, null),
    auditBytes: optional(wholeNumber(65_536), 67_108_864),
  });
  const address = readOptions<Pick<ResolvedConfig, 'host' | 'port' | 'publicUrl' | 'trustedProxies'>>(
    'listen',
    listen,
    {
      host: optional(text, '127.0.0.1'),
      port: optional(wholeNumber(0, 65_535), 8_787),
      publicUrl: optional(urlIn, null),
      trustedProxies: optional(proxiesIn, []),
    },
  );
  if (!isLoopback(address.host) && address.publicUrl === null)
    throw refused(
      'The option listen.host is beyond loopback: set listen.publicUrl to the address that browsers use, with https if a reverse proxy adds TLS',
    );
  const allFiles = dataDir === null ? userDataFolder(environment) : resolve(folder, dataDir);
  const all = Object.entries(workspaces).map(([id, value]) => workspaceOf(id, value, folder, allFiles));
  if (all.length === 0) throw refused('The option backend.workspaces must have a workspace');
  assertApart(all);
  const policy = typeof rest.policy === 'string' ? resolve(folder, rest.policy) : rest.policy;
  const ids = all.map(({ id }) => id);
  return {
    ...address,
    ...rest,
    policy,
    dataDir: allFiles,
    workspaces: all,
    runtimes: rest.runtimes.map((value, index) => runtimeOf(value, index, ids)),
    issuer: rest.issuer ?? address.publicUrl?.origin ?? 'backend',
  };
};

/** @throws INVALID_REQUEST the store of one workspace is that of another, or inside it */
const assertApart = (workspaces: readonly ResolvedWorkspace[]): void => {
  for (const one of workspaces)
    for (const other of workspaces)
      if (one !== other && isPathInside(one.storeRoot, other.storeRoot))
        throw refused(
          `The workspaces "${one.id}" and "${other.id}" need directories apart from each other, but have ${one.storeRoot} and ${other.storeRoot}`,
        );
};
