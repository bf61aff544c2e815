import type { EventData, NewEvent, UsageData, WorkerEvent } from '../contracts/event.ts';
import type { OpenRequest } from '../contracts/open-request.ts';
import { openRequestOf } from '../contracts/open-request.ts';
import { addUsage, NO_USAGE } from '../contracts/overview.ts';
import { EMPTY_POSITION, type LogPosition } from '../log/cursor.ts';
import { addToDay, NO_MODEL } from './daily-usage.ts';
import { sizeOf, sizeOfInput } from './size.ts';
import {
  type AnsweredRequest,
  type Building,
  type CurrentRun,
  type Draft,
  draftOf,
  type HistoryFrom,
  runOf,
  type Tally,
  tallyOf,
  type WorkerState,
} from './state.ts';

const RESOLVED_KEPT = 16;
const NONE: readonly never[] = [];

const countedIn = (tally: Tally, name: Exclude<keyof Tally, 'usage' | 'daily'>): Tally => {
  const counted = tallyOf(tally);
  counted[name] += 1;
  return counted;
};

const withUsage = (tally: Tally, time: string, data: UsageData): Tally => {
  const usage = addUsage(tally.usage, data);
  const { model } = data;
  const isCounted = typeof model === 'string' && Object.hasOwn(usage.byModel, model);
  const counted = tallyOf(tally);
  counted.usage = usage;
  counted.daily = addToDay(tally.daily ?? {}, time, isCounted ? model : NO_MODEL, data);
  return counted;
};

/** Adds the answer of a request to its run, for an execution that continues the run. */
const withAnswer = (
  run: CurrentRun,
  { requestId, kind, prompt, call }: OpenRequest,
  resolved: EventData['request.resolved'],
): CurrentRun => {
  const { request: _, actor: __, ...answer } = resolved;
  const next = runOf(run);
  if (run.isDetached === true || run.inherited?.includes(requestId)) {
    const answered: AnsweredRequest = { kind, prompt, call, answer };
    next.answers = [...(run.answers ?? NONE), answered];
    next.answerBytes = (run.answerBytes ?? 0) + sizeOf(answered);
  }
  if (run.isDetached !== true && call !== null && run.calls?.includes(call))
    next.answeredCalls = [...(run.answeredCalls ?? NONE), call];
  return next;
};

/** Keeps the time of the last event of a run while others follow. */
const withQuiet = (run: CurrentRun, event: WorkerEvent, updatedAt: string): CurrentRun => {
  const isOwn = event.run === run.runId || event.type.startsWith('execution.');
  if (isOwn === (run.quietSince === undefined)) return run;
  const next = runOf(run);
  next.quietSince = isOwn ? undefined : updatedAt;
  return next;
};

/** Returns the position of the input of a run, or null if the run is of a snapshot that does not have it. */
const historyFromRun = ({ input, from }: CurrentRun): HistoryFrom | null => {
  if (!from || input?.seq === 0) return null;
  const at = input ? { ...EMPTY_POSITION, seq: input.seq - 1, end: input.offset } : from;
  return { at, answersAfter: from.seq };
};

/**
 * Folds one event into a draft, except for `head`, which the caller sets because it knows the bytes. `from` is the position
 * before the line of the event; its checksum may be set later, and before the draft is used. Never fails: an event of an unknown type, or one that does not fit the state (in a
 * damaged log), changes only the time.
 */
