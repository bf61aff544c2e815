import type { CallOptions, ServedRuntime } from '@worker-runtime/core/plugin-kit';

/** The calls of a runtime that the façade needs. A `Runtime`, a remote client and a served runtime have them. */
export type A2aRuntime = Pick<
  ServedRuntime,
  | 'cancelRun'
  | 'events'
  | 'getFile'
  | 'getRun'
  | 'getWorker'
  | 'listRequests'
  | 'observe'
  | 'overview'
  | 'putFile'
  | 'respond'
  | 'sendInput'
>;

/** One request over HTTP to one agent. */
export interface Exchange {
  readonly runtime: A2aRuntime;
  readonly call: CallOptions;
  readonly request: Request;
  /** Aborts when the answer has to end. Its reason is the error that the client gets. */
  readonly ending: AbortSignal | null;
  /** The name of the agent, which is the id of its context too. */
  readonly agent: string;
  readonly workerId: string;
  /** The address of the agent, without a slash at its end. */
  readonly url: string;
}
