import { type OptionReader, oneOf, optional, readOptions, text, wholeNumber } from '@worker-runtime/core';

/** How an agent is started. Only the operator names programs; a Worker names one of these. */
export interface AgentOptions {
  readonly command: string;
  readonly args?: readonly string[];
  /**
   * Names of environment variables that it gets, besides HOME, PATH and the like. What they hold is taken out of all
   * that it says, unless it is short or a word.
   */
  readonly env?: readonly string[];
  /** `ask` (the default): what the agent asks permission for is asked on. `allow`: it is given by itself, once each time. */
  readonly permission?: 'ask' | 'allow';
}

export interface AcpOptions {
  /** By the name that a Worker's config gives. */
  readonly agents: Readonly<Record<string, AgentOptions>>;
  /** How long an agent may take to start and open its session. Default 20 s. */
  readonly startMs?: number;
  /** How long a cancelled agent may take to end its turn; then it is ended, and started again with the next input. Default 1.5 s. */
  readonly cancelMs?: number;
  /** How long it may take to leave after its input was closed, and once more after SIGTERM; then SIGKILL. Default 0.75 s. */
  readonly exitMs?: number;
  /** How long a permission is waited for; then it is refused. Default 10 minutes. */
  readonly permissionMs?: number;
  /** The longest message of an agent; one that sends more is ended. Default 16 MiB. */
  readonly messageBytes?: number;
  /** The most that the log gets of what a tool answers; the rest is cut off and said to be. Default 64 KiB. */
  readonly toolOutputBytes?: number;
  /** The largest file that an agent may read or write through the runtime. Default 10 MiB. */
  readonly fileBytes?: number;
}

export type ResolvedOptions = Required<AcpOptions>;

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** No list of core's: an argument may be empty, or have a comma. */
const texts: OptionReader<readonly string[]> = (value, refuse) =>
  Array.isArray(value) && value.every((item) => typeof item === 'string' && !item.includes('\0'))
    ? value
    : refuse('must be a list of texts');

const agentOf = (name: string, agent: unknown): Required<AgentOptions> =>
  readOptions<Required<AgentOptions>>(`acp.agents.${name}`, agent, {
    command: text,
    args: optional(texts, []),
    env: optional(texts, []),
    permission: optional(oneOf('ask', 'allow'), 'ask'),
  });

/** Flags and the environment carry text: an object is written as JSON there. */
const agents: OptionReader<ResolvedOptions['agents']> = (value, refuse) => {
  let given = value;
  try {
    if (typeof value === 'string') given = JSON.parse(value);
  } catch {
    return refuse('must be an object, or JSON of one');
  }
  const named =
    typeof given === 'object' && given !== null && !Array.isArray(given) ? Object.entries(given) : [];
  if (named.length === 0) return refuse('must name at least one agent, as an object or as JSON of one');
  const odd = named.find(([name]) => !NAME.test(name));
  if (odd) return refuse(`must name agents by letters, digits, ".", "_" and "-", not "${odd[0]}"`);
  return Object.fromEntries(named.map(([name, agent]) => [name, agentOf(name, agent)]));
};

const number = wholeNumber(1, 1_073_741_824);

/** @throws INVALID_REQUEST an option that is missing, does not exist or does not fit */
export const resolveOptions = (options: unknown): ResolvedOptions =>
  readOptions<ResolvedOptions>('acp', options, {
    agents,
    startMs: optional(number, 20_000),
    cancelMs: optional(number, 1_500),
    exitMs: optional(number, 750),
    permissionMs: optional(number, 600_000),
    messageBytes: optional(number, 16_777_216),
    toolOutputBytes: optional(number, 65_536),
    fileBytes: optional(number, 10_485_760),
  });
