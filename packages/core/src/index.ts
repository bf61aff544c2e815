export { canonicalJson } from './canonical-json.ts';
export { bundleDigest } from './commands/bundles.ts';
export type { Capabilities, EngineCapabilities } from './contracts/capabilities.ts';
export type { Claim, ClaimMode } from './contracts/claim.ts';
export { type Clock, systemClock } from './contracts/clock.ts';
export type { Cursor } from './contracts/cursor.ts';
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
} from './contracts/engine.ts';
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
} from './contracts/event.ts';
export type {
  AsyncTaps,
  Command,
  Committed,
  Drain,
  PluginHooks,
  SyncTaps,
  WorkerFacts,
  WorkerSpec,
} from './contracts/hooks.ts';
export type { JsonObject, JsonValue } from './contracts/json.ts';
export { DEFAULT_LIMITS, type Limits } from './contracts/limits.ts';
export { type Logger, silentLogger } from './contracts/logger.ts';
export type { ModelUsage, Overview, UsageTotals } from './contracts/overview.ts';
export { PLUGIN_API, type PluginHost, type RuntimePlugin } from './contracts/plugin.ts';
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
  RunWait,
  StopOutcome,
  TranscriptQuery,
  UpdateWorker,
  WaitEnd,
  WaitOptions,
  WatchItem,
  WatchOptions,
  WorkerDetail,
  WorkerHealth,
  WorkerInput,
  WorkerStatus,
  WorkerSummary,
} from './contracts/runtime-api.ts';
export {
  ERROR_CODES,
  type ErrorCode,
  type ErrorDetails,
  RuntimeError,
  type RuntimeErrorOptions,
} from './contracts/runtime-error.ts';
export type { ServedRuntime } from './contracts/served-runtime.ts';
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
} from './contracts/store.ts';
export type { EventsChunk, RawPage, StreamChunk, WatchStream, WorkerStream } from './contracts/stream.ts';
export type { ToolPart, TranscriptItem } from './contracts/transcript.ts';
export { type IdPrefix, mintId, WORKER_ID_PATTERN } from './id.ts';
export { memoryStore } from './memory-store/memory-store.ts';
export { AllowedRoots, claimedPath, directories, isPathInside } from './plugin-kit/allowed-roots.ts';
export { boundedOutput, boundedText } from './plugin-kit/bounded-output.ts';
export {
  type ChildEnvironment,
  type ChildVariables,
  childEnvironment,
  environmentFiles,
} from './plugin-kit/child-environment.ts';
export {
  list,
  type OptionReader,
  oneOf,
  optional,
  readOptions,
  text,
  wholeNumber,
} from './plugin-kit/options.ts';
export { RedactedOutputs } from './plugin-kit/redacted-outputs.ts';
export { Redactor } from './plugin-kit/redactor.ts';
export { Runtime, type RuntimeOptions, type StopOptions } from './runtime/runtime.ts';
export { version } from './version.ts';
