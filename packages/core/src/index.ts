export { bundleDigest } from './commands/bundles.ts';
export type { Capabilities, EngineCapabilities } from './contracts/capabilities.ts';
export type { Claim, ClaimMode } from './contracts/claim.ts';
export { type Clock, systemClock } from './contracts/clock.ts';
export type { Cursor } from './contracts/cursor.ts';
export {
  type Answer,
  type Engine,
  type EngineContext,
  type EngineOutput,
  type EngineSession,
  engine,
  inputText,
  type Question,
  type Run,
  type RunInput,
  type ToolCall,
  type ToolResult,
} from './contracts/engine.ts';
export type {
  BundleRef,
  EventData,
  EventType,
  MessagePart,
  RequestKind,
  RequestOption,
  RunError,
  RunOutcome,
  TextPart,
  UsageData,
  WorkerEvent,
} from './contracts/event.ts';
export type { FilePart } from './contracts/file.ts';
export type { Command, Committed, Drain, PluginHooks, WorkerFacts, WorkerSpec } from './contracts/hooks.ts';
export type { JsonObject, JsonValue } from './contracts/json.ts';
export { DEFAULT_LIMITS, type Limits } from './contracts/limits.ts';
export { type Logger, silentLogger } from './contracts/logger.ts';
export type {
  Delta,
  InFlightMessage,
  Observation,
  ObserveOptions,
  WatchItem,
  WatchOptions,
} from './contracts/observation.ts';
export type { OpenRequest, RequestResponse, WorkerRequest } from './contracts/open-request.ts';
export type { Overview, UsageTotals } from './contracts/overview.ts';
export type { EventQuery, Page, PageQuery, TranscriptQuery } from './contracts/page.ts';
export { PLUGIN_API, type PluginHost, type RuntimePlugin } from './contracts/plugin.ts';
export type {
  CancelOutcome,
  InputReceipt,
  RunInfo,
  RunResult,
  RunWait,
  WaitEnd,
  WaitOptions,
} from './contracts/run.ts';
export type { CreateReceipt, IdempotencyOptions, RuntimeApi, StopOutcome } from './contracts/runtime-api.ts';
export {
  ERROR_CODES,
  type ErrorCode,
  type ErrorDetails,
  RuntimeError,
  type RuntimeErrorOptions,
} from './contracts/runtime-error.ts';
export type { BundleInfo, Diagnostic, RuntimeStatus, RuntimeSummary } from './contracts/runtime-summary.ts';
export type { LogGap, RuntimeStore } from './contracts/store.ts';
export type { ToolPart, TranscriptItem } from './contracts/transcript.ts';
export type {
  CreateWorker,
  ListedWorker,
  ListWorkers,
  UpdateWorker,
  WorkerDetail,
  WorkerHealth,
  WorkerInput,
  WorkerStatus,
  WorkerSummary,
} from './contracts/worker.ts';
export { memoryStore } from './memory-store/memory-store.ts';
export { Runtime, type RuntimeOptions, type StopOptions } from './runtime/runtime.ts';
export { version } from './version.ts';
