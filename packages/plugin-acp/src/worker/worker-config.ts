import { isAbsolute, normalize } from 'node:path';
import { type JsonObject, RuntimeError } from '@worker-runtime/core';
import type { AgentOptions } from '../options.ts';

/** What a Worker's creation, or its profile, says of its agent. */
export interface AcpConfig {
  /** One of those that the operator configured. */
  readonly agent: string;
  /** Where it works: inside a claim of the Worker. Without it, the first claimed directory, or an empty one of its own. */
  readonly cwd?: string;
}

const refuse = (key: string, message: string, details: object = {}): never => {
  throw new RuntimeError('CONFIG_UNSUPPORTED', `config.${key} ${message}`, {
    details: { issues: [{ pointer: `/config/${key}`, message }], ...details },
  });
};

/** @throws CONFIG_UNSUPPORTED with a JSON pointer to what does not fit */
export const workerConfig = (
  config: JsonObject,
  agents: Readonly<Record<string, AgentOptions>>,
): AcpConfig => {
  const unknown = Object.keys(config).find((key) => key !== 'agent' && key !== 'cwd');
  if (unknown !== undefined) refuse(unknown, 'does not exist; there are agent, cwd');
  const { agent, cwd } = config;
  if (typeof agent !== 'string' || !Object.hasOwn(agents, agent))
    return refuse('agent', 'must name an agent that is configured', { known: Object.keys(agents) });
  if (cwd === undefined) return { agent };
  if (typeof cwd !== 'string' || !isAbsolute(cwd) || normalize(cwd) !== cwd)
    return refuse('cwd', 'must be a plain absolute path');
  return { agent, cwd };
};
