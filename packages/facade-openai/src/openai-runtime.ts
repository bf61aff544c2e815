import type { CallOptions, ServedRuntime } from '@worker-runtime/core/plugin-kit';

/** The calls of a runtime that the façade needs. A `Runtime`, a remote client and a served runtime have them. */
export type OpenAiRuntime = Pick<
  ServedRuntime,
  | 'cancelRun'
  | 'events'
  | 'getRun'
  | 'getWorker'
  | 'listRequests'
  | 'listWorkers'
  | 'observe'
  | 'putFile'
  | 'respond'
  | 'sendInput'
>;

/** One request over HTTP, with the facts that it does not have itself. */
export interface Exchange {
  readonly runtime: OpenAiRuntime;
  readonly call: CallOptions;
  readonly request: Request;
  /** Aborts when the answer has to end. Its reason is the error that the client gets. */
  readonly ending: AbortSignal | null;
  /** Returns the Worker of a model. */
  readonly workerOf: (model: string) => Promise<string>;
}
