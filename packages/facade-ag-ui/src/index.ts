import { type FacadePlugin, readOptions } from '@worker-runtime/core/plugin-kit';
import { answerAgUi } from './ag-ui.ts';
import type { AgUiRuntime } from './ag-ui-runtime.ts';

export { type AgUiOptions, agUi } from './ag-ui.ts';
export type { AgUiRuntime } from './ag-ui-runtime.ts';

/**
 * Creates the plugin for the command line, which serves the façade at `…/x/ag-ui` of the server on which it is
 * mounted. It has no options.
 * @throws INVALID_REQUEST an option is given
 */
export const plugin = (options: Readonly<Record<string, unknown>> = {}): FacadePlugin<AgUiRuntime> => {
  readOptions('facade-ag-ui', options, {});
  return {
    name: 'facade-ag-ui',
    apply: () => {},
    mountOn: (place) =>
      place.mount('ag-ui', 'observe', (request, { served, caller, path, ending }) =>
        // the server has applied its own limit
        answerAgUi(served, { bodyBytes: Number.MAX_SAFE_INTEGER }, request, {
          actor: caller.name,
          path,
          ending,
        }),
      ),
  };
};
