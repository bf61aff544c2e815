import type { RuntimePlugin } from '@worker-runtime/core';
import { readOptions } from '@worker-runtime/core/plugin-kit';
import { answerChat, type ChatRuntime, type Serving } from './ui-stream.ts';

export { type ChatHistory, type ChatMessage, chatHistory } from './history.ts';
export { type ChatRuntime, type UiStreamOptions, uiStream } from './ui-stream.ts';

/** The part of a server on which the plugin is mounted. plugin-http has it. */
export interface ChatPlace {
  mount(
    name: string,
    permission: 'observe',
    handler: (
      request: Request,
      context: {
        readonly served: ChatRuntime;
        readonly caller: { readonly name: string | null };
        readonly ending: AbortSignal;
      },
    ) => Promise<Response>,
  ): void;
}

/** The plugin for the command line. It serves the façade at `…/x/ui-stream` of the server on which it is mounted. */
export interface UiStreamPlugin extends RuntimePlugin {
  mountOn(place: ChatPlace): void;
}

/**
 * Creates the plugin. It has no options.
 * @throws INVALID_REQUEST an option is given
 */
export const plugin = (options: Readonly<Record<string, unknown>> = {}): UiStreamPlugin => {
  readOptions('facade-ui-stream', options, {});
  return {
    name: 'facade-ui-stream',
    apply: () => {},
    mountOn: (place) =>
      place.mount('ui-stream', 'observe', (request, { served, caller, ending }) => {
        const serving: Serving = { actor: caller.name, ending };
        // the server has applied its own limit
        return answerChat(served, { bodyBytes: Number.MAX_SAFE_INTEGER }, request, serving);
      }),
  };
};
