import type { ClaimMode } from '../contracts/claim.ts';
import type { Answer } from '../contracts/engine.ts';
import type {
  BundleRef,
  EventKey,
  ForkOrigin,
  RunError,
  StopResult,
  WhenInterrupted,
} from '../contracts/event.ts';
import type { FilePart } from '../contracts/file.ts';
import type { JsonValue } from '../contracts/json.ts';
import type { OpenRequest } from '../contracts/open-request.ts';
import { NO_USAGE, type UsageTotals } from '../contracts/overview.ts';
import type { WorkerStatus } from '../contracts/worker.ts';
import { EMPTY_POSITION, type LogPosition } from '../log/cursor.ts';
import type { DailyUsage } from './daily-usage.ts';

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

/** The active run. A member that is undefined is the same as one that is absent. */
export interface CurrentRun {
  readonly runId: string;
  readonly origin: 'input' | 'engine';
  readonly input: PendingInput | null;
  readonly generation: number;
  readonly startedAt: string;
  /** The position before its `run.started`. Absent in a snapshot of an earlier version. */
  readonly from?: LogPosition | undefined;
  /** The number of the last step that was started. Absent before the first one. */
  readonly step?: number | undefined;
  /** True while that step has no end. */
  readonly isStepOpen?: boolean | undefined;
  /** The number of executions that have worked on the run. Absent for the first. */
  readonly attempt?: number | undefined;
  /** True while an interrupted run waits for an execution that continues it. */
  readonly isDetached?: boolean | undefined;
  /**
   * The requests that were open when it was continued. An answer of one of them may be in the log before the execution that
   * continues the run has asked for it.
   */
  readonly inherited?: readonly string[] | undefined;
  /** The answers that came while it waited, and those of inherited requests, for the execution that continues it. */
  readonly answers?: readonly AnsweredRequest[] | undefined;
  /** The size in memory of `answers`. Absent with `answers`. */
  readonly answerBytes?: number | undefined;
  /** The open calls whose request an execution has had the answer of. */
  readonly answeredCalls?: readonly string[] | undefined;
  /** The tool calls without a result. Absent if every call has a result. */
  readonly calls?: readonly string[] | undefined;
  /** The size in memory of `calls`. Absent with `calls`, and in a snapshot of an earlier version. */
  readonly callBytes?: number | undefined;
  /** The time of its last event, if others of the Worker followed, such as a queued input. Absent while it is `updatedAt`. */
  readonly quietSince?: string | undefined;
}

/** A position in the log from which an engine reads the conversation: that of the input of a run. */
export interface HistoryFrom {
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

export interface Tally {
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

/** Returns a copy of a run that can be changed; its members are named as those of `draftOf`. */
export const runOf = (run: CurrentRun): Building<CurrentRun> =>
  ({
    runId: run.runId,
    origin: run.origin,
    input: run.input,
    generation: run.generation,
    startedAt: run.startedAt,
    from: run.from,
    step: run.step,
    isStepOpen: run.isStepOpen,
    attempt: run.attempt,
    isDetached: run.isDetached,
    inherited: run.inherited,
    answers: run.answers,
    answerBytes: run.answerBytes,
    answeredCalls: run.answeredCalls,
    calls: run.calls,
    callBytes: run.callBytes,
    quietSince: run.quietSince,
  }) satisfies Members<CurrentRun>;

/** Returns a copy of a tally that can be changed; its members are named as those of `draftOf`. */
export const tallyOf = (tally: Tally): Building<Tally> =>
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
