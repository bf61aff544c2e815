import type { RuntimePlugin } from '@worker-runtime/core';
import { LeftoverProcesses } from '@worker-runtime/core/plugin-kit';
import { AiSdkEngine, ENGINE_NAME } from './ai-sdk-engine.ts';
import { type AiSdkOptions, resolveOptions } from './options.ts';
import { Secrets } from './secrets.ts';
import { EXIT_MS } from './tools/mcp-process-transport.ts';
import { Toolbox } from './tools/toolbox.ts';

/**
 * Adds the engine `ai-sdk`: Workers that are conversations with a model. Begins to connect the tool servers when the
 * runtime has opened its store, and does not wait for them. A server that cannot be reached is tried again when a Worker needs it.
 * @throws INVALID_REQUEST an option is missing, unknown or invalid
 */
export const aiSdk = (options: AiSdkOptions): RuntimePlugin => plugin(options);

/** Creates the same plugin from unchecked options, as they come from a file or from flags. */
export const plugin = (options: unknown): RuntimePlugin => {
  const resolved = resolveOptions(options);
  return {
    name: 'ai-sdk',
    apply: (host) => {
      const secrets = new Secrets(host.log);
      const leftovers = new LeftoverProcesses({
        variable: 'TOOL_SERVER_OF',
        plural: 'Tool servers',
        exitMs: EXIT_MS,
      });
      const toolbox = new Toolbox(resolved, secrets, host.log, async (server) => {
        const { runtimeId } = host.runtime;
        // two servers might write the same files
        await leftovers.end(runtimeId, host.log);
        return leftovers.environmentFor(runtimeId, server);
      });
      host.useEngine(new AiSdkEngine(resolved, secrets, toolbox));
      host.hooks.start.tapPromise(async () => {
        host.defer(() => toolbox.close());
        for (const [name, provider] of Object.entries(resolved.providers))
          if (provider.type !== 'embedded')
            await secrets.read(provider, `the provider "${name}"`).catch((error: unknown) => {
              host.log.warn({ provider: name, err: error }, 'The key of a provider is missing');
            });
      });
      host.hooks.opened.tapPromise(async () => {
        // Neither is awaited, because a tool server that is slow or silent must not hold up the start of the runtime.
        const hasPrograms = Object.values(resolved.mcpServers).some((server) => 'command' in server);
        if (hasPrograms) void leftovers.end(host.runtime.runtimeId, host.log);
        toolbox.start();
      });
      host.hooks.prepare.tapPromise(async (spec) => {
        if (spec.engine === ENGINE_NAME) await toolbox.find(spec.tools);
        return spec;
      });
    },
  };
};
