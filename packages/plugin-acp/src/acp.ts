import type { RuntimePlugin } from '@worker-runtime/core';
import { AcpEngine } from './acp-engine.ts';
import { type AcpOptions, resolveOptions } from './options.ts';

/**
 * Adds the engine `acp`: agents of the Agent Client Protocol (https://agentclientprotocol.com) as Workers.
 * @throws INVALID_REQUEST an option is missing, unknown or invalid
 */
export const acp = (options: AcpOptions): RuntimePlugin => plugin({ ...options });

/** Creates the same plugin from unchecked options, as they come from a file or from flags. */
export const plugin = (options: Readonly<Record<string, unknown>>): RuntimePlugin => {
  const resolved = resolveOptions(options);
  return { name: 'acp', apply: (host) => host.useEngine(new AcpEngine(resolved)) };
};
