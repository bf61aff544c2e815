import { type EventType, RuntimeError } from '@worker-runtime/core';
import { refuse } from '@worker-runtime/core/plugin-kit';
import type { Exchange } from './a2a-runtime.ts';
import { checkTenant, taskIdOf } from './message-request.ts';
import { type Framing, streamTask } from './messages.ts';
import { type Fields, flagAt, historyLengthAt, numberAt, optionalTextAt } from './parameters.ts';
import { readTask } from './read-task.ts';
import { A2aError } from './rpc-error.ts';
import type { Task } from './task.ts';

export const getTask = async (exchange: Exchange, params: Fields): Promise<Task> => {
  const historyLength = historyLengthAt(params.historyLength, '/historyLength');
  return (await readTask(exchange, taskIdOf(params))).task(historyLength);
};

/** Cancels a task that is in work. @throws TASK_NOT_CANCELABLE it has ended, or waits for the end of another one */
export const cancelTask = async (exchange: Exchange, params: Fields): Promise<Task> => {
  const { runtime, workerId, call } = exchange;
  const runId = taskIdOf(params);
  const { status } = await runtime.getRun(workerId, runId);
  if (status === 'finished') throw new A2aError('TASK_NOT_CANCELABLE', 'The task has ended');
  await runtime
    .cancelRun(workerId, { runId, reason: 'The client cancelled the task' }, call)
    .catch((error: unknown) => {
      if (RuntimeError.from(error).code !== 'RUN_MISMATCH') throw error;
      throw new A2aError('TASK_NOT_CANCELABLE', 'The task waits for the end of another one');
    });
  return (await readTask(exchange, runId)).task(null);
};

/** Streams a task that has not ended. @throws UNSUPPORTED_OPERATION */
export const subscribeToTask = async (
  exchange: Exchange,
  params: Fields,
  framing: Framing,
): Promise<Response> => {
  const taskId = taskIdOf(params);
  const { status } = await exchange.runtime.getRun(exchange.workerId, taskId);
  if (status === 'finished')
    throw new A2aError('UNSUPPORTED_OPERATION', 'The task has ended; get it instead');
  return streamTask(exchange, taskId, { historyLength: null, waits: true }, framing);
};

/** The events with which tasks begin. */
const BEGINNINGS: readonly EventType[] = ['run.started', 'input.accepted'];
/** The most tasks that one call reads, for a filter that few of them pass. */
const READ_TASKS = 200;
const STATES: ReadonlySet<unknown> = new Set([
  'TASK_STATE_UNSPECIFIED',
  'TASK_STATE_SUBMITTED',
  'TASK_STATE_WORKING',
  'TASK_STATE_INPUT_REQUIRED',
  'TASK_STATE_COMPLETED',
  'TASK_STATE_FAILED',
  'TASK_STATE_CANCELED',
  'TASK_STATE_REJECTED',
  'TASK_STATE_AUTH_REQUIRED',
]);

interface ListQuery {
  readonly contextId: string | null;
  readonly state: string | null;
  readonly since: number | null;
  readonly pageSize: number;
  readonly before: string;
  readonly historyLength: number | null;
  readonly hasArtifacts: boolean;
}

const listQueryOf = (params: Fields): ListQuery => {
  checkTenant(params);
  const state = optionalTextAt(params.status, '/status');
  if (state !== null && !STATES.has(state)) refuse('/status', 'must be a state of tasks');
  const since = optionalTextAt(params.statusTimestampAfter, '/statusTimestampAfter');
  if (since !== null && Number.isNaN(Date.parse(since)))
    refuse('/statusTimestampAfter', 'must be a time of ISO 8601');
  const token = optionalTextAt(params.pageToken, '/pageToken');
  if (token !== null && !/^\d{1,15}$/.test(token)) refuse('/pageToken', 'must be the token of a page');
  return {
    contextId: optionalTextAt(params.contextId, '/contextId'),
    state: state === 'TASK_STATE_UNSPECIFIED' ? null : state,
    since: since === null ? null : Date.parse(since),
    pageSize: numberAt(params.pageSize, '/pageSize', 1, 100) ?? 50,
    before: token === null ? 'end' : `@${token}`,
    historyLength: historyLengthAt(params.historyLength, '/historyLength'),
    hasArtifacts: flagAt(params.includeArtifacts, '/includeArtifacts'),
  };
};

/** Counts the tasks of an agent. */
const countTasks = async ({ runtime, workerId }: Exchange): Promise<number> => {
  const { runs } = await runtime.overview(workerId);
  const { run, queued } = await runtime.getWorker(workerId);
  return Object.values(runs).reduce((sum, count) => sum + count, run === null ? queued : queued + 1);
};

/** Yields the ids of the tasks, the newest first, with the number of the event with which each begins. */
async function* newestTasks(
  { runtime, workerId }: Exchange,
  from: string,
): AsyncGenerator<{ readonly taskId: string; readonly seq: number }> {
  let before: string | null = from;
  while (before !== null) {
    const { items, next }: Awaited<ReturnType<typeof runtime.events>> = await runtime.events(workerId, {
      before,
      limit: 100,
      types: BEGINNINGS,
    });
    for (const { type, run: taskId, seq } of items.toReversed()) {
      if (taskId === undefined) continue;
      // an input whose run has started is listed at its start
      if (type === 'input.accepted' && (await runtime.getRun(workerId, taskId)).startedAt !== null) continue;
      yield { taskId, seq };
    }
    before = next;
  }
}

/** Lists the tasks of an agent, the newest first. A page may have fewer tasks than asked for, even none, before the last one. */
export const listTasks = async (
  exchange: Exchange,
  params: Fields,
): Promise<{
  readonly tasks: readonly Task[];
  readonly nextPageToken: string;
  readonly pageSize: number;
  readonly totalSize: number;
}> => {
  const { contextId, state, since, pageSize, before, historyLength, hasArtifacts } = listQueryOf(params);
  if (contextId !== null && contextId !== exchange.agent)
    return { tasks: [], nextPageToken: '', pageSize, totalSize: 0 };
  const totalSize = await countTasks(exchange);
  const tasks: Task[] = [];
  let read = 0;
  let nextPageToken = '';
  for await (const { taskId, seq } of newestTasks(exchange, before)) {
    if (tasks.length === pageSize || read === READ_TASKS) {
      nextPageToken = String(seq);
      break;
    }
    read += 1;
    const task = (await readTask(exchange, taskId)).task(historyLength, hasArtifacts);
    const { status } = task;
    if (state !== null && status.state !== state) continue;
    if (since !== null && Date.parse(status.timestamp) < since) continue;
    tasks.push(hasArtifacts ? { ...task, artifacts: task.artifacts ?? [] } : task);
  }
  tasks.sort((a, b) => Date.parse(b.status.timestamp) - Date.parse(a.status.timestamp));
  return { tasks, nextPageToken, pageSize, totalSize };
};
