import {
  directories,
  environmentFiles,
  type OptionReader,
  oneOf,
  optional,
  readOptions,
  text,
  wholeNumber,
} from '@worker-runtime/core/plugin-kit';

/** The program of an agent. Only the operator chooses programs; a Worker chooses one of these by name. */
export interface AgentOptions {
  readonly command: string;
  readonly args?: readonly string[];
  /**
   * The names of environment variables that the agent gets, besides HOME, PATH and the like. Their values are redacted
   * from everything that the agent sends, except for short values and plain words.
   */
  readonly env?: readonly string[];
  /**
   * Variables whose values are read from files when the agent starts: the path by the name of the variable. Prefer it
   * to `env` for keys, because every program of this user can read the environment of the runtime.
   */
  readonly envFiles?: Readonly<Record<string, string>>;
  /**
   * `ask` (the default): each permission request of the agent becomes a request of the Worker. `allow`: each one is
   * granted automatically, for that call only.
   */
  readonly permission?: 'ask' | 'allow';
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

/** The options of an agent with all defaults filled in. */
export type ResolvedAgent = Required<AgentOptions>;

export type ResolvedOptions = Required<Omit<AcpOptions, 'agents'>> & {
  readonly agents: Readonly<Record<string, ResolvedAgent>>;
};

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Reads a list of texts. Unlike the list of core, its items may be empty or contain commas, as arguments may. */
const texts: OptionReader<readonly string[]> = (value, refuse) =>
  Array.isArray(value) && value.every((item) => typeof item === 'string' && !item.includes('\0'))
    ? value
    : refuse('must be a list of texts');

const agentOf = (name: string, agent: unknown): ResolvedAgent =>
  readOptions<ResolvedAgent>(`acp.agents.${name}`, agent, {
    command: text,
    args: optional(texts, []),
    env: optional(texts, []),
    envFiles: optional(environmentFiles, {}),
    permission: optional(oneOf('ask', 'allow'), 'ask'),
  });

/** Reads the agents from an object, or from JSON, which is how flags and environment variables carry an object. */
const agents: OptionReader<ResolvedOptions['agents']> = (value, refuse) => {
  let given = value;
  try {
    if (typeof value === 'string') given = JSON.parse(value);
  } catch {
    return refuse('must be an object, or an object written as JSON');
  }
  const named =
    typeof given === 'object' && given !== null && !Array.isArray(given) ? Object.entries(given) : [];
  if (named.length === 0)
    return refuse('must be an object with at least one agent, or such an object written as JSON');
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
