import type { ClaimMode } from '../contracts/claim.ts';
import type { Answer } from '../contracts/engine.ts';
import type {
  BundleRef,
  EventData,
  EventKey,
  ForkOrigin,
  NewEvent,
  RunError,
  StopResult,
  UsageData,
  WhenInterrupted,
  WorkerEvent,
} from '../contracts/event.ts';
import type { FilePart } from '../contracts/file.ts';
import type { JsonValue } from '../contracts/json.ts';
import { openRequestOf } from '../contracts/open-request.ts';
import { addUsage, NO_USAGE, type UsageTotals } from '../contracts/overview.ts';
import type { OpenRequest, WorkerStatus } from '../contracts/runtime-api.ts';
import { EMPTY_POSITION, type LogPosition } from '../log/cursor.ts';
import { addToDay, type DailyUsage, NO_MODEL } from './daily-usage.ts';
import { sizeOf, sizeOfInput } from './size.ts';

/**
 * An input whose run has not ended. The state does not hold its text: the text is in the log, and is read from there
 * when the run begins.
 */
export interface PendingInput {
  readonly inputId: string;
  readonly runId: string;
  /** The position of its line in the log; number 0 if it is not known, for an input of an old snapshot. */
  readonly seq: number;
  readonly offset: number;
  /** The size of its text and metadata in memory, as `sizeOfInput` estimates it. */
  readonly bytes: number;
}

/** A request that was answered while no execution was attached. */
export interface AnsweredRequest {
  readonly kind: OpenRequest['kind'];
  readonly prompt: string;
  readonly call: string | null;
  readonly answer: Answer;
}

/** The active run. */
export interface CurrentRun {
  readonly runId: string;
  readonly origin: 'input' | 'engine';
  readonly input: PendingInput | null;
  readonly generation: number;
  readonly startedAt: string;
  /** The position before its `run.started`. Absent in a snapshot of an earlier version. */
  readonly from?: LogPosition;
  /** The number of the last step that was started. Absent before the first one. */
  readonly step?: number;
  /** True while that step has no end. */
  readonly isStepOpen?: boolean;
  /** The number of executions that have worked on the run. Absent for the first. */
  readonly attempt?: number;
  /** True while an interrupted run waits for an execution that continues it. */
  readonly isDetached?: boolean;
  /**
   * The requests that were open when it was continued. An answer of one of them may be in the log before the execution that
   * continues the run has asked for it.
   */
  readonly inherited?: readonly string[];
  /** The answers that came while it waited, and those of inherited requests, for the execution that continues it. */
  readonly answers?: readonly AnsweredRequest[];
  /** The size in memory of `answers`. Absent with `answers`. */
  readonly answerBytes?: number;
  /** The open calls whose request an execution has had the answer of. */
  readonly answeredCalls?: readonly string[];
  /** The tool calls without a result. Absent if every call has a result. */
  readonly calls?: readonly string[];
  /** The size in memory of `calls`. Absent with `calls`, and in a snapshot of an earlier version. */
  readonly callBytes?: number;
  /** The time of its last event, if others of the Worker followed, such as a queued input. Absent while it is `updatedAt`. */
  readonly quietSince?: string;
}

/** A position in the log from which an engine reads the conversation: that of the input of a run. */
interface HistoryFrom {
  readonly at: LogPosition;
  /** The number of the last event before the run started. Up to it, only inputs belong to this run and to later ones. */
  readonly answersAfter: number;
}

/** The part of a stored file that the state keeps. */
export type StoredFile = Pick<FilePart, 'mediaType' | 'sizeBytes'>;

/** The origin of a fork. */
export interface StoredOrigin extends ForkOrigin {
  /** The caller that forked it. Absent if it is not known. */
  readonly actor?: string;
}

interface Tally {
  readonly inputs: number;
  readonly messages: number;
  readonly toolCalls: number;
  readonly completed: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly interrupted: number;
  readonly usage: UsageTotals;
  /** The same by day. Absent before the first usage; a snapshot of an earlier version lacks the days up to then. */
  readonly daily?: DailyUsage;
}

