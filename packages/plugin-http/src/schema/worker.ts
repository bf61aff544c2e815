import type {
  BundleRef,
  CancelOutcome,
  Capabilities,
  Claim,
  InputReceipt,
  ListedWorker,
  LogGap,
  OpenRequest,
  RunError,
  RunWait,
  StopOutcome,
  WorkerDetail,
  WorkerRequest,
  WorkerSummary,
} from '@worker-runtime/core';
import type { ForkedFrom, WorkerWait } from '@worker-runtime/core/plugin-kit';
import { cursor } from './cursor.ts';
import {
  anyObject,
  arrayOf,
  boolean,
  constant,
  count,
  dateTime,
  described,
  enumOf,
  type JsonSchema,
  mapOf,
  nullable,
  nullableString,
  object,
  ref,
  type Schemas,
  string,
  union,
} from './json-schema.ts';
import { digest } from './request-bodies.ts';

const names = arrayOf(string);
const status = enumOf('idle', 'running', 'waiting', 'stopped');

type WaitFor<Kind extends WorkerWait['for']> = Extract<WorkerWait, { readonly for: Kind }>;

type Fields<T> = Readonly<Record<keyof T & string, JsonSchema>>;

const summary: Fields<WorkerSummary> = {
  runtimeId: string,
  workerId: string,
  displayRef: described(string, 'A short label for people, derived from `workerId`.'),
  displayName: nullableString,
  engine: string,
  labels: mapOf(string),
  parent: nullableString,
  status,
  health: enumOf('ok', 'damaged'),
  execution: object<WorkerSummary['execution']>({
    connected: boolean,
    generation: count,
    lastError: nullable(ref('RunError')),
  }),
  run: nullable(ref('ActiveRun')),
  queued: count,
  waits: arrayOf(ref('WorkerWait')),
  createdAt: dateTime,
  updatedAt: dateTime,
  lastSeq: count,
  asOf: cursor,
  stored: object<WorkerSummary['stored']>({ eventBytes: count, fileBytes: count }),
  archived: described(
    nullable(object<NonNullable<WorkerSummary['archived']>>({ firstSeq: count, cursor, archive: string })),
    'The events before `firstSeq` are in the file `archive` instead; null if all are there.',
  ),
};

const detail: Fields<WorkerDetail> = {
  ...summary,
  capabilities: ref('Capabilities'),
  tools: names,
  claims: arrayOf(object<Omit<Claim, 'resource'>>({ name: string, mode: enumOf('read', 'write') })),
  profile: nullableString,
  bundle: nullable(ref('BundleRef')),
  whenInterrupted: enumOf('stop', 'continue'),
  configDigest: string,
  forkedFrom: nullable(ref('ForkedFrom')),
};

/** The reasons why waiting for a run ends. */
const waitEnd = enumOf('finished', 'asks', 'timeout', 'stopping');

const receipt: Fields<Omit<InputReceipt, 'replayed'>> = {
  inputId: string,
  runId: string,
  seq: count,
  cursor: described(
    cursor,
    'The position just before the event `input.accepted`. A stream opened here delivers the whole run.',
  ),
  queued: boolean,
  run: described(
    nullable(ref('RunResult')),
    'The finished run; null unless `waited` is `finished`, and if the Worker was deleted in the meantime or its log could not be read.',
  ),
  waited: described(nullable(waitEnd), 'The reason why waiting ended; null without `Prefer: wait`.'),
};

export const openRequest: Fields<OpenRequest> = {
  requestId: string,
  runId: string,
  kind: enumOf('permission', 'question'),
  prompt: string,
  call: nullable(string),
  options: arrayOf(ref('RequestOption')),
  schema: nullable(described(anyObject, 'The JSON Schema of the value that may come with an answer.')),
  openedAt: dateTime,
  expiresAt: nullable(dateTime),
};

