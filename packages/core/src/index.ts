export { boundedOutput, boundedText } from './bounded-output.ts';
export { canonicalJson } from './canonical-json.ts';
export type { Capabilities, EngineCapabilities } from './capabilities.ts';
export { type Clock, systemClock } from './clock.ts';
export { bundleDigest } from './commands/bundles.ts';
export {
  type Answer,
  type CalledOff,
  type DetachReason,
  type Engine,
  type EngineContext,
  type EngineOutput,
  type EngineSession,
  engine,
  type Message,
  type MessageContent,
  type Notice,
  type Question,
  type ReasoningDelta,
  type Recorded,
  type Run,
  type RunInput,
  type Step,
  type TextDelta,
  type ToolCall,
  type ToolResult,
  type Usage,
} from './engine.ts';
export type { AsyncTaps, Command, Committed, Drain, PluginHooks, SyncTaps, WorkerSpec } from './hooks.ts';
export { type IdPrefix, mintId, WORKER_ID_PATTERN } from './id.ts';
export type { JsonObject, JsonValue } from './json.ts';
export { DEFAULT_LIMITS, type Limits } from './limits.ts';
export { type Logger, silentLogger } from './logger.ts';
export { memoryStore } from './memory-store/memory-store.ts';
export type { Cursor } from './observation/cursor.ts';
export type { RawPage } from './observation/pages.ts';
export type { WatchStream } from './observation/watch-stream.ts';
export type { EventsChunk, StreamChunk, WorkerStream } from './observation/worker-stream.ts';
export { PLUGIN_API, type PluginHost, type RuntimePlugin } from './plugin.ts';
export {
  list,
  type OptionReader,
  oneOf,
  optional,
  readOptions,
  text,
  wholeNumber,
} from './plugin-options.ts';
export { RedactedOutputs } from './redacted-outputs.ts';
export { Redactor } from './redactor.ts';
export { Runtime, type RuntimeOptions, type StopOptions } from './runtime.ts';
export type {
  BundleInfo,
  CancelOutcome,
  CreateReceipt,
  CreateWorker,
  Delta,
  Diagnostic,
  IdempotencyOptions,
  InFlightMessage,
  InputReceipt,
  ListWorkers,
  Observation,
  ObserveOptions,
  OpenRequest,
  Page,
  PageQuery,
  RunResult,
  RuntimeApi,
  RuntimeStatus,
  RuntimeSummary,
  StopOutcome,
  TranscriptQuery,
  UpdateWorker,
  WatchItem,
  WatchOptions,
  WorkerDetail,
  WorkerHealth,
  WorkerInput,
  WorkerStatus,
  WorkerSummary,
} from './runtime-api.ts';
export {
  ERROR_CODES,
  type ErrorCode,
  type ErrorDetails,
  RuntimeError,
  type RuntimeErrorOptions,
} from './runtime-error.ts';
export type {
  Batch,
  KeyEntry,
  LinePosition,
  LogGap,
  LogHead,
  LogSlice,
  NewLog,
  OpenedStore,
  ReadLimits,
  RuntimeStore,
  Snapshot,
  StoredBundle,
  StoredLog,
  StoreFinding,
  StoreHost,
} from './store.ts';
export { version } from './version.ts';
export type { Claim, ClaimMode } from './worker/claims.ts';
export type {
  BundleRef,
  DetachCause,
  EventData,
  EventKey,
  EventType,
  InputRole,
  MessagePart,
  RequestKind,
  ResolvedBy,
  RunError,
  RunOutcome,
  Severity,
  StopResult,
  TextPart,
  UsageData,
  WorkerEvent,
} from './worker/event.ts';
export type { ModelUsage, Overview, UsageTotals } from './worker/overview.ts';
export type { ToolPart, TranscriptItem } from './worker/transcript.ts';
