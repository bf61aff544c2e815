import type { RuntimePlugin } from '@worker-runtime/core';
import { readOptions } from '@worker-runtime/core/plugin-kit';
import { answerOpenAi } from './openai-api.ts';
import type { OpenAiRuntime } from './openai-runtime.ts';

export { type OpenAiApiOptions, openAiApi } from './openai-api.ts';
export type { OpenAiRuntime } from './openai-runtime.ts';

/** The part of a server on which the plugin is mounted. plugin-http has it. */
export interface OpenAiPlace {
  mount(
    name: string,
    permission: 'observe',
    handler: (
      request: Request,
      context: {
        readonly served: OpenAiRuntime;
        readonly caller: { readonly name: string | null };
        readonly ending: AbortSignal;
      },
    ) => Promise<Response>,
  ): void;
}

/** The plugin for the command line. It serves the façade at `…/x/openai` of the server on which it is mounted. */
export interface OpenAiPlugin extends RuntimePlugin {
  mountOn(place: OpenAiPlace): void;
}

/**
 * Creates the plugin. It has no options.
 * @throws INVALID_REQUEST an option is given
 */
export const plugin = (options: Readonly<Record<string, unknown>> = {}): OpenAiPlugin => {
  readOptions('facade-openai', options, {});
  return {
    name: 'facade-openai',
    apply: () => {},
    mountOn: (place) =>
      place.mount('openai', 'observe', (request, { served, caller, ending }) =>
        // the server has applied its own limit
        answerOpenAi(served, { bodyBytes: Number.MAX_SAFE_INTEGER }, request, { actor: caller.name, ending }),
      ),
  };
};
