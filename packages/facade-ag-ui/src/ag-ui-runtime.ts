import type { RuntimeApi } from '@worker-runtime/core';
import type { CallOptions } from '@worker-runtime/core/plugin-kit';

/** The calls of a runtime that the façade needs. A `Runtime`, a remote client and a served runtime have them. */
export type AgUiRuntime = Pick<
  RuntimeApi,
  'events' | 'getWorker' | 'listRequests' | 'observe' | 'putFile'
> & {
  sendInput(
    workerId: string,
    input: Parameters<RuntimeApi['sendInput']>[1],
    options?: Parameters<RuntimeApi['sendInput']>[2] & CallOptions,
  ): ReturnType<RuntimeApi['sendInput']>;
  respond(
    workerId: string,
    requestId: string,
    response: Parameters<RuntimeApi['respond']>[2],
    call?: CallOptions,
  ): ReturnType<RuntimeApi['respond']>;
};
