import type { RuntimePlugin } from '@worker-runtime/core';
import { AllowedRoots } from '@worker-runtime/core/plugin-kit';
import { AcpEngine, ENGINE_NAME } from './acp-engine.ts';
import { type AcpOptions, resolveOptions } from './options.ts';

/**
 * Adds the engine `acp`: agents of the Agent Client Protocol (https://agentclientprotocol.com) as Workers.
 * @throws INVALID_REQUEST an option is missing, unknown or invalid
 */
export const acp = (options: AcpOptions): RuntimePlugin => plugin({ ...options });

/** Creates the same plugin from unchecked options, as they come from a file or from flags. */
export const plugin = (options: Readonly<Record<string, unknown>>): RuntimePlugin => {
  const resolved = resolveOptions(options);
  const roots = new AllowedRoots(resolved.roots, 'acp.roots');
  return {
    name: 'acp',
    apply: (host) => {
      const engine = new AcpEngine(resolved);
      host.useEngine(engine);
      // Before any Worker, also one of another engine, gets a directory in which an agent is still working.
      host.hooks.opened.tapPromise(() => engine.endLeftovers(host.runtime.runtimeId, host.log));
      // Claims are stored with all links resolved, so that two names of one directory conflict.
      host.hooks.prepare.tapPromise(async (spec) =>
        spec.engine === ENGINE_NAME ? { ...spec, claims: await roots.resolveClaims(spec.claims) } : spec,
      );
    },
  };
};
