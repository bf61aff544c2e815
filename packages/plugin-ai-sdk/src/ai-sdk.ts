import { RuntimeError, type RuntimePlugin } from '@worker-runtime/core';
import { AiSdkEngine, ENGINE_NAME } from './ai-sdk-engine.ts';
import { type AiSdkOptions, resolveOptions } from './options.ts';
import { Secrets } from './secrets.ts';
import { Toolbox } from './tools/toolbox.ts';

/**
 * Adds the engine `ai-sdk`: Workers that are conversations with a model. Tool servers are connected when the runtime
 * starts; one that cannot be reached is tried again when a Worker wants a tool of it.
 * @throws INVALID_REQUEST an option that is missing, does not exist or does not fit
 */
export const aiSdk = (options: AiSdkOptions): RuntimePlugin => plugin(options);

/** The same for options whose types nobody has checked: from a file, or from flags. */
export const plugin = (options: unknown): RuntimePlugin => {
  const resolved = resolveOptions(options);
  return {
    name: 'ai-sdk',
    apply: (host) => {
      const secrets = new Secrets();
      const toolbox = new Toolbox(resolved, secrets, host.log);
      host.useEngine(new AiSdkEngine(resolved, secrets, toolbox));
      host.hooks.start.tapPromise(async () => {
        host.defer(() => toolbox.close());
        for (const [name, provider] of Object.entries(resolved.providers))
          await secrets.read(provider, `the provider "${name}"`).catch((error: unknown) => {
            host.log.warn({ provider: name, err: error }, 'The key of a provider is not there yet');
          });
        await toolbox.reach('all');
      });
      host.hooks.prepare.tapPromise(async (spec) => {
        if (spec.engine !== ENGINE_NAME || spec.tools.length === 0) return spec;
        const known = toolbox.names;
        const [failure] = await toolbox.reach(spec.tools.filter((tool) => !known.includes(tool)));
        if (failure) throw new RuntimeError(failure.code, failure.message);
        return spec;
      });
    },
  };
};
