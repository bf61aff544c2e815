import type { EngineCapabilities } from './capabilities.ts';
import type { Claim } from './claim.ts';
import type {
  InputPart,
  InputRole,
  OptionKind,
  RequestKind,
  ResolvedBy,
  Severity,
  ToolCallDetails,
  UsageData,
} from './event.ts';
import type { FileContent, FileDescription, FilePart } from './file.ts';
import type { JsonObject, JsonValue } from './json.ts';
import type { Logger } from './logger.ts';
import type { TranscriptItem } from './transcript.ts';
import type { CreateWorker } from './worker.ts';

/**
 * Executes the runs of Workers. An engine keeps no state that the log does not have: after a restart it is attached
 * again and reads the conversation from `history()`. `engine()` makes one from a function; `testEngine` of
 * `@worker-runtime/core/testing` is this contract as tests.
 */
export interface Engine {
  /** Unique in a runtime. A creation refers to it as `engine`. */
  readonly name: string;
  /** The current abilities of the engine. May be a getter. */
  readonly capabilities: EngineCapabilities;
  /**
   * A JSON Schema of the config, for people who fill in a form and for programs that write one. It is public, and describes no
   * secret. `checkConfig` decides; a schema may describe less than it checks.
   */
  readonly configSchema?: JsonObject;
  /**
   * Checks the config of a creation before anything is written.
   * @throws CONFIG_UNSUPPORTED a setting is not supported
   */
  checkConfig?(config: JsonObject): void;
  /**
   * Connects one execution of a Worker. If it throws, takes longer than the limit `attachTimeoutMs`, or returns
   * something else than a session, the command that needed the execution fails. For queued inputs the runtime retries with a backoff of up to one minute.
   */
  attach(context: EngineContext): Promise<EngineSession>;
  /**
   * Removes everything that the engine keeps outside of the log for a Worker that was deleted or failed to be
   * created.
   */
  forget?(workerId: string): Promise<void>;
}

/**
 * The view that one execution has of its Worker. After the execution was detached, `history`, `beginRun`,
 * `createChild`, `putFile` and `getFile` fail with EXECUTION_LOST.
 */
export interface EngineContext {
  readonly runtimeId: string;
  readonly workerId: string;
  /** The number of the execution: 1 for the first of a Worker, one more for each later one. */
  readonly generation: number;
  /** The config of the Worker, as resolved at its creation. Private: do not put it into outputs. */
  readonly config: JsonObject;
  /** The labels that the Worker has now. */
  readonly labels: Readonly<Record<string, string>>;
  /** The names of the tools that the Worker was granted. */
  readonly tools: readonly string[];
  /** The resources that the Worker claims. The resources are private, unlike their names. */
  readonly claims: readonly Claim[];
  /** Aborted when the execution has to end. If it has not ended at the deadline, it is detached. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** The value that an execution of this Worker recorded last (see `Recorded`), or null. */
  readonly recorded: JsonValue;
  /**
   * Reads the conversation so far, oldest first, page by page: from its beginning, or from the run that yielded
   * `HistoryStart` last. The items have the opaque data of the engine, which transcripts do not show, and there are none for
   * the ends of runs.
   * @throws EXECUTION_LOST
   */
  history(): AsyncIterable<TranscriptItem>;
  /**
   * Stores a file of the Worker, such as an image that a model or a tool made. An output then refers to it by the part that
   * is returned. The same bytes are stored once.
   * @throws INVALID_REQUEST no bytes, or a media type or name that is not valid · PAYLOAD_TOO_LARGE · LIMIT_REACHED ·
   * EXECUTION_LOST · as a commit: STORE_FULL · STORE_UNAVAILABLE
   */
  putFile(bytes: Uint8Array, description: FileDescription): Promise<FilePart>;
  /** Reads a file of the Worker. @throws FILE_NOT_FOUND · STORE_CORRUPT · STORE_UNAVAILABLE · EXECUTION_LOST */
  getFile(digest: string): Promise<FileContent>;
  /**
   * Begins a run on the engine's own initiative. On return `run.started` is committed; the runtime then calls
   * `session.run` for it.
   * @throws TypeError the input is invalid · WORKER_BUSY a run is active or queued · EXECUTION_LOST · as a commit: STORE_FULL · STORE_UNAVAILABLE
   */
  beginRun(input?: RunInput): Promise<void>;
  /**
   * Reports that the execution ended by itself, for example because its process died. Its run fails with
   * EXECUTION_LOST, and the next input attaches a new execution. `error` goes to the operator's log.
   */
  lost(error: unknown): void;
  /**
   * Creates a Worker whose parent is this one. The child may claim parts of what this Worker claims.
   * @throws EXECUTION_LOST · as `createWorker`
   */
  createChild(spec: CreateWorker): Promise<{ readonly workerId: string }>;
}

/**
 * The reason for which an execution ends: its Worker is stopped or deleted, the runtime stops, it ignored a deadline,
 * it was lost, or the command that attached it failed.
 */
