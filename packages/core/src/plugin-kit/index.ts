/*
 * For authors of plugins: stores, transports and engines. Programs that embed a runtime or call one need only
 * `@worker-runtime/core`.
 */

export { canonicalJson } from '../canonical-json.ts';
export type { Across, RegistryApi, Unavailable } from '../contracts/across.ts';
// outputs of engines, one by one; `EngineOutput` is their union
export type {
  DetachReason,
  EngineOutputs,
  HistoryStart,
  Message,
  MessageContent,
  Notice,
  OpenCall,
  ReasoningDelta,
  Recorded,
  Step,
  TextDelta,
  Usage,
  WithdrawnRun,
} from '../contracts/engine.ts';
export type {
  DetachCause,
  EventKey,
  ForkOrigin,
  InputPart,
  InputRole,
  OptionKind,
  ResolvedBy,
  Severity,
  StopResult,
  ToolCallDetails,
  ToolKind,
} from '../contracts/event.ts';
export {
  FILE_NAME_PATTERN,
  type FileContent,
  type FileDescription,
  type FileReference,
  fileNameOf,
  includesMediaType,
  MEDIA_TYPE_PATTERN,
} from '../contracts/file.ts';
export type { AsyncTaps, SyncTaps } from '../contracts/hooks.ts';
export type { HostCard, Membership, SeenHost, SeenRuntime, Sight } from '../contracts/membership.ts';
export type { Metric } from '../contracts/metric.ts';
export type { ModelUsage } from '../contracts/overview.ts';
export type { RuntimeEntry, RuntimeState } from '../contracts/runtime-entry.ts';
export {
  invalidRequest,
  limitReached,
  limitTooLarge,
  outputTooLarge,
  payloadTooLarge,
  type RequestIssue,
} from '../contracts/runtime-error.ts';
// the contract of transports
export type { CallOptions, ServedRuntime } from '../contracts/served-runtime.ts';
// the contract of stores
export type {
  Batch,
  KeyEntry,
  LinePosition,
  LogHead,
  LogSlice,
  NewLog,
  OpenedStore,
  ReadLimits,
  Snapshot,
  StoredBundle,
  StoredLog,
  StoreFinding,
  StoreHost,
} from '../contracts/store.ts';
export type {
  EventsChunk,
  LineFrame,
  RawPage,
  StreamChunk,
  WatchStream,
  WorkerStream,
} from '../contracts/stream.ts';
export type { RunEndPart } from '../contracts/transcript.ts';
export type { ForkedFrom, ForkWorker, WorkerWait } from '../contracts/worker.ts';
export { type IdPrefix, mintId, WORKER_ID_PATTERN } from '../id.ts';
export { ReusedMemory } from '../reused-memory.ts';
export { abortAfter } from './abort-after.ts';
export { AllowedRoots, claimedPath, directories, isPathInside } from './allowed-roots.ts';
export { answerRequest } from './answer-request.ts';
export { boundedOutput, boundedText } from './bounded-output.ts';
export {
  type ChildEnvironment,
  type ChildVariables,
  childEnvironment,
  environmentFiles,
} from './child-environment.ts';
export { descriptorLimit } from './descriptor-limit.ts';
export { encodedForms } from './encoded-forms.ts';
export type { FacadePlace, FacadePlugin, Serving } from './facade-plugin.ts';
export { decodedName, jsonBody, problemAnswer, refuse, routeIn } from './fetch-answer.ts';
export { BYTES_TYPE, FILES_AT_ONCE, fileHeaders, SHOWN_TYPES } from './file-answer.ts';
export { STATUS_OF } from './http-status.ts';
export { LeftoverProcesses, type OwnedPrograms } from './leftover-processes.ts';
export { type LogEnd, readLogEnd } from './log-end.ts';
export {
  fileInBlock,
  fileText,
  keepFile,
  type MadeFile,
  mediaTypeOf,
  TEXT_MEDIA_TYPES,
} from './made-file.ts';
export { type ObserveOrQuiet, observeOrQuiet } from './observe-or-quiet.ts';
export {
  list,
  type OptionReader,
  object,
  oneOf,
  optional,
  readOptions,
  text,
  wholeNumber,
} from './options.ts';
export { orQuiet } from './or-quiet.ts';
export { ownValue } from './own-value.ts';
export { type Protection, readOwnedFile } from './owned-file.ts';
export { priceList } from './price-list.ts';
export { allowOf, methodNotAllowed, PROBLEM_TYPE, type Problem, problemOf } from './problem.ts';
export { ProcessGroup, type Program } from './process-group.ts';
export { Reads } from './reads.ts';
export { RedactedOutputs } from './redacted-outputs.ts';
export { Redactor } from './redactor.ts';
export { SecretFile } from './secret-file.ts';
export {
  anything,
  assertShape,
  choiceOf,
  isObject,
  issuesOf,
  jsonObject,
  listOf,
  nullOr,
  objectOf,
  recordOf,
  type Shape,
  stringOf,
  wholeNumberFrom,
} from './shape.ts';
export { Shares } from './shares.ts';
export { QUIET_FRAME, type SseAnswer, sseAnswer } from './sse-answer.ts';
export { StateWriter, type StateWriterOptions } from './state-writer.ts';
export { WatchedFile } from './watched-file.ts';
