import type { EventKey, NewEvent, ResolvedBy, RunError, RunOutcome, StopResult } from '../contracts/event.ts';
import type { Limits } from '../contracts/limits.ts';
import type { OpenRequest, UpdateWorker } from '../contracts/runtime-api.ts';
import { invalidRequest, limitReached, RuntimeError } from '../contracts/runtime-error.ts';
import type { AcceptedInput, CurrentRun, WorkerState } from './state.ts';

/*
 * The state machine: what each command makes of a Worker's state, as events or as a RuntimeError. Pure and
 * synchronous, so that whatever is decided in one turn sees what was decided before it in the same turn.
 */

const detail = (state: WorkerState): { workerId: string } => ({ workerId: state.workerId });

const assertAlive = (state: WorkerState): void => {
  if (state.phase === 'deleted')
    throw new RuntimeError('WORKER_NOT_FOUND', undefined, { details: detail(state) });
};

export const assertRunnable = (state: WorkerState): void => {
  assertAlive(state);
  if (state.status === 'stopped')
    throw new RuntimeError('WORKER_STOPPED', undefined, { details: detail(state) });
};

const started = (input: AcceptedInput, generation: number): NewEvent => ({
  type: 'run.started',
  run: input.runId,
  data: { input: input.inputId, origin: 'input', generation },
});

const accepted = (input: AcceptedInput, queued: boolean, key: EventKey | null): NewEvent => ({
  type: 'input.accepted',
  run: input.runId,
  data: {
    input: input.inputId,
    role: input.role,
    parts: input.parts,
    queued,
    ...(key && { key }),
    ...(input.metadata && { metadata: input.metadata }),
  },
});

/** @throws WORKER_NOT_FOUND · WORKER_STOPPED · WORKER_BUSY · LIMIT_REACHED the queue is full */
export const acceptInput = (
  state: WorkerState,
  input: AcceptedInput,
  whenBusy: 'reject' | 'queue',
  key: EventKey | null,
  limits: Limits,
): readonly NewEvent[] => {
  assertRunnable(state);
  if (state.run === null && state.queue.length === 0)
    return [accepted(input, false, key), started(input, state.generation)];
  if (whenBusy === 'reject') {
    const runId = state.run?.runId ?? state.queue[0]?.runId;
    throw new RuntimeError('WORKER_BUSY', undefined, { details: { ...detail(state), runId } });
  }
  if (state.queue.length >= limits.queuedInputs) {
    const message = 'The input queue of the Worker is full';
    throw limitReached('queuedInputs', limits.queuedInputs, message, detail(state));
  }
  return [accepted(input, true, key)];
};

/** A run that the engine begins itself. @throws as `acceptInput` */
export const beginRun = (
  state: WorkerState,
  runId: string,
  input: AcceptedInput | null,
): readonly NewEvent[] => {
  assertRunnable(state);
  if (state.run !== null || state.queue.length > 0) {
    throw new RuntimeError('WORKER_BUSY', undefined, {
      details: { ...detail(state), runId: state.run?.runId },
    });
  }
  const begun: NewEvent = {
    type: 'run.started',
    run: runId,
    data: { ...(input && { input: input.inputId }), origin: 'engine', generation: state.generation },
  };
  return input ? [accepted(input, false, null), begun] : [begun];
};

/** The run of the input that has waited longest, where nothing else is on. */
export const startNext = (state: WorkerState): readonly NewEvent[] => {
  const next = state.queue[0];
  return state.phase === 'alive' && state.status !== 'stopped' && state.run === null && next
    ? [started(next, state.generation)]
    : [];
};

const resolveOpen = (state: WorkerState, by: ResolvedBy): readonly NewEvent[] =>
  state.requests.map(({ requestId, runId }) => ({
    type: 'request.resolved',
    run: runId,
    data: { request: requestId, decision: null, by },
  }));

export interface RunEnd {
  readonly outcome: RunOutcome;
  readonly error?: RunError;
  /** Of whoever cancelled it. */
  readonly reason?: string;
}

const UNFINISHED = 'The run ended before this call did. Whether it had an effect is not known.';
const UNPERMITTED = 'The run ended before permission was given. The call was not made.';

/**
 * No call is left without a result, so that whoever reads the log, a model too, need not guess whether one still
 * comes. Of an interrupted run nobody knows, but for calls that still waited for permission: an execution that outlived
 * the runtime may still tell.
 */
const closeCalls = (
  { runId, calls = [] }: CurrentRun,
  requests: readonly OpenRequest[],
  outcome: RunOutcome,
): readonly NewEvent[] =>
  calls.flatMap((call): readonly NewEvent[] => {
    const isAsked = requests.some((open) => open.call === call && open.kind === 'permission');
    if (outcome === 'interrupted' && !isAsked) return [];
    const error = isAsked ? UNPERMITTED : UNFINISHED;
    return [{ type: 'tool.finished', run: runId, data: { call, error } }];
  });

/**
 * Ends the run, its open requests and calls first, and starts the next queued one where that is wanted.
 * A run that is over already stays as it ended: no events.
 */