export type DetachReason = 'stop' | 'delete' | 'shutdown' | 'deadline' | 'lost' | 'creation';

/** The outputs of one run: those that it yields, one by one or in arrays, and those that it returns at its end. */
export type EngineOutputs = AsyncIterable<
  EngineOutput | readonly EngineOutput[],
  // biome-ignore lint/suspicious/noConfusingVoidType: the type of a generator that returns nothing
  EngineOutput | readonly EngineOutput[] | void
>;

/** One attached execution, as the engine implements it. */
export interface EngineSession {
  /**
   * The media types that this session takes, if they are fewer than those of the engine: a model may see no images. Read for
   * each input, so that it may be a getter.
   */
  readonly files?: readonly string[];
  /**
   * Executes one run. The runtime pulls: it asks for the next output after it has committed the one before. The
   * durable outputs of an array are committed together if no delta stands between them. The run ends as `completed`
   * when the generator returns, as `cancelled` after the output `withdrawn`, and as `failed` when it throws: with the
   * code and message of a `RuntimeError`, which are public, or with ENGINE_FAILED for any other error, whose message
   * only the operator's log has.
   *
   * A generator may *return* its last outputs instead of yielding them. They are recorded in the same way, but in one
   * commit with the end of the run, which is faster. A generator that wraps another one has to pass them on.
   *
   * Each output is checked. An invalid one, such as a number of tokens that is negative or NaN, fails the run with
   * ENGINE_FAILED; nothing of it or of its array is recorded, and a diagnostic names the field. Public messages,
   * reasons and names are shortened to 4 KiB. Members that are not listed here are ignored.
   */
  run(run: Run): EngineOutputs;
  /**
   * Releases everything that the session holds. Called once, also while a run still hangs. The runtime waits for it no
   * longer than the deadline of the stop or shutdown.
   */
  detach(reason: DetachReason): Promise<void>;
}

/** The input of a run. */
export interface RunInput {
  readonly role: InputRole;
  /** `getFile` of the context returns the bytes of a file. */
  readonly parts: readonly InputPart[];
  readonly metadata?: JsonObject;
}

/** Returns the text of an input, without its files. An input that is null has none. */
export const inputText = (input: Pick<RunInput, 'parts'> | null, separator = ''): string =>
  input?.parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join(separator) ?? '';

/** One run, as its engine sees it. */
export interface Run {
  readonly runId: string;
  /** Null for a run that the engine began without an input. */
  readonly input: RunInput | null;
  /**
   * 1, and one more for each execution that continues the run after an interruption. A continued run begins with what
   * `history()` has of it. Text that no message had completed is lost.
   */
  readonly attempt: number;
  /** The calls of a continued run that have no result yet. Yield a result for each. Empty in the first attempt. */
  readonly openCalls: readonly OpenCall[];
  /**
   * Aborted by a cancel, a stop, the run's deadline and a shutdown. Then yield what is worth keeping, and return or
   * throw.
   */
  readonly signal: AbortSignal;
  /**
   * Opens a request and resolves with its answer. Until then the Worker is `waiting`. A request that ends without an
   * answer also resolves, with `decision: null` and the reason in `by`. A rejection that is not awaited has no effect. In a
   * continued run, a question about a call whose request is still open, or was answered in the meantime, waits for that request
   * instead of opening another one.
   * @throws TypeError the question is invalid · OPERATION_UNSUPPORTED the capabilities of the engine do not declare
   * `requests` · LIMIT_REACHED · EXECUTION_LOST · as a commit: STORE_FULL · STORE_UNAVAILABLE
   */
  ask(question: Question): Promise<Answer>;
}

/** A tool call without a result, in a run that was interrupted. */
export interface OpenCall {
  readonly call: string;
  /**
   * The request about the call. `open`: a permission waits for its answer, or was answered while no execution was attached. The
   * call was not made; ask again. `answered`: the execution that was interrupted had the answer, or asked a question during the
   * call, and may have made the call. `none`: none was opened; the call was not made if the engine always asks before it.
   */
  readonly request: 'open' | 'answered' | 'none';
}

/** A request of a run to a person. */
export interface Question {
  readonly kind: RequestKind;
  readonly prompt: string;
  /**
   * The id of the tool call that the request is about, so that a client can show the two together. A permission precedes the
   * call, and a question comes during it. The result of the call ends the requests about it.
   */
  readonly call?: string;
  /**
   * The answers that are allowed, at least one. A string is the id and the label of an option. `kind` tells clients which
   * options are consent: without it they can only show the labels.
   */
  readonly options: readonly (
    | string
    | { readonly id: string; readonly label?: string; readonly kind?: OptionKind }
  )[];
  /**
   * The JSON Schema of a value that comes with the answer, such as `{ "type": "string" }` for free text. Clients make a form of
   * it. Answers without a value stay possible, for example to refuse.
   */
  readonly schema?: JsonObject;
  /** Returns the fault of a value that comes with an answer, or null. A faulty one is refused with INVALID_REQUEST. */
  readonly checkValue?: (value: JsonValue) => string | null;
  /** The time in milliseconds after which the answer is `{ decision: null, by: 'timeout' }`. Default: no limit. */
  readonly timeoutMs?: number;
  /** Ends the request without an answer when it fires, because an answer is no longer of use. */
  readonly signal?: AbortSignal;
}

