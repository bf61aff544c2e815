import type { ServedRuntime } from '@worker-runtime/core/plugin-kit';

/** The calls of a runtime that the façade needs. A `Runtime`, a remote client and a served runtime have them. */
export type AgUiRuntime = Pick<
  ServedRuntime,
  'events' | 'getWorker' | 'listRequests' | 'observe' | 'putFile' | 'respond' | 'sendInput'
>;