export const apply = (draft: Draft, event: WorkerEvent, from: LogPosition): void => {
  if (draft.run) draft.run = withQuiet(draft.run, event, draft.updatedAt);
  draft.updatedAt = event.time;
  switch (event.type) {
    case 'worker.created': {
      const { key, actor: _, fork, ...rest } = event.data;
      Object.assign(draft, rest);
      if (fork) draft.forkedFrom = fork;
      draft.createdAt = event.time;
      draft.creationKey = key ?? null;
      return;
    }
    case 'worker.forked': {
      const { key, actor, ...rest } = event.data;
      Object.assign(draft, rest);
      const { usage: _, daily: __, ...tally } = draft.tally;
      // what was used before is counted where it was used
      draft.tally = { ...tally, usage: NO_USAGE };
      draft.createdAt = event.time;
      draft.creationKey = key ?? null;
      draft.isReconfigured = false;
      draft.status = 'idle';
      draft.stopResult = null;
      draft.lastError = null;
      draft.recorded = null;
      // a fork of a fork has the event of the other one in its history
      if (draft.forkedFrom && event.seq > draft.forkedFrom.seq) {
        if (actor !== undefined) draft.forkedFrom = { ...draft.forkedFrom, actor };
        draft.phase = 'alive';
      }
      return;
    }
    case 'worker.updated':
      if (event.data.displayName !== undefined) draft.displayName = event.data.displayName;
      if (event.data.labels !== undefined) draft.labels = event.data.labels;
      if (event.data.whenInterrupted !== undefined) draft.whenInterrupted = event.data.whenInterrupted;
      if (event.data.tools !== undefined) draft.tools = event.data.tools;
      if (event.data.configDigest !== undefined) {
        draft.configDigest = event.data.configDigest;
        draft.isReconfigured = true;
      }
      return;
    case 'worker.stopped':
      draft.status = 'stopped';
      draft.stopResult = event.data.outcome;
      return;
    case 'worker.resumed':
      draft.status = 'idle';
      draft.stopResult = null;
      return;
    case 'worker.deleted':
      draft.phase = 'deleted';
      return;
    case 'execution.attached':
      // those of a fork are history: it is visible from `worker.forked` on
      if (!draft.forkedFrom) draft.phase = 'alive';
      draft.generation = event.data.generation;
      draft.lastError = null;
      return;
    case 'execution.detached':
      if (event.data.code)
        draft.lastError = { code: event.data.code, message: 'The execution ended unexpectedly' };
      if (draft.run) {
        // the execution that has ended has had the earlier answers
        const run = runOf(draft.run);
        run.answers = undefined;
        run.answerBytes = undefined;
        run.inherited = undefined;
        run.isDetached = true;
        draft.run = run;
      }
      return;
    case 'history.started':
      if (draft.run && draft.run.runId === event.run)
        draft.historyFrom = historyFromRun(draft.run) ?? draft.historyFrom;
      return;
    case 'execution.recorded':
      draft.recorded = event.data.value;
      return;
    case 'file.stored': {
      const { digest, ...file } = event.data;
      draft.files = { ...draft.files, [digest]: file };
      return;
    }
    case 'input.accepted': {
      const { data, seq, run: runId = '' } = event;
      const accepted = { inputId: data.input, runId, seq, offset: from.end, bytes: sizeOfInput(data) };
      draft.queue = draft.queue.length === 0 ? [accepted] : [...draft.queue, accepted];
      draft.tally = countedIn(draft.tally, 'inputs');
      return;
    }
    case 'run.started': {
      const runId = event.run ?? '';
      const input = draft.queue.find((queued) => queued.runId === runId) ?? null;
      if (input)
        draft.queue = draft.queue.length === 1 ? NONE : draft.queue.filter((queued) => queued !== input);
      draft.run = {
        runId,
        origin: event.data.origin,
        input,
        generation: event.data.generation,
        startedAt: event.time,
        from,
      };
      draft.status = 'running';
      return;
    }
    case 'run.continued': {
      if (!draft.run || draft.run.runId !== event.run) return;
      const run: Building<CurrentRun> = Object.assign(runOf(draft.run), event.data);
      const calls = (run.answers ?? NONE).flatMap(({ call }) => call ?? NONE);
      run.isDetached = undefined;
      if (draft.requests.length > 0) run.inherited = draft.requests.map(({ requestId }) => requestId);
      if (calls.length > 0) run.answeredCalls = [...(run.answeredCalls ?? NONE), ...calls];
      draft.run = run;
      return;
    }
    case 'run.finished':
      draft.tally = countedIn(draft.tally, event.data.outcome);
      if (draft.run?.runId !== event.run) {
        draft.queue = draft.queue.filter((queued) => queued.runId !== event.run);
        return;
      }
      draft.run = null;
      draft.requests = NONE;
      draft.status = 'idle';
      if (event.data.error) draft.lastError = event.data.error;
      return;
    case 'step.started':
    case 'step.finished':
      if (draft.run && draft.run.runId === event.run) {
        const run = runOf(draft.run);
        run.step = event.data.step;
        run.isStepOpen = event.type === 'step.started';
        draft.run = run;
      }
      return;
    case 'message.completed':
      draft.tally = countedIn(draft.tally, 'messages');
      return;
    case 'tool.called': {
      draft.tally = countedIn(draft.tally, 'toolCalls');
      if (!draft.run || draft.run.runId !== event.run) return;
      const run = runOf(draft.run);
      run.calls = [...(run.calls ?? NONE), event.data.call];
      run.callBytes = (run.callBytes ?? 0) + sizeOf(event.data.call);
      draft.run = run;
      return;
    }
    case 'tool.finished': {
      if (!draft.run?.calls || draft.run.runId !== event.run) return;
      const { calls, callBytes = 0, answeredCalls = NONE } = draft.run;
      const { call } = event.data;
      const at = calls.indexOf(call);
      if (at < 0) return;
      const open = calls.toSpliced(at, 1);
      const answered = answeredCalls.filter((other) => other !== call);
      const run = runOf(draft.run);
      run.answeredCalls = answered.length > 0 ? answered : undefined;
      run.calls = open.length > 0 ? open : undefined;
      run.callBytes = open.length > 0 ? Math.max(0, callBytes - sizeOf(call)) : undefined;
      draft.run = run;
      return;
    }
    case 'request.opened': {
      draft.requests = [...draft.requests, openRequestOf(event)];
      draft.status = 'waiting';
      return;
    }
    case 'request.resolved': {
      const { request: requestId, decision } = event.data;
      const request = draft.requests.find((open) => open.requestId === requestId);
      draft.requests = draft.requests.filter((open) => open !== request);
      if (request && draft.run?.runId === request.runId)
        draft.run = withAnswer(draft.run, request, event.data);
      draft.resolved = [...draft.resolved.slice(1 - RESOLVED_KEPT), { requestId, decision }];
      if (draft.requests.length === 0) draft.status = 'running';
      return;
    }
    case 'usage.recorded':
      draft.tally = withUsage(draft.tally, event.time, event.data);
      return;
    default:
  }
};

/** Returns the state that events would leave, to decide on them before they are committed. Its positions are those of `state`. */
export const stateAfter = (state: WorkerState, events: readonly NewEvent[]): WorkerState => {
  const { head, updatedAt: time, workerId: worker } = state;
  const draft = draftOf(state);
  for (const event of events) apply(draft, { seq: head.seq, time, worker, ...event }, head);
  return draft;
};