/** The end of a request. */
export interface Answer {
  /** The id of one of the options, or null if the request ended without an answer. */
  readonly decision: string | null;
  /** The value that came with the answer, if the question has a schema. */
  readonly value?: JsonValue;
  /** A remark of the person who answered. */
  readonly note?: string;
  /** `client` for an answer, otherwise the reason for the end without one. */
  readonly by: ResolvedBy;
}

/** The next characters of the answer. Not stored: the next `message` replaces them. */
export interface TextDelta {
  readonly type: 'text';
  readonly text: string;
}
/** The next characters of the model's reasoning. Not stored: the next `message` replaces them. */
export interface ReasoningDelta {
  readonly type: 'reasoning';
  readonly text: string;
}
/**
 * A finished message. Without `parts` it consists of the text and reasoning that was streamed since the last message.
 */
export interface Message {
  readonly type: 'message';
  readonly parts?: readonly MessageContent[];
}
/**
 * A part of a message, before the runtime gives it an id. `opaque` is data that the engine needs back unchanged, such as a
 * provider's signature: `history` returns it, and transcripts do not show it.
 */
export type MessageContent =
  | { readonly type: 'text'; readonly text: string; readonly opaque?: JsonValue }
  | { readonly type: 'reasoning'; readonly text: string; readonly opaque?: JsonValue }
  | (FilePart & { readonly opaque?: JsonValue });
/** A tool call that the engine makes. */
export interface ToolCall extends ToolCallDetails {
  readonly type: 'tool-call';
  /**
   * Unique within the run, at most 16,384 characters. A call that repeats the id of one that is still open fails the
   * run with ENGINE_FAILED.
   */
  readonly call: string;
  readonly name: string;
  readonly input: JsonValue;
  /** Data that the engine needs back unchanged. `history` returns it, and transcripts do not show it. */
  readonly opaque?: JsonValue;
}
/** The result of a tool call. Calls that have none when their run ends receive an error as their result. */
export interface ToolResult {
  readonly type: 'tool-result';
  readonly call: string;
  readonly output?: JsonValue;
  readonly error?: string;
  /** The files of the result, as `putFile` of the context returned them. */
  readonly files?: readonly FilePart[];
  /** Set if `output` was shortened, for example by `boundedOutput`. */
  readonly truncated?: true;
  /** Set if the call was not made, because permission was refused or not given. `error` says so to the model. */
  readonly denied?: true;
}
/** The start or the end of a step, such as one request to a model. The runtime numbers the steps of a run. */
export type Step =
  | { readonly type: 'step-start'; readonly model?: string }
  | { readonly type: 'step-finish'; readonly finish: string };
/** Tokens that were used, usually by one step: whole numbers that are not negative. */
export interface Usage extends UsageData {
  readonly type: 'usage';
}
/**
 * A value for later executions, such as the id of a session that an agent keeps. They find it as `context.recorded`. It
 * replaces the value that was recorded before. It is public, but not part of the conversation.
 */
export interface Recorded {
  readonly type: 'record';
  /** As JSON, at most `limits.recordedBytes` bytes; otherwise the run fails with OUTPUT_TOO_LARGE. */
  readonly value: JsonValue;
}
/**
 * Lets `history()` begin with the input of this run from now on, for an engine that has summarized what came before. The
 * cost of later readings does not depend on it any more. Yield it together with the output that has the summary.
 */
export interface HistoryStart {
  readonly type: 'history-start';
}
/** A remark for people, recorded as `diagnostic.recorded`. The message is public. */
export interface Notice {
  readonly type: 'notice';
  readonly severity: Severity;
  readonly code: string;
  readonly message: string;
}
/**
 * Ends the run as cancelled, for an engine whose run was cancelled outside of the runtime, for example by another
 * client of the agent. The runtime asks for no further outputs. `reason` is public.
 */
export interface WithdrawnRun {
  readonly type: 'withdrawn';
  readonly reason?: string;
}
/** Everything that a run may yield. */
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
  | HistoryStart
  | WithdrawnRun;

/**
 * Makes an engine from a function that executes one run and keeps nothing between runs.
 *
 * Without `capabilities` the engine runs in the process of the runtime and may open requests (`run.ask`). Other
 * capabilities replace these: pass `requests: true` with them if runs call `run.ask`.
 * @example
 * const parrot = engine('parrot', async function* (run) {
 *   yield { type: 'text', text: inputText(run.input) };
 *   return { type: 'message' };
 * });
 */
export const engine = (
  name: string,
  run: (run: Run, worker: EngineContext) => EngineOutputs,
  capabilities: EngineCapabilities = { placement: 'backendInternal', requests: true, forks: true },
): Engine => ({
  name,
  capabilities,
  attach: async (worker) => ({ run: (current) => run(current, worker), detach: async () => {} }),
});
