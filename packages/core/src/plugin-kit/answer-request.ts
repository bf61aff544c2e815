import type { RequestResponse } from '../contracts/open-request.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type { CallOptions, ServedRuntime } from '../contracts/served-runtime.ts';

/** Answers an open request. A request that is resolved in the meantime keeps its answer. @throws as `RuntimeApi.respond` otherwise */
export const answerRequest = async (
  runtime: Pick<ServedRuntime, 'respond'>,
  workerId: string,
  requestId: string,
  response: RequestResponse,
  call: CallOptions,
): Promise<void> => {
  try {
    await runtime.respond(workerId, requestId, response, call);
  } catch (error) {
    const { code } = RuntimeError.from(error);
    if (code !== 'REQUEST_RESOLVED' && code !== 'REQUEST_NOT_FOUND') throw error;
  }
};
