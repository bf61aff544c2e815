import type { EngineCapabilities } from './capabilities.ts';
import type { Claim } from './claim.ts';
import type { InputRole, RequestKind, ResolvedBy, Severity, TextPart, UsageData } from './event.ts';
import type { JsonObject, JsonValue } from './json.ts';
import type { Logger } from './logger.ts';
import type { CreateWorker } from './runtime-api.ts';
import type { TranscriptItem } from './transcript.ts';

/**
 * Executes the runs of Workers. An engine owns no state that the log does not have: after a restart it is attached
 * anew and finds what was said in `history()`.
 */
export interface Engine {
  /** Unique in a runtime; what `engine` in a creation names. */
  readonly name: string;
  readonly capabilities: EngineCapabilities;
  /** Called at creation, before anything is written. @throws CONFIG_UNSUPPORTED what it cannot honour */
  checkConfig?(config: JsonObject): void;
  /**
   * Connects one execution of a Worker. A throw, or exceeding `attachTimeoutMs`, refuses the command that wanted it; for
   * inputs that wait it is tried again, with pauses that grow to a minute.
   */
  attach(context: EngineContext): Promise<EngineSession>;
  /** The Worker never came to be, or is deleted: drop whatever is kept for it outside. */
  forget?(workerId: string): Promise<void>;
}

/** One execution's view of its Worker. Dead as soon as the execution is detached: every method then throws EXECUTION_LOST. */
export interface EngineContext {
  readonly runtimeId: string;
  readonly workerId: string;
  /** 1 for the first execution of a Worker, one more for each later one. */
  readonly generation: number;
  /** Private: resolved at creation, never shown. */
  readonly config: JsonObject;
  /** The tools that this Worker was granted by name. */
  readonly tools: readonly string[];
  /** The resources that this Worker claims, private ones in clear. */
  readonly claims: readonly Claim[];
  /** Aborted when the execution has to end; what has not ended at the deadline is detached. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** What an execution of this Worker recorded last; null where none did. */
  readonly recorded: JsonValue;
  /** The conversation so far, oldest first, read page by page. */
  history(): AsyncIterable<TranscriptItem>;
  /**
   * Begins a run that no command asked for; `session.run` is called for it. On return `run.started` is committed.
   * @throws WORKER_BUSY a run is on
   */
  beginRun(input?: RunInput): Promise<void>;
  /** The execution is gone (a process died): its run fails with EXECUTION_LOST, the next input attaches a new one. */
  lost(error: unknown): void;
  /** Creates a Worker whose parent is this one. Fails as a creation does. */
  createChild(spec: CreateWorker): Promise<{ readonly workerId: string }>;
}

export type DetachReason = 'stop' | 'delete' | 'shutdown' | 'deadline' | 'lost' | 'creation';

export interface EngineSession {
  /**
   * Works one input off. The runtime pulls: it takes the next output when the one before is committed, and takes what
   * is yielded as an array in one commit. Returning ends the run as completed, `withdrawn` as cancelled; a throw ends
   * it as failed, with the code of a RuntimeError and ENGINE_FAILED for all else (whose message nobody but the
   * operator sees).
   */
  run(run: Run): AsyncIterable<EngineOutput | readonly EngineOutput[]>;
  /** Let go of everything. Bounded by the deadline of whoever asks; called once, also where a run still hangs. */
  detach(reason: DetachReason): Promise<void>;
}

export interface RunInput {
  readonly role: InputRole;
  readonly parts: readonly TextPart[];
  readonly metadata?: JsonObject;
}

export interface Run {
  readonly runId: string;
  /** Null for a run that the engine began itself without one. */
  readonly input: RunInput | null;
  /** Aborted by cancel, stop, the run's deadline and shutdown. Yield what is worth keeping, then return or throw. */
  readonly signal: AbortSignal;
  /**
   * Opens a request and waits for its answer; the Worker is `waiting` meanwhile. Never rejects on a refusal: see `by`.
   * A rejection that nobody waits for harms nobody.
   * @throws as a commit: STORE_FULL · STORE_UNAVAILABLE · EXECUTION_LOST
   */
  ask(question: Question): Promise<Answer>;
}

export interface Question {
  readonly kind: RequestKind;
  readonly prompt: string;
  /** The tool call that it is about, so that a client can show both as one. */
  readonly call?: string;
  /** What may be answered; at least one. */
  readonly options: readonly string[];
  /** After this long the answer is `{ decision: null, by: 'timeout' }`. */
  readonly timeoutMs?: number;
}

export interface Answer {
  readonly decision: string | null;
  readonly note?: string;
  readonly by: ResolvedBy;
}

/** A few characters of text that is being written. Transient: the next `message` supersedes it. */
export interface TextDelta {
  readonly type: 'text';
  readonly text: string;
}
export interface ReasoningDelta {
  readonly type: 'reasoning';
  readonly text: string;
}
/** A finished message. Without `parts` it is made of what was streamed since the last one. */
export interface Message {
  readonly type: 'message';
  readonly parts?: readonly MessageContent[];
}
export type MessageContent =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'reasoning'; readonly text: string }
  | { readonly type: 'file'; readonly mediaType: string; readonly url: string; readonly name?: string };
export interface ToolCall {
  readonly type: 'tool-call';
  /** Unique within the run. A call that repeats the id of one that is still open fails the run with ENGINE_FAILED. */
  readonly call: string;
  readonly name: string;
  readonly input: JsonValue;
}
export interface ToolResult {
  readonly type: 'tool-result';
  readonly call: string;
  readonly output?: JsonValue;
  readonly error?: string;
  readonly truncated?: true;
}
/** Bounds of a step, numbered by the runtime within the run. */
export type Step =
  | { readonly type: 'step-start'; readonly model?: string }
  | { readonly type: 'step-finish'; readonly finish: string };
export interface Usage extends UsageData {
  readonly type: 'usage';
}
/**
 * What a later execution needs in order to go on, such as the id of a session that an agent keeps: the next one finds
 * it as `context.recorded`. It replaces what was recorded before, and is public, but no part of the conversation.
 */
export interface Recorded {
  readonly type: 'record';
  /** At most `recordedBytes` as JSON. */
  readonly value: JsonValue;
}
/** Something worth telling people; becomes `diagnostic.recorded`. The message is public. */
export interface Notice {
  readonly type: 'notice';
  readonly severity: Severity;
  readonly code: string;
  readonly message: string;
}
/**
 * The run was called off by somebody else whom the engine works for: it ends as cancelled, as if the runtime had
 * cancelled it. Nothing more is asked for. `reason` is public.
 */
export interface WithdrawnRun {
  readonly type: 'withdrawn';
  readonly reason?: string;
}
export type EngineOutput =
  | TextDelta
  | ReasoningDelta
  | Message
  | ToolCall
  | ToolResult
  | Step
  | Usage
  | Notice
  | Recorded
  | WithdrawnRun;

/** The simple case: an engine that is one function and keeps nothing between runs. */
export const engine = (
  name: string,
  run: (run: Run, worker: EngineContext) => AsyncIterable<EngineOutput | readonly EngineOutput[]>,
  capabilities: EngineCapabilities = { placement: 'backendInternal', requests: true },
): Engine => ({
  name,
  capabilities,
  attach: async (worker) => ({ run: (current) => run(current, worker), detach: async () => {} }),
});