/** The schemas of Workers and of the responses to their commands. */
export const workerSchemas: Schemas = {
  WorkerSummary: object<WorkerSummary>(summary),
  ListedWorker: object<ListedWorker>(summary, {
    overview: described(ref('Overview'), 'Only with `include=overview`.'),
  }),
  ActiveRun: object<NonNullable<WorkerSummary['run']>>({
    runId: string,
    startedAt: dateTime,
    cursor: described(cursor, 'A stream opened here delivers the run from its start.'),
  }),
  WorkerWait: described(
    union('for', {
      answer: 'AnswerWait',
      tools: 'ToolsWait',
      engine: 'EngineWait',
      execution: 'ExecutionWait',
      run: 'RunEndWait',
    }),
    'What the work of a Worker waits for, and since when.',
  ),
  AnswerWait: described(
    object<WaitFor<'answer'>>({ for: constant('answer'), since: dateTime, requestId: string }),
    'It waits for the answer to a request.',
  ),
  ToolsWait: described(
    object<WaitFor<'tools'>>({ for: constant('tools'), since: dateTime, calls: names }),
    'It waits for the results of tool calls.',
  ),
  EngineWait: described(
    object<WaitFor<'engine'>>({ for: constant('engine'), since: dateTime }),
    'It waits for the next output of the engine, such as the answer of a model.',
  ),
  ExecutionWait: described(
    object<WaitFor<'execution'>>({
      for: constant('execution'),
      since: dateTime,
      error: nullable(ref('RunError')),
    }),
    'It waits for an engine to be attached; the error is the reason why the last attempt failed.',
  ),
  RunEndWait: described(
    object<WaitFor<'run'>>({ for: constant('run'), since: dateTime, runId: string, inputs: count }),
    'Queued inputs wait for the end of the active run.',
  ),
  ForkedFrom: described(
    object<ForkedFrom>({ workerId: string, seq: count, actor: nullableString }),
    'The Worker that it was forked from, the number of the last event that both have, and who forked it.',
  ),
  BundleRef: object<BundleRef>({ id: string, digest }),
  WorkerDetail: object<WorkerDetail>(detail),
  CreatedWorker: object<WorkerDetail & { readonly initialInput?: unknown }>(detail, {
    initialInput: described(ref('InputReceipt'), 'The receipt of `initialInput`, if there was one.'),
  }),
  Capabilities: object<Capabilities>({
    placement: object<Capabilities['placement']>({
      backendInternal: boolean,
      localProcess: boolean,
      remoteHost: boolean,
    }),
    access: object<Capabilities['access']>({
      filesystem: boolean,
      shell: boolean,
      git: boolean,
      worktree: boolean,
    }),
    tools: object<Capabilities['tools']>({ available: names }),
    files: object<Capabilities['files']>({
      accepted: described(names, 'The media types of the files that inputs may have, such as `image/*`.'),
    }),
    operations: object<Capabilities['operations']>({
      requests: boolean,
      resume: boolean,
      continue: boolean,
      fork: boolean,
    }),
  }),
  InputReceipt: object<Omit<InputReceipt, 'replayed'>>(receipt),
  RunWait: object<RunWait>({
    waited: described(
      waitEnd,
      'The reason why waiting ended: the run has `finished`, it `asks` for something, the time is over (`timeout`), or the runtime is `stopping`.',
    ),
    run: described(nullable(ref('RunResult')), 'The finished run; null unless `waited` is `finished`.'),
  }),
  CancelOutcome: object<CancelOutcome>({ changed: boolean, status }),
  StopOutcome: object<StopOutcome>({
    changed: boolean,
    status: constant('stopped'),
    outcome: enumOf('graceful', 'detached'),
  }),
  OpenRequest: object<OpenRequest>(openRequest),
  WorkerRequest: object<WorkerRequest>({ workerId: string, ...openRequest }),
  Responded: object<{ readonly changed: boolean }>({ changed: boolean }),
  RunError: object<RunError>({ code: string, message: string }),
  Gap: described(
    object<LogGap>({ afterSeq: count, beforeSeq: count, code: string }),
    'A part of a damaged log that reading had to skip.',
  ),
};
