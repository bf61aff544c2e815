import { RuntimeError } from '@worker-runtime/core';

/** How an agent is started. Only the operator names programs; a Worker names one of these. */
export interface AgentOptions {
  readonly command: string;
  readonly args?: readonly string[];
  /** Names of environment variables that it gets, besides HOME, PATH and the like. */
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

const NUMBERS = {
  startMs: 20_000,
  cancelMs: 1_500,
  exitMs: 750,
  permissionMs: 600_000,
  messageBytes: 16_777_216,
  toolOutputBytes: 65_536,
  fileBytes: 10_485_760,
} as const;

const KNOWN = ['agents', ...Object.keys(NUMBERS)];
const KNOWN_OF_AGENT = ['command', 'args', 'env', 'permission'];
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

const refuse = (name: string, message: string): never => {
  throw new RuntimeError('INVALID_REQUEST', `The option acp.${name} ${message}`, {
    details: { option: name, known: KNOWN },
  });
};

const numberOf = (name: keyof typeof NUMBERS, value: unknown): number => {
  if (value === undefined) return NUMBERS[name];
  const number = typeof value === 'string' && /^[0-9]{1,10}$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 1 && number <= 1_073_741_824
    ? number
    : refuse(name, 'must be a whole number from 1');
};

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((text) => typeof text === 'string' && !text.includes('\0'));

const agentOf = (name: string, value: unknown): Required<AgentOptions> => {
  const at = `agents.${name}`;
  if (!NAME.test(name)) refuse(at, 'must be letters, digits, ".", "_" and "-"');
  if (!isRecord(value)) return refuse(at, 'must be an object with a command');
  const unknown = Object.keys(value).find((key) => !KNOWN_OF_AGENT.includes(key));
  if (unknown !== undefined)
    refuse(`${at}.${unknown}`, `does not exist; there are ${KNOWN_OF_AGENT.join(', ')}`);
  const { command, args = [], env = [], permission = 'ask' } = value;
  if (typeof command !== 'string' || command === '') return refuse(`${at}.command`, 'must name a program');
  if (!isTexts(args)) return refuse(`${at}.args`, 'must be a list of texts');
  if (!isTexts(env)) return refuse(`${at}.env`, 'must be a list of names');
  if (permission !== 'ask' && permission !== 'allow')
    return refuse(`${at}.permission`, 'must be ask or allow');
  return { command, args, env, permission };
};

/** Flags and the environment carry text: an object is written as JSON there. */
const agentsOf = (value: unknown): ResolvedOptions['agents'] => {
  let agents = value;
  try {
    if (typeof value === 'string') agents = JSON.parse(value);
  } catch {
    // refused below
  }
  if (!isRecord(agents) || Object.keys(agents).length === 0)
    return refuse('agents', 'must name at least one agent, as an object or as JSON of one');
  return Object.fromEntries(Object.entries(agents).map(([name, agent]) => [name, agentOf(name, agent)]));
};

/** @throws INVALID_REQUEST an option that is missing, does not exist or does not fit */
export const resolveOptions = (options: Readonly<Record<string, unknown>>): ResolvedOptions => {
  const unknown = Object.keys(options).find((name) => !KNOWN.includes(name));
  if (unknown !== undefined) refuse(unknown, `does not exist; there are ${KNOWN.join(', ')}`);
  const numbers = Object.keys(NUMBERS) as readonly (keyof typeof NUMBERS)[];
  return {
    agents: agentsOf(options.agents),
    ...(Object.fromEntries(numbers.map((name) => [name, numberOf(name, options[name])])) as {
      readonly [K in keyof typeof NUMBERS]: number;
    }),
  };
};
