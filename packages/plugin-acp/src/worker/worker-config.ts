import { isAbsolute, normalize } from 'node:path';
import { type JsonObject, RuntimeError } from '@worker-runtime/core';
import type { AgentOptions } from '../options.ts';

/** The configuration of a Worker, from its creation or its profile. */
export interface AcpConfig {
  /** The name of an agent that the operator configured. */
  readonly agent: string;
  /**
   * The working directory, an absolute path inside a claim of the Worker. Default: the first claimed directory, or an
   * empty directory of its own if the Worker claims none.
   */
  readonly cwd?: string;
}

const refuse = (key: string, message: string, details: object = {}): never => {
  throw new RuntimeError('CONFIG_UNSUPPORTED', `config.${key} ${message}`, {
    details: { issues: [{ pointer: `/config/${key}`, message }], ...details },
  });
};

/** Checks the configuration of a Worker. @throws CONFIG_UNSUPPORTED with a JSON pointer to the invalid key */
export const workerConfig = (
  config: JsonObject,
  agents: Readonly<Record<string, AgentOptions>>,
): AcpConfig => {
  const unknown = Object.keys(config).find((key) => key !== 'agent' && key !== 'cwd');
  if (unknown !== undefined) refuse(unknown, 'does not exist; the known keys are agent and cwd');
  const { agent, cwd } = config;
  if (typeof agent !== 'string' || !Object.hasOwn(agents, agent))
    return refuse('agent', 'must be the name of a configured agent', { known: Object.keys(agents) });
  if (cwd === undefined) return { agent };
  if (typeof cwd !== 'string' || !isAbsolute(cwd) || normalize(cwd) !== cwd)
    return refuse('cwd', 'must be a normalized absolute path');
  return { agent, cwd };
};
