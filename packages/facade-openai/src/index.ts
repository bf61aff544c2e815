import { type FacadePlugin, readOptions } from '@worker-runtime/core/plugin-kit';
import { answerOpenAi } from './openai-api.ts';
import type { OpenAiRuntime } from './openai-runtime.ts';

export { type OpenAiApiOptions, openAiApi } from './openai-api.ts';
export type { OpenAiRuntime } from './openai-runtime.ts';

/**
 * Creates the plugin for the command line, which serves the façade at `…/x/openai` of the server on which it is
 * mounted. It has no options.
 * @throws INVALID_REQUEST an option is given
 */
export const plugin = (options: Readonly<Record<string, unknown>> = {}): FacadePlugin<OpenAiRuntime> => {
  readOptions('facade-openai', options, {});
  return {
    name: 'facade-openai',
    apply: () => {},
    mountOn: (place) =>
      place.mount('openai', 'observe', (request, { served, caller, path, ending }) =>
        // the server has applied its own limit
        answerOpenAi(served, { bodyBytes: Number.MAX_SAFE_INTEGER }, request, {
          actor: caller.name,
          path,
          ending,
        }),
      ),
  };
};
