import type {
  EventData,
  EventKey,
  InputPart,
  InputRole,
  NewEvent,
  ResolvedBy,
  RunError,
  RunOutcome,
  StopResult,
} from '../contracts/event.ts';
import type { JsonObject } from '../contracts/json.ts';
import type { Limits } from '../contracts/limits.ts';
import type { OpenRequest } from '../contracts/open-request.ts';
import { invalidRequest, limitReached, RuntimeError } from '../contracts/runtime-error.ts';
import type { UpdateWorker } from '../contracts/worker.ts';
import type { Building, CurrentRun, WorkerState } from './state.ts';

/*
 * The state machine of a Worker. Each function decides one command on a state: it returns the events, or throws a
 * RuntimeError. The functions are pure and synchronous, so that each decision of a turn sees the earlier ones.
 */

/** An input to accept, with the ids that it and its run get. */
export interface NewInput {
  readonly inputId: string;
  readonly runId: string;
  readonly role: InputRole;
  readonly parts: readonly InputPart[];
  readonly metadata?: JsonObject | undefined;
  readonly messageId?: string | undefined;
  readonly traceparent?: string | undefined;
  readonly actor?: string | undefined;
}

/** The reason and the caller of a command, for its event. */
export interface Remark {
  readonly reason?: string;
  readonly actor?: string;
}

const detail = (state: WorkerState): { workerId: string } => ({ workerId: state.workerId });

const assertAlive = (state: WorkerState): void => {
  if (state.phase === 'deleted')
    throw new RuntimeError('WORKER_NOT_FOUND', undefined, { details: detail(state) });
};

/** @throws WORKER_NOT_FOUND · WORKER_STOPPED */
export const assertRunnable = (state: WorkerState): void => {
  assertAlive(state);
  if (state.status === 'stopped')
    throw new RuntimeError('WORKER_STOPPED', undefined, { details: detail(state) });
};

const started = (input: Pick<NewInput, 'inputId' | 'runId'>, generation: number): NewEvent => ({
  type: 'run.started',
  run: input.runId,
  data: { input: input.inputId, origin: 'input', generation },
});

const accepted = (input: NewInput, queued: boolean, key: EventKey | null): NewEvent => {
  const { inputId, runId, role, parts, metadata, messageId, traceparent, actor } = input;
  const data: Building<EventData['input.accepted']> = { input: inputId, role, parts, queued };
  if (key) data.key = key;
  if (metadata) data.metadata = metadata;
  if (messageId !== undefined) data.messageId = messageId;
  if (traceparent !== undefined) data.traceparent = traceparent;
  if (actor !== undefined) data.actor = actor;
  return { type: 'input.accepted', run: runId, data };
};