/**
 * The state of a Worker: the fold of the events of its log, a plain JSON value. Values inside are replaced and never
 * changed, so a reference serves as a snapshot. Live objects (an attached session, streams) are not part of it.
 */
export interface WorkerState {
  readonly workerId: string;
  readonly log: string;
  /** The end of the log. */
  readonly head: LogPosition;
  readonly createdAt: string;
  readonly updatedAt: string;
  /**
   * A Worker is visible from its first `execution.attached` on, and a fork from its `worker.forked` on. Before that, a failure or a restart
   * removes it.
   */
  readonly phase: 'creating' | 'alive' | 'deleted';
  readonly status: WorkerStatus;
  readonly engine: string;
  readonly displayName: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly parent: string | null;
  /** See `worker.created`. Absent without a parent, and for a log of an earlier version. */
  readonly delegatedBy?: string | null;
  readonly profile: string | null;
  readonly bundle: BundleRef | null;
  readonly configDigest: string;
  /** True if the config is not the one of the creation. It is a blob of the log then. */
  readonly isReconfigured: boolean;
  readonly tools: readonly string[];
  readonly claims: readonly { readonly name: string; readonly mode: ClaimMode }[];
  /** The files that are stored, by their digests. */
  readonly files: Readonly<Record<string, StoredFile>>;
  readonly creationKey: EventKey | null;
  /** Absent for a Worker that is no fork. */
  readonly forkedFrom?: StoredOrigin;
  readonly generation: number;
  readonly whenInterrupted: WhenInterrupted;
  readonly lastError: RunError | null;
  /** The beginning of the conversation that the engine still needs, or null for all of it. */
  readonly historyFrom: HistoryFrom | null;
  /** The value that an execution recorded last. */
  readonly recorded: JsonValue;
  readonly stopResult: StopResult | null;
  readonly run: CurrentRun | null;
  readonly queue: readonly PendingInput[];
  readonly requests: readonly OpenRequest[];
  /** The requests that were resolved last, to distinguish a repeated answer from an unknown request. */
  readonly resolved: readonly { readonly requestId: string; readonly decision: string | null }[];
  readonly tally: Tally;
}

/** A value whose members are still being set. */
export type Building<T> = { -readonly [K in keyof T]: T[K] };

/** A state while events are folded into it. */
export type Draft = Building<WorkerState>;

/** Every member of an object, so that a copy which lacks an optional one does not compile. */
type Members<T> = { readonly [K in keyof T]-?: T[K] | undefined };

/**
 * Returns a copy of a state, into which events can be folded. Hot path: the members are named, because V8 of Node 20 copies a
 * copy that `...` has made several times more slowly (decision 0116).
 */
export const draftOf = (state: WorkerState): Draft =>
  ({
    workerId: state.workerId,
    log: state.log,
    head: state.head,
    createdAt: state.createdAt,
    updatedAt: state.updatedAt,
    phase: state.phase,
    status: state.status,
    engine: state.engine,
    displayName: state.displayName,
    labels: state.labels,
    parent: state.parent,
    delegatedBy: state.delegatedBy,
    profile: state.profile,
    bundle: state.bundle,
    configDigest: state.configDigest,
    isReconfigured: state.isReconfigured,
    tools: state.tools,
    claims: state.claims,
    files: state.files,
    creationKey: state.creationKey,
    forkedFrom: state.forkedFrom,
    generation: state.generation,
    whenInterrupted: state.whenInterrupted,
    lastError: state.lastError,
    historyFrom: state.historyFrom,
    recorded: state.recorded,
    stopResult: state.stopResult,
    run: state.run,
    queue: state.queue,
    requests: state.requests,
    resolved: state.resolved,
    tally: state.tally,
  }) satisfies Members<WorkerState> as Draft;

const RESOLVED_KEPT = 16;
const NONE: readonly never[] = [];
const NO_LABELS: WorkerState['labels'] = {};
const NO_FILES: WorkerState['files'] = {};
const NO_TALLY: Tally = {
  inputs: 0,
  messages: 0,
  toolCalls: 0,
  completed: 0,
  failed: 0,
  cancelled: 0,
  interrupted: 0,
  usage: NO_USAGE,
};

