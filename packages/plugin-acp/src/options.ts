import {
  directories,
  environmentFiles,
  isObject,
  list,
  type OptionReader,
  object,
  oneOf,
  optional,
  readOptions,
  text,
  wholeNumber,
} from '@worker-runtime/core/plugin-kit';

/**
 * Environment variables: a list of names, or values by name. A variable without a value (a name in a list, or null) has
 * the value that it has in the environment of the runtime. Such values are redacted from everything that the agent sends,
 * except for short values and plain words; values that are given here are not.
 */
export type EnvironmentOption = readonly string[] | Readonly<Record<string, string | null>>;

/** A tool server of the Model Context Protocol (https://modelcontextprotocol.io). */
export type McpServerOptions =
  | {
      /** A program that serves its standard input and output. */
      readonly command: string;
      readonly args?: readonly string[];
      readonly env?: EnvironmentOption;
      /** Variables whose values are read from files when the agent starts: the path by the name of the variable. */
      readonly envFiles?: Readonly<Record<string, string>>;
    }
  | {
      readonly url: string;
      /** Default `http`, which is the transport Streamable HTTP. */
      readonly type?: 'http' | 'sse';
      /** The environment variable or the file with the key, which is sent as a bearer token. */
      readonly apiKeyEnv?: string;
      readonly apiKeyFile?: string;
    };

/** The program of an agent. Only the operator chooses programs; a Worker chooses one of these by name. */
export interface AgentOptions {
  readonly command: string;
  readonly args?: readonly string[];
  /** The environment variables that the agent gets, besides HOME, PATH and the like. */
  readonly env?: EnvironmentOption;
  /**
   * Variables whose values are read from files when the agent starts: the path by the name of the variable. Prefer it
   * to `env` for keys, because every program of this user can read the environment of the runtime.
   */
  readonly envFiles?: Readonly<Record<string, string>>;
  /**
   * `ask` (the default): each permission request of the agent becomes a request of the Worker. `allow`: each one is
   * granted automatically, for that call only if the agent offers that.
   */
  readonly permission?: 'ask' | 'allow';
  /**
   * `runtime` (the default): the agent is offered to read and write files through the runtime, inside the claims of its
   * Worker. `own`: it is not, for agents that handle the answers wrongly.
   */
  readonly files?: 'runtime' | 'own';
  /**
   * The way to sign in, one of those that the agent advertises. It is used when the agent requires it. Default: the only
   * one.
   */
  readonly authMethod?: string;
  /**
   * The tokens that the agent reports with an answer: those of the run (`turn`), or all of its session so far (`session`).
   * `none` (the default) ignores them: agents do not say which they report.
   */
  readonly usage?: 'turn' | 'session' | 'none';
  /** The modes that a Worker's configuration may choose. Default: every mode of the agent, also one that never asks. */
  readonly modes?: readonly string[];
  /** The models that a Worker's configuration may choose. Default: every model of the agent. */
  readonly models?: readonly string[];
  /** The tool servers of the Model Context Protocol that the agent uses, by name. The agent starts or calls them itself. */
  readonly mcpServers?: Readonly<Record<string, McpServerOptions>>;
}

export interface AcpOptions {
  /** The agents, by the name that a Worker's `config.agent` refers to. */
  readonly agents: Readonly<Record<string, AgentOptions>>;
  /**
   * The directories that Workers may claim and use, absolute paths. A claim outside them is refused, and `/proc`, `/sys`
   * and `/dev` are never allowed. Default: none, so that an agent works only in a directory of its own.
   */
  readonly roots?: readonly string[];
  /** The longest time for an agent to start and open its session, in milliseconds. Default 20 s. */
  readonly startMs?: number;
  /**
   * The longest time for an agent to stop working on a cancelled run, in milliseconds. After it, the process is ended,
   * and started again for the next input. Default 1.5 s.
   */
  readonly cancelMs?: number;
  /**
   * The longest time for an agent to exit after its input is closed, and again after SIGTERM, in milliseconds. After
   * that it gets SIGKILL. Default 0.75 s.
   */
  readonly exitMs?: number;
  /**
   * The longest time to wait for a permission, in milliseconds. After it, the permission is denied. Default 10 minutes.
   */
  readonly permissionMs?: number;
  /** The size limit of one message of an agent, in bytes. An agent that exceeds it is ended. Default 16 MiB. */
  readonly messageBytes?: number;
  /**
   * The size limit of a tool's input and output in the log, in bytes. The rest is cut off, with a note that says so.
   * Default 64 KiB.
   */
  readonly toolOutputBytes?: number;
  /** The size limit of a file that an agent reads or writes through the runtime, in bytes. Default 10 MiB. */
  readonly fileBytes?: number;
}

/** The names of variables of this process, and variables with given values. */
export interface Environment {
  readonly names: readonly string[];
  readonly values: Readonly<Record<string, string>>;
}

