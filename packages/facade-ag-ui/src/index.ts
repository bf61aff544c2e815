import type { RuntimePlugin } from '@worker-runtime/core';
import { readOptions } from '@worker-runtime/core/plugin-kit';
import { answerAgUi } from './ag-ui.ts';
import type { AgUiRuntime } from './ag-ui-runtime.ts';

export { type AgUiOptions, agUi } from './ag-ui.ts';
export type { AgUiRuntime } from './ag-ui-runtime.ts';

/** The part of a server on which the plugin is mounted. plugin-http has it. */
export interface AgUiPlace {
  mount(
    name: string,
    permission: 'observe',
    handler: (
      request: Request,
      context: {
        readonly served: AgUiRuntime;
        readonly caller: { readonly name: string | null };
        readonly ending: AbortSignal;
      },
    ) => Promise<Response>,
  ): void;
}

/** The plugin for the command line. It serves the façade at `…/x/ag-ui` of the server on which it is mounted. */
export interface AgUiPlugin extends RuntimePlugin {
  mountOn(place: AgUiPlace): void;
}

/**
 * Creates the plugin. It has no options.
 * @throws INVALID_REQUEST an option is given
 */
export const plugin = (options: Readonly<Record<string, unknown>> = {}): AgUiPlugin => {
  readOptions('facade-ag-ui', options, {});
  return {
    name: 'facade-ag-ui',
    apply: () => {},
    mountOn: (place) =>
      place.mount('ag-ui', 'observe', (request, { served, caller, ending }) =>
        // the server has applied its own limit
        answerAgUi(served, { bodyBytes: Number.MAX_SAFE_INTEGER }, request, { actor: caller.name, ending }),
      ),
  };
};