/** Returns the state of an empty log. */
export const emptyState = (workerId: string, log: string): WorkerState => ({
  workerId,
  log,
  head: EMPTY_POSITION,
  createdAt: '',
  updatedAt: '',
  phase: 'creating',
  status: 'idle',
  engine: '',
  displayName: null,
  labels: NO_LABELS,
  parent: null,
  profile: null,
  bundle: null,
  configDigest: '',
  isReconfigured: false,
  tools: NONE,
  claims: NONE,
  files: NO_FILES,
  creationKey: null,
  generation: 0,
  whenInterrupted: 'stop',
  lastError: null,
  historyFrom: null,
  recorded: null,
  stopResult: null,
  run: null,
  queue: NONE,
  requests: NONE,
  resolved: NONE,
  tally: NO_TALLY,
});

/** Returns a copy of a tally that can be changed; its members are named as those of `draftOf`. */
const tallyOf = (tally: Tally): Building<Tally> =>
  ({
    inputs: tally.inputs,
    messages: tally.messages,
    toolCalls: tally.toolCalls,
    completed: tally.completed,
    failed: tally.failed,
    cancelled: tally.cancelled,
    interrupted: tally.interrupted,
    usage: tally.usage,
    daily: tally.daily,
  }) satisfies Members<Tally> as Building<Tally>;

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
  let next = run;
  if (run.isDetached === true || run.inherited?.includes(requestId)) {
    const answered: AnsweredRequest = { kind, prompt, call, answer };
    const answerBytes = (run.answerBytes ?? 0) + sizeOf(answered);
    next = { ...next, answers: [...(run.answers ?? NONE), answered], answerBytes };
  }
  if (run.isDetached === true || call === null || !run.calls?.includes(call)) return next;
  return { ...next, answeredCalls: [...(run.answeredCalls ?? NONE), call] };
};

/** Keeps the time of the last event of a run while others follow. */
const withQuiet = (run: CurrentRun, event: WorkerEvent, updatedAt: string): CurrentRun => {
  const isOwn = event.run === run.runId || event.type.startsWith('execution.');
  if (isOwn === (run.quietSince === undefined)) return run;
  if (!isOwn) return { ...run, quietSince: updatedAt };
  const { quietSince: _, ...active } = run;
  return active;
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
        const { answers: _, answerBytes: __, inherited: ___, ...run } = draft.run;
        draft.run = { ...run, isDetached: true };
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
      const { isDetached: _, ...run } = draft.run;
      const calls = (run.answers ?? NONE).flatMap(({ call }) => call ?? NONE);
      const inherited = draft.requests.map(({ requestId }) => requestId);
      draft.run = {
        ...run,
        ...event.data,
        ...(inherited.length > 0 && { inherited }),
        ...(calls.length > 0 && { answeredCalls: [...(run.answeredCalls ?? NONE), ...calls] }),
      };
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
      if (draft.run && draft.run.runId === event.run)
        draft.run = { ...draft.run, step: event.data.step, isStepOpen: event.type === 'step.started' };
      return;
    case 'message.completed':
      draft.tally = countedIn(draft.tally, 'messages');
      return;
    case 'tool.called': {
      draft.tally = countedIn(draft.tally, 'toolCalls');
      const { run } = draft;
      if (run && run.runId === event.run)
        draft.run = {
          ...run,
          calls: [...(run.calls ?? NONE), event.data.call],
          callBytes: (run.callBytes ?? 0) + sizeOf(event.data.call),
        };
      return;
    }
    case 'tool.finished': {
      if (!draft.run?.calls || draft.run.runId !== event.run) return;
      const { calls, callBytes = 0, answeredCalls, ...run } = draft.run;
      const { call } = event.data;
      const at = calls.indexOf(call);
      if (at < 0) return;
      const open = calls.toSpliced(at, 1);
      const answered = answeredCalls?.filter((other) => other !== call) ?? NONE;
      draft.run = {
        ...run,
        ...(answered.length > 0 && { answeredCalls: answered }),
        ...(open.length > 0 && { calls: open, callBytes: Math.max(0, callBytes - sizeOf(call)) }),
      };
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