/** Accepts an input. While runs are held, it is queued in any case. @throws WORKER_NOT_FOUND · WORKER_STOPPED · WORKER_BUSY · LIMIT_REACHED the queue is full */
export const acceptInput = (
  state: WorkerState,
  input: NewInput,
  whenBusy: 'reject' | 'queue',
  key: EventKey | null,
  limits: Limits,
  isHeld = false,
): readonly NewEvent[] => {
  assertRunnable(state);
  if (isHeld && state.run === null && state.queue.length === 0) return [accepted(input, true, key)];
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

/** Begins a run on the engine's own initiative. @throws WORKER_NOT_FOUND · WORKER_STOPPED · WORKER_BUSY */
export const beginRun = (state: WorkerState, runId: string, input: NewInput | null): readonly NewEvent[] => {
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

/** Starts the run of the oldest queued input, unless a run is active or the Worker takes no inputs. */
export const startNext = (state: WorkerState): readonly NewEvent[] => {
  const next = state.queue[0];
  return state.phase === 'alive' && state.status !== 'stopped' && state.run === null && next
    ? [started(next, state.generation)]
    : [];
};

const unanswered = ({ requestId, runId }: OpenRequest, by: ResolvedBy): NewEvent => ({
  type: 'request.resolved',
  run: runId,
  data: { request: requestId, decision: null, by },
});

const resolveOpen = ({ requests }: WorkerState, by: ResolvedBy): readonly NewEvent[] =>
  requests.map((request) => unanswered(request, by));

/** Ends the requests about a call that has a result: an answer to them is of no use any more. */
export const resolveAbout = ({ requests }: WorkerState, call: string): readonly NewEvent[] =>
  requests.filter((request) => request.call === call).map((request) => unanswered(request, 'cancel'));

/** The end of a run, as it is recorded. */
export interface RunEnd extends Remark {
  readonly outcome: RunOutcome;
  readonly error?: RunError;
}

/** Ends the step that is open, so that each step of a finished run has an end. */
const closeStep = ({ runId, step, isStepOpen }: CurrentRun, outcome: RunOutcome): readonly NewEvent[] =>
  isStepOpen === true && step !== undefined
    ? [{ type: 'step.finished', run: runId, data: { step, finish: outcome } }]
    : [];

const UNFINISHED = 'The run ended before this call did. Whether it had an effect is not known.';
const UNPERMITTED = 'The run ended before permission was given. The call was not made.';

/**
 * Gives every open call a result, so that no reader of the log (including a model) has to guess whether one follows.
 * Calls of an interrupted run stay open, because an execution that outlived the runtime may still report their results;
 * only calls that waited for permission were certainly not made.
 */
const closeCalls = (
  { runId, calls = [] }: CurrentRun,
  requests: readonly OpenRequest[],
  outcome: RunOutcome,
): readonly NewEvent[] =>
  calls.flatMap((call): readonly NewEvent[] => {
    const isAsked = requests.some((open) => open.call === call && open.kind === 'permission');
    if (outcome === 'interrupted' && !isAsked) return [];
    const data = isAsked
      ? ({ call, error: UNPERMITTED, denied: true } as const)
      : { call, error: UNFINISHED };
    return [{ type: 'tool.finished', run: runId, data }];
  });

/**
 * Ends a run: first its open requests and calls, then the run itself. With `startsNext` it also starts the next queued
 * run. A run that has already ended produces no events.
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
    ...closeStep(state.run, end.outcome),
    {
      type: 'run.finished',
      run: runId,
      data: end,
    },
    ...(next ? [started(next, state.generation)] : []),
  ];
};

/** Opens a request. @throws LIMIT_REACHED · RUN_MISMATCH the run has ended */
export const openRequest = (
  state: WorkerState,
  runId: string,
  request: Omit<OpenRequest, 'runId' | 'openedAt'>,
  limits: Limits,
): readonly NewEvent[] => {
  if (state.run?.runId !== runId)
    throw new RuntimeError('RUN_MISMATCH', 'The run has ended', { details: { runId } });
  if (state.requests.length >= limits.openRequests) {
    throw limitReached('openRequests', limits.openRequests, 'The run has too many open requests');
  }
  const { requestId, kind, prompt, call, options, schema, expiresAt } = request;
  const data = {
    request: requestId,
    kind,
    prompt,
    ...(call !== null && { call }),
    options,
    ...(schema !== null && { schema }),
    ...(expiresAt !== null && { expiresAt }),
  };
  return [{ type: 'request.opened', run: runId, data }];
};

/**
 * Answers a request. A repeated answer produces no events.
 * @throws REQUEST_NOT_FOUND · REQUEST_RESOLVED it has another answer · INVALID_REQUEST the decision is not an option, or the
 * request takes no value
 */
export const resolveRequest = (
  state: WorkerState,
  requestId: string,
  answer: Omit<EventData['request.resolved'], 'request'>,
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
  if (answer.decision !== null && !open.options.some(({ id }) => id === answer.decision)) {
    throw invalidRequest(
      [{ pointer: '/decision', message: 'must be the id of one of the options' }],
      'The decision is not one of the options',
      { options: open.options.map(({ id }) => id) },
    );
  }
  if (answer.value !== undefined && open.schema === null)
    throw invalidRequest([{ pointer: '/value', message: 'is not asked for' }], 'The request takes no value');
  return [{ type: 'request.resolved', run: open.runId, data: { request: requestId, ...answer } }];
};

/** Stops a Worker: ends its run, its queue and its execution. A stopped Worker produces no events. */
export const stop = (state: WorkerState, outcome: StopResult, remark: Remark): readonly NewEvent[] => {
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
    { type: 'worker.stopped', data: { outcome, ...remark } },
  ];
};

/**
 * Records that an execution was attached. The first one makes a new Worker visible. A run that was interrupted continues on
 * it.
 */
export const attachExecution = (state: WorkerState, generation: number): readonly NewEvent[] => {
  assertAlive(state);
  const { run } = state;
  const attached: NewEvent = { type: 'execution.attached', data: { generation, engine: state.engine } };
  if (run?.isDetached !== true) return [attached];
  const attempt = attemptOf(run) + 1;
  return [
    attached,
    ...closeStep(run, 'interrupted'),
    { type: 'run.continued', run: run.runId, data: { generation, attempt } },
  ];
};

/** The number of executions that have worked on a run. */
export const attemptOf = ({ attempt = 1 }: CurrentRun): number => attempt;

/** True if the run of a Worker is to be continued should its execution be interrupted. */
export const mayContinue = ({ run, whenInterrupted }: WorkerState, { runAttempts }: Limits): boolean =>
  run !== null && whenInterrupted === 'continue' && attemptOf(run) < runAttempts;

/** True if a Worker has work for which it needs an execution: a run that was interrupted, or queued inputs. */
export const needsExecution = (state: WorkerState): boolean =>
  startNext(state).length > 0 || (state.phase === 'alive' && state.run?.isDetached === true);

/** Records that the execution of a run has ended and another one will continue the run. */
export const detachRun = ({ run, generation }: WorkerState): readonly NewEvent[] =>
  run === null || run.isDetached === true
    ? []
    : [{ type: 'execution.detached', data: { generation, cause: 'restart' } }];

/** Records that an execution ended without a stop. */
export const detachExecution = (
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

/** Changes a Worker. `configDigest` is the digest of another config, or null. Values that stay the same produce no events. */
export const update = (
  state: WorkerState,
  { displayName, labels, whenInterrupted, tools }: UpdateWorker,
  configDigest: string | null,
  remark: Remark = {},
): readonly NewEvent[] => {
  assertAlive(state);
  const data = {
    ...(displayName !== undefined && displayName !== state.displayName && { displayName }),
    ...(labels !== undefined &&
      JSON.stringify(labels) !== JSON.stringify(state.labels) && { labels: { ...labels } }),
    ...(whenInterrupted !== undefined && whenInterrupted !== state.whenInterrupted && { whenInterrupted }),
    ...(configDigest !== null && configDigest !== state.configDigest && { configDigest }),
    ...(tools !== undefined &&
      JSON.stringify(tools) !== JSON.stringify(state.tools) && { tools: [...tools] }),
  };
  return Object.keys(data).length === 0 ? [] : [{ type: 'worker.updated', data: { ...data, ...remark } }];
};

/** Ends the history that a fork has from another Worker: what is active or queued there has no execution here. */
export const beginFork = (state: WorkerState, data: EventData['worker.forked']): readonly NewEvent[] => [
  ...(state.run
    ? finishRun(
        state,
        state.run.runId,
        { outcome: 'interrupted', reason: 'The history ends here in a fork' },
        false,
      )
    : []),
  ...state.queue.map(
    ({ runId }): NewEvent => ({ type: 'run.finished', run: runId, data: { outcome: 'cancelled' } }),
  ),
  { type: 'worker.forked', data },
];

/** Ends the log. @throws WORKER_NOT_STOPPED */
export const remove = (
  state: WorkerState,
  cause: 'delete' | 'creation',
  { actor }: Remark = {},
): readonly NewEvent[] => {
  assertAlive(state);
  if (cause === 'delete' && state.status !== 'stopped') {
    throw new RuntimeError('WORKER_NOT_STOPPED', undefined, { details: detail(state) });
  }
  return [{ type: 'worker.deleted', data: { cause, ...(actor !== undefined && { actor }) } }];
};
