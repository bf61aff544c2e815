import type { TextPart } from '@worker-runtime/core';
import type { FileReference } from '@worker-runtime/core/plugin-kit';
import { observeOrQuiet, QUIET_FRAME, sseAnswer } from '@worker-runtime/core/plugin-kit';
import type { Exchange } from './a2a-runtime.ts';
import { answerTask } from './answers.ts';
import { type MessageRequest, messageRequestOf } from './message-request.ts';
import type { Fields } from './parameters.ts';
import { readTask, settledTask } from './read-task.ts';
import type { StreamItem, Task } from './task.ts';
import { TaskUpdates } from './task-updates.ts';

/** Begins a task with a message, or answers what a task needs. Returns the id of the task. A repeated message begins no other task. */
const deliver = async (exchange: Exchange, message: MessageRequest): Promise<string> => {
  const { taskId, messageId, content, metadata } = message;
  if (taskId !== null) {
    await answerTask(exchange, taskId, message);
    return taskId;
  }
  const { runtime, workerId, call } = exchange;
  const parts: (TextPart | FileReference)[] = [];
  for (const part of content) {
    if (part.type === 'text') parts.push(part);
    else if (part.type === 'data') parts.push({ type: 'text', text: JSON.stringify(part.data) });
    else {
      const { bytes, mediaType, name } = part;
      parts.push(await runtime.putFile(workerId, bytes, { mediaType, ...(name !== null && { name }) }));
    }
  }
  const { runId } = await runtime.sendInput(
    workerId,
    { parts, messageId, whenBusy: 'queue', ...(metadata !== null && { metadata }) },
    { idempotencyKey: messageId, ...call },
  );
  return runId;
};

/** Sends a message, and returns the task when it ends or needs an answer, or at once. */
export const sendMessage = async (exchange: Exchange, params: Fields): Promise<{ readonly task: Task }> => {
  const message = messageRequestOf(params, exchange.agent);
  const taskId = await deliver(exchange, message);
  const fold = await (message.returnsAtOnce ? readTask : settledTask)(exchange, taskId);
  return { task: fold.task(message.historyLength) };
};

/** Frames of the answer to one request. */
export interface Framing {
  readonly result: (item: StreamItem) => string;
  readonly error: (error: unknown) => string;
}

/**
 * Streams a task from its current state on, until it ends or needs an answer. If it needs one already, `waits` decides if the stream waits
 * for an answer of another client.
 */
export const streamTask = async (
  exchange: Exchange,
  taskId: string,
  { historyLength, waits }: { readonly historyLength: number | null; readonly waits: boolean },
  framing: Framing,
): Promise<Response> => {
  const { runtime, workerId, request, ending } = exchange;
  const fold = await readTask(exchange, taskId);
  const updates = new TaskUpdates(fold);
  const first = framing.result({ task: fold.task(historyLength) });
  const frames = async function* (left: AbortSignal): AsyncGenerator<string> {
    yield first;
    if (fold.isFinished || (fold.isSettled && !waits)) return;
    const options = { after: `@${fold.lastSeq}`, left: [left, request.signal], ending };
    for await (const item of observeOrQuiet({ runtime, workerId, ...options })) {
      if (item === 'quiet') {
        yield QUIET_FRAME;
        continue;
      }
      const changes = updates.apply(item);
      for (const change of changes) yield framing.result(change);
      if (fold.isFinished || (fold.isSettled && changes.some((change) => 'statusUpdate' in change))) return;
    }
  };
  return sseAnswer({ frames, failed: framing.error });
};

/** Sends a message, and streams its task. */
export const streamMessage = async (
  exchange: Exchange,
  params: Fields,
  framing: Framing,
): Promise<Response> => {
  const message = messageRequestOf(params, exchange.agent);
  const taskId = await deliver(exchange, message);
  return streamTask(exchange, taskId, { historyLength: message.historyLength, waits: false }, framing);
};