export const finishRun = (
  state: WorkerState,
  runId: string,
  end: RunEnd,
  startsNext: boolean,
): readonly NewEvent[] => {
  if (state.run?.runId !== runId) return [];
  const next = startsNext ? state.queue[0] : undefined;
  return [
    ...resolveOpen(state, end.outcome === 'interrupted' ? 'restart' : 'cancel'),
    ...closeCalls(state.run, state.requests, end.outcome),
    {
      type: 'run.finished',
      run: runId,
      data: end,
    },
    ...(next ? [started(next, state.generation)] : []),
  ];
};

/** @throws LIMIT_REACHED · RUN_MISMATCH the run that asks is over */
export const openRequest = (
  state: WorkerState,
  runId: string,
  request: Omit<OpenRequest, 'runId' | 'openedAt'>,
  limits: Limits,
): readonly NewEvent[] => {
  if (state.run?.runId !== runId)
    throw new RuntimeError('RUN_MISMATCH', 'The run is over', { details: { runId } });
  if (state.requests.length >= limits.openRequests) {
    throw limitReached('openRequests', limits.openRequests, 'The run has too many open requests');
  }
  const { requestId, kind, prompt, call, options, expiresAt } = request;
  const data = {
    request: requestId,
    kind,
    prompt,
    ...(call !== null && { call }),
    options,
    ...(expiresAt !== null && { expiresAt }),
  };
  return [{ type: 'request.opened', run: runId, data }];
};

/**
 * Answers a request; the same answer again changes nothing.
 * @throws REQUEST_NOT_FOUND · REQUEST_RESOLVED with another answer · INVALID_REQUEST not one of its options
 */
export const resolveRequest = (
  state: WorkerState,
  requestId: string,
  answer: { readonly decision: string | null; readonly note?: string; readonly by: ResolvedBy },
): readonly NewEvent[] => {
  assertAlive(state);
  const open = state.requests.find((request) => request.requestId === requestId);
  if (!open) {
    const resolved = state.resolved.find((request) => request.requestId === requestId);
    if (!resolved)
      throw new RuntimeError('REQUEST_NOT_FOUND', undefined, { details: { ...detail(state), requestId } });
    if (resolved.decision === answer.decision) return [];
    throw new RuntimeError('REQUEST_RESOLVED', undefined, { details: { ...detail(state), requestId } });
  }
  if (answer.decision !== null && !open.options.includes(answer.decision)) {
    throw invalidRequest(
      [{ pointer: '/decision', message: 'must be one of the options' }],
      'The decision is not one of the options',
      { options: open.options },
    );
  }
  return [{ type: 'request.resolved', run: open.runId, data: { request: requestId, ...answer } }];
};

/** Ends everything: run, queue, execution. A Worker that is stopped stays as it is. */
export const stop = (
  state: WorkerState,
  outcome: StopResult,
  reason: string | undefined,
): readonly NewEvent[] => {
  assertAlive(state);
  if (state.status === 'stopped') return [];
  const running = state.run ? finishRun(state, state.run.runId, { outcome: 'cancelled' }, false) : [];
  const waiting = state.queue.map(
    ({ runId }): NewEvent => ({ type: 'run.finished', run: runId, data: { outcome: 'cancelled' } }),
  );
  const cause = outcome === 'detached' ? 'deadline' : 'stop';
  return [
    ...running,
    ...waiting,
    { type: 'execution.detached', data: { generation: state.generation, cause } },
    { type: 'worker.stopped', data: { outcome, ...(reason !== undefined && { reason }) } },
  ];
};

/** An execution is attached: with it a Worker shows for the first time, or comes back from a stop. */
export const attached = (state: WorkerState, generation: number): readonly NewEvent[] => {
  assertAlive(state);
  return [{ type: 'execution.attached', data: { generation, engine: state.engine } }];
};

/** The execution is gone without having been asked to go. */
export const lose = (
  state: WorkerState,
  end: RunEnd,
  cause: 'restart' | 'crash' | 'deadline',
): readonly NewEvent[] => {
  if (state.phase === 'deleted' || state.status === 'stopped') return [];
  const code = cause === 'deadline' ? undefined : ('EXECUTION_LOST' as const);
  return [
    ...(state.run ? finishRun(state, state.run.runId, end, false) : []),
    { type: 'execution.detached', data: { generation: state.generation, cause, ...(code && { code }) } },
  ];
};

export const update = (state: WorkerState, { displayName, labels }: UpdateWorker): readonly NewEvent[] => {
  assertAlive(state);
  const data = {
    ...(displayName !== undefined && displayName !== state.displayName && { displayName }),
    ...(labels !== undefined &&
      JSON.stringify(labels) !== JSON.stringify(state.labels) && { labels: { ...labels } }),
  };
  return Object.keys(data).length === 0 ? [] : [{ type: 'worker.updated', data }];
};

/** @throws WORKER_NOT_STOPPED */
export const remove = (state: WorkerState, cause: 'delete' | 'creation'): readonly NewEvent[] => {
  assertAlive(state);
  if (cause === 'delete' && state.status !== 'stopped') {
    throw new RuntimeError('WORKER_NOT_STOPPED', undefined, { details: detail(state) });
  }
  return [{ type: 'worker.deleted', data: { cause } }];
};
