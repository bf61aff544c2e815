import { type FacadePlugin, readOptions } from '@worker-runtime/core/plugin-kit';
import { answerChat, type ChatRuntime } from './ui-stream.ts';

export { type ChatHistory, type ChatMessage, chatHistory } from './history.ts';
export { type ChatRuntime, type UiStreamOptions, uiStream } from './ui-stream.ts';

/**
 * Creates the plugin for the command line, which serves the façade at `…/x/ui-stream` of the server on which it is
 * mounted. It has no options.
 * @throws INVALID_REQUEST an option is given
 */
export const plugin = (options: Readonly<Record<string, unknown>> = {}): FacadePlugin<ChatRuntime> => {
  readOptions('facade-ui-stream', options, {});
  return {
    name: 'facade-ui-stream',
    apply: () => {},
    mountOn: (place) =>
      place.mount('ui-stream', 'observe', (request, { served, caller, path, ending }) =>
        // the server has applied its own limit
        answerChat(served, { bodyBytes: Number.MAX_SAFE_INTEGER }, request, {
          actor: caller.name,
          path,
          ending,
        }),
      ),
  };
};
