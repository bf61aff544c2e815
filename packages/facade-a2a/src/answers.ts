import type { JsonValue, OpenRequest } from '@worker-runtime/core';
import { answerRequest, isObject, refuse } from '@worker-runtime/core/plugin-kit';
import { meantOption } from '@worker-runtime/core/views';
import type { Exchange } from './a2a-runtime.ts';
import type { Content, MessageRequest } from './message-request.ts';
import { optionalTextAt } from './parameters.ts';
import { readTask } from './read-task.ts';
import { A2aError } from './rpc-error.ts';
import type { TaskFold } from './task-fold.ts';

interface Answer {
  readonly requestId: string;
  readonly decision: string;
  readonly value: JsonValue | undefined;
  readonly note: string | null;
}

const idsOf = ({ options }: OpenRequest): string => options.map(({ id }) => `"${id}"`).join(', ');

/** Returns the option that a text names, by its id or its label. @throws INVALID_REQUEST */
const namedBy = (text: string, request: OpenRequest, pointer: string): string => {
  const name = text.trim().toLowerCase();
  const found =
    request.options.find(({ id }) => id === text) ??
    request.options.find(({ id, label }) => id.toLowerCase() === name || label.toLowerCase() === name);
  return found?.id ?? refuse(pointer, `must be one of ${idsOf(request)}`);
};

/** Returns the option for a consent or a refusal. @throws INVALID_REQUEST */
const meantBy = (isApproved: boolean, request: OpenRequest, pointer: string): string => {
  const { options } = request;
  return meantOption(options, isApproved)?.id ?? refuse(pointer, `must have a decision of ${idsOf(request)}`);
};

/** Returns the answer of one part; null for the answer to a request that is resolved. */
const answerAt = (part: Content, fold: TaskFold, pointer: string): Answer | null => {
  const { requests } = fold;
  const [only] = requests;
  if (part.type === 'file')
    throw new A2aError('CONTENT_TYPE_NOT_SUPPORTED', 'An answer must be a text or data');
  if (part.type === 'text') {
    if (requests.length !== 1 || !only)
      return refuse(pointer, 'must be data with a requestId, because several requests are open');
    const decision = namedBy(part.text, only, `${pointer}/text`);
    return { requestId: only.requestId, decision, value: undefined, note: null };
  }
  const at = `${pointer}/data`;
  const { data } = part;
  if (!isObject(data)) return refuse(at, 'must be an object with a decision');
  const named = optionalTextAt(data.requestId, `${at}/requestId`);
  if (named !== null && fold.hasResolved(named)) return null;
  const request = named === null ? only : requests.find(({ requestId }) => requestId === named);
  if (!request || (named === null && requests.length > 1))
    return refuse(`${at}/requestId`, 'must be that of an open request of the task');
  const { decision, approved } = data;
  const note = optionalTextAt(data.note, `${at}/note`);
  // the body was JSON
  const value = data.value as JsonValue | undefined;
  if (typeof decision === 'string')
    return {
      requestId: request.requestId,
      decision: namedBy(decision, request, `${at}/decision`),
      value,
      note,
    };
  if (typeof approved !== 'boolean')
    return refuse(at, 'must have "decision", or "approved" as true or false');
  return { requestId: request.requestId, decision: meantBy(approved, request, at), value, note };
};

/** Answers the open requests of a task. What another client has answered keeps that answer. @throws UNSUPPORTED_OPERATION the task takes no message now */
export const answerTask = async (
  exchange: Exchange,
  taskId: string,
  { content }: MessageRequest,
): Promise<void> => {
  const { runtime, workerId, call } = exchange;
  const fold = await readTask(exchange, taskId);
  const isRepeated = content.every(
    (part) =>
      part.type === 'data' &&
      isObject(part.data) &&
      typeof part.data.requestId === 'string' &&
      fold.hasResolved(part.data.requestId),
  );
  if (fold.isFinished)
    throw new A2aError('UNSUPPORTED_OPERATION', 'The task has ended, so it takes no messages');
  if (isRepeated) return;
  if (fold.requests.length === 0)
    throw new A2aError(
      'UNSUPPORTED_OPERATION',
      'The task takes messages only while it needs an answer; a message without a task begins another one',
    );
  const answers = content.flatMap((part, at) => answerAt(part, fold, `/message/parts/${at}`) ?? []);
  for (const { requestId, decision, value, note } of answers) {
    const response = {
      decision,
      ...(value !== undefined && { value }),
      ...(note !== null && { note }),
    };
    await answerRequest(runtime, workerId, requestId, response, call);
  }
};
