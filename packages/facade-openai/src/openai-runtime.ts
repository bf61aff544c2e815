import type { RuntimeApi } from '@worker-runtime/core';
import type { CallOptions } from '@worker-runtime/core/plugin-kit';

/** The calls of a runtime that the façade needs. A `Runtime`, a remote client and a served runtime have them. */
export type OpenAiRuntime = Pick<
  RuntimeApi,
  'events' | 'getRun' | 'getWorker' | 'listRequests' | 'listWorkers' | 'observe' | 'putFile'
> & {
  sendInput(
    workerId: string,
    input: Parameters<RuntimeApi['sendInput']>[1],
    options?: Parameters<RuntimeApi['sendInput']>[2] & CallOptions,
  ): ReturnType<RuntimeApi['sendInput']>;
  cancelRun(
    workerId: string,
    options?: Parameters<RuntimeApi['cancelRun']>[1],
    call?: CallOptions,
  ): ReturnType<RuntimeApi['cancelRun']>;
  respond(
    workerId: string,
    requestId: string,
    response: Parameters<RuntimeApi['respond']>[2],
    call?: CallOptions,
  ): ReturnType<RuntimeApi['respond']>;
};

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