export type ResolvedMcpServer =
  | {
      readonly command: string;
      readonly args: readonly string[];
      readonly env: Environment;
      readonly envFiles: Readonly<Record<string, string>>;
    }
  | {
      readonly url: string;
      readonly type: 'http' | 'sse';
      readonly apiKeyEnv: string | null;
      readonly apiKeyFile: string | null;
    };

/** The options of an agent with all defaults filled in. */
export type ResolvedAgent = Required<
  Omit<AgentOptions, 'env' | 'authMethod' | 'modes' | 'models' | 'mcpServers'>
> & {
  readonly env: Environment;
  readonly authMethod: string | null;
  readonly modes: readonly string[] | null;
  readonly models: readonly string[] | null;
  readonly mcpServers: Readonly<Record<string, ResolvedMcpServer>>;
};

export type ResolvedOptions = Required<Omit<AcpOptions, 'agents'>> & {
  readonly agents: Readonly<Record<string, ResolvedAgent>>;
};

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Reads a list of texts. Unlike the list of core, its items may be empty or contain commas, as arguments may. */
const texts: OptionReader<readonly string[]> = (value, refuse) =>
  Array.isArray(value) && value.every((item) => typeof item === 'string' && !item.includes('\0'))
    ? value
    : refuse('must be a list of texts');

const environment: OptionReader<Environment> = (value, refuse) => {
  const given = Array.isArray(value)
    ? value.map((name) => [name, null])
    : Object.entries(isObject(value) ? value : {});
  const isName = (name: unknown): boolean => typeof name === 'string' && /^[^=\0]+$/.test(name);
  const isValue = (one: unknown): boolean => one === null || (typeof one === 'string' && !one.includes('\0'));
  if (!Array.isArray(value) && !isObject(value)) refuse('must be a list of names or an object');
  if (!given.every(([name, one]) => isName(name) && isValue(one)))
    refuse('must have names of variables, with a text or null for each');
  return {
    names: given.flatMap(([name, one]) => (one === null ? [name] : [])),
    values: Object.fromEntries(given.filter(([, one]) => one !== null)),
  };
};

const NO_ENVIRONMENT: Environment = { names: [], values: {} };

const url: OptionReader<string> = (value, refuse) =>
  typeof value === 'string' && /^https?:/.test(value) && URL.canParse(value)
    ? value
    : refuse('must be an http or https URL');

const mcpServerOf = (name: string, server: unknown): ResolvedMcpServer =>
  isObject(server) && 'url' in server
    ? readOptions(name, server, {
        url,
        type: optional(oneOf('http', 'sse'), 'http'),
        apiKeyEnv: optional(text, null),
        apiKeyFile: optional(text, null),
      })
    : readOptions(name, server, {
        command: text,
        args: optional(texts, []),
        env: optional(environment, NO_ENVIRONMENT),
        envFiles: optional(environmentFiles, {}),
      });

const agentOf = (name: string, agent: unknown): ResolvedAgent =>
  readOptions<ResolvedAgent>(`acp.agents.${name}`, agent, {
    command: text,
    args: optional(texts, []),
    env: optional(environment, NO_ENVIRONMENT),
    envFiles: optional(environmentFiles, {}),
    permission: optional(oneOf('ask', 'allow'), 'ask'),
    files: optional(oneOf('runtime', 'own'), 'runtime'),
    authMethod: optional(text, null),
    usage: optional(oneOf('turn', 'session', 'none'), 'none'),
    modes: optional(list, null),
    models: optional(list, null),
    mcpServers: optional(
      (servers, refuse) =>
        Object.fromEntries(
          Object.entries(object(servers, refuse)).map(([server, options]) => [
            server,
            mcpServerOf(`acp.agents.${name}.mcpServers.${server}`, options),
          ]),
        ),
      {},
    ),
  });

const agents: OptionReader<ResolvedOptions['agents']> = (value, refuse) => {
  const named = Object.entries(object(value, refuse));
  if (named.length === 0) return refuse('must be an object with at least one agent');
  const invalid = named.find(([name]) => !NAME.test(name));
  if (invalid)
    return refuse(
      `must use only letters, digits, ".", "_" and "-" in the names of agents, not "${invalid[0]}"`,
    );
  return Object.fromEntries(named.map(([name, agent]) => [name, agentOf(name, agent)]));
};

const number = wholeNumber(1, 1_073_741_824);

/** Checks the options and fills in the defaults. @throws INVALID_REQUEST an option is missing, unknown or invalid */
export const resolveOptions = (options: unknown): ResolvedOptions =>
  readOptions<ResolvedOptions>('acp', options, {
    agents,
    roots: optional(directories, []),
    startMs: optional(number, 20_000),
    cancelMs: optional(number, 1_500),
    exitMs: optional(number, 750),
    permissionMs: optional(number, 600_000),
    messageBytes: optional(number, 16_777_216),
    toolOutputBytes: optional(number, 65_536),
    fileBytes: optional(number, 10_485_760),
  });
