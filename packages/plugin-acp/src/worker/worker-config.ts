import { isAbsolute, normalize } from 'node:path';
import { type JsonObject, RuntimeError } from '@worker-runtime/core';
import { isObject } from '@worker-runtime/core/plugin-kit';
import type { ResolvedAgent } from '../options.ts';

/** The configuration of a Worker, from its creation or its profile. */
export interface AcpConfig {
  /** The name of an agent that the operator configured. */
  readonly agent: string;
  /**
   * The working directory, an absolute path inside a claim of the Worker. Default: the first claimed directory, or an
   * empty directory of its own if the Worker claims none.
   */
  readonly cwd?: string;
  /** The mode of the agent's session, by its id, such as `plan`. Default: that of the agent. */
  readonly mode?: string;
  /** The model of the agent's session, by its id. Default: that of the agent. */
  readonly model?: string;
  /** Further options of the agent's session, by the ids that the agent gives them. */
  readonly configOptions?: Readonly<Record<string, string | boolean>>;
}

/** The most values to list in an error. */
const MAX_KNOWN = 50;

/** Creates the error for a setting that is not supported. `key` is a JSON pointer without its first slash. `known` are the values that are. */
export const configRefusal = (
  key: string,
  message: string,
  known?: readonly string[],
  cause?: unknown,
): RuntimeError =>
  new RuntimeError('CONFIG_UNSUPPORTED', `config.${key} ${message}`, {
    details: {
      issues: [{ pointer: `/config/${key}`, message }],
      ...(known && { known: known.slice(0, MAX_KNOWN) }),
    },
    cause,
  });

/** Returns the text "must be one of …" for an error. */
export const mustBeOneOf = (values: readonly string[]): string =>
  `must be one of: ${values.slice(0, MAX_KNOWN).join(', ')}${values.length > MAX_KNOWN ? ', …' : ''}`;

/** The JSON Schema of each key; that of `agent` depends on the configured agents. */
const PROPERTIES: Readonly<Record<keyof AcpConfig, JsonObject>> = {
  agent: { type: 'string' },
  cwd: { type: 'string', description: 'The working directory, an absolute path inside a claim.' },
  mode: { type: 'string', minLength: 1, description: 'The mode of the session, by its id.' },
  model: { type: 'string', minLength: 1, description: 'The model of the session, by its id.' },
  configOptions: {
    type: 'object',
    description: 'Further options of the session, by the ids that the agent gives them.',
    additionalProperties: { type: ['string', 'boolean'] },
  },
};
const KEYS = Object.keys(PROPERTIES);

/** Returns a JSON Schema of the configuration, with the names of the agents. */
export const configSchemaOf = (agents: Readonly<Record<string, ResolvedAgent>>): JsonObject => ({
  type: 'object',
  properties: { ...PROPERTIES, agent: { ...PROPERTIES.agent, enum: Object.keys(agents) } },
  required: ['agent'],
  additionalProperties: false,
});

/** Checks the configuration of a Worker. @throws CONFIG_UNSUPPORTED with a JSON pointer to the invalid key */
export const workerConfig = (
  config: JsonObject,
  agents: Readonly<Record<string, ResolvedAgent>>,
): AcpConfig => {
  const unknown = Object.keys(config).find((key) => !KEYS.includes(key));
  if (unknown !== undefined)
    throw configRefusal(unknown, `does not exist; the known keys are ${KEYS.join(', ')}`);
  const { agent, cwd, mode, model, configOptions } = config;
  const found = typeof agent === 'string' && Object.hasOwn(agents, agent) ? agents[agent] : undefined;
  if (typeof agent !== 'string' || !found)
    throw configRefusal('agent', 'must be the name of a configured agent', Object.keys(agents));
  if (cwd !== undefined && (typeof cwd !== 'string' || !isAbsolute(cwd) || normalize(cwd) !== cwd))
    throw configRefusal('cwd', 'must be a normalized absolute path');
  const choice = (
    key: 'mode' | 'model',
    value: unknown,
    allowed: readonly string[] | null,
  ): string | undefined => {
    if (value === undefined) return undefined;
    if (typeof value !== 'string' || value === '') throw configRefusal(key, 'must be a non-empty string');
    if (allowed && !allowed.includes(value)) throw configRefusal(key, mustBeOneOf(allowed), allowed);
    return value;
  };
  const chosen = { mode: choice('mode', mode, found.modes), model: choice('model', model, found.models) };
  const isOption = (value: unknown): boolean => typeof value === 'string' || typeof value === 'boolean';
  if (
    configOptions !== undefined &&
    !(isObject(configOptions) && Object.values(configOptions).every(isOption))
  )
    throw configRefusal('configOptions', 'must be an object of texts and booleans');
  return {
    agent,
    ...(cwd !== undefined && { cwd }),
    ...(chosen.mode !== undefined && { mode: chosen.mode }),
    ...(chosen.model !== undefined && { model: chosen.model }),
    ...(configOptions !== undefined && {
      configOptions: configOptions as AcpConfig['configOptions'] & object,
    }),
  };
};
