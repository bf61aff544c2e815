import type { EventType, RunInfo } from '@worker-runtime/core';
import { RuntimeError } from '@worker-runtime/core';
import { observeOrQuiet } from '@worker-runtime/core/plugin-kit';
import type { Exchange } from './a2a-runtime.ts';
import { TASK_EVENTS, TaskFold } from './task-fold.ts';

const INPUTS: readonly EventType[] = ['input.accepted'];

/** Adds the input of a run that has started. It comes before the position of the run. */
const addInput = async (
  { runtime, workerId }: Exchange,
  { runId, cursor }: RunInfo,
  fold: TaskFold,
): Promise<void> => {
  let before: string | null = cursor;
  while (before !== null) {
    const { items, next }: Awaited<ReturnType<typeof runtime.events>> = await runtime.events(workerId, {
      before,
      limit: 50,
      types: INPUTS,
    });
    const found = items.find(({ run }) => run === runId);
    if (found) return void fold.add(found);
    before = next;
  }
};

/** Reads a task as far as the log has it. @throws RUN_NOT_FOUND · OUTPUT_TOO_LARGE */
export const readTask = async (exchange: Exchange, taskId: string): Promise<TaskFold> => {
  const { runtime, workerId, agent, url } = exchange;
  const run = await runtime.getRun(workerId, taskId);
  const fold = new TaskFold({ taskId, contextId: agent, url });
  if (run.inputId !== null && run.startedAt !== null) await addInput(exchange, run, fold);
  let after: string | null = run.cursor;
  while (after !== null && !fold.isFinished) {
    const { items, next }: Awaited<ReturnType<typeof runtime.events>> = await runtime.events(workerId, {
      after,
      types: TASK_EVENTS,
    });
    for (const event of items) fold.add(event);
    after = next;
  }
  return fold;
};

/** Waits until a task ends or needs an answer. @throws RUNTIME_STOPPING and other ends of the stream */
export const settledTask = async (exchange: Exchange, taskId: string): Promise<TaskFold> => {
  const { runtime, workerId, request, ending } = exchange;
  const fold = await readTask(exchange, taskId);
  if (fold.isSettled) return fold;
  const options = { after: `@${fold.lastSeq}`, deltas: false, left: [request.signal], ending };
  for await (const item of observeOrQuiet({ runtime, workerId, ...options })) {
    if (item !== 'quiet' && item.type === 'event') fold.add(item.event);
    if (fold.isSettled) return fold;
  }
  throw new RuntimeError('RUNTIME_UNREACHABLE');
};
