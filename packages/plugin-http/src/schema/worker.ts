import type {
  BundleRef,
  CancelOutcome,
  Capabilities,
  Claim,
  InputReceipt,
  LogGap,
  OpenRequest,
  RunError,
  RunWait,
  StopOutcome,
  WorkerDetail,
  WorkerSummary,
} from '@worker-runtime/core';
import {
  count,
  described,
  flag,
  type JsonSchema,
  list,
  map,
  noText,
  object,
  oneOf,
  only,
  orNull,
  ref,
  type Schemas,
  text,
  time,
} from './json-schema.ts';

export const cursor = described(
  text,
  'An opaque position; the same one means the same in pages, streams and receipts.',
);
const names = list(text);
const status = oneOf('idle', 'running', 'waiting', 'stopped');

type Fields<T> = Readonly<Record<keyof T & string, JsonSchema>>;

const summary: Fields<WorkerSummary> = {
  runtimeId: text,
  workerId: text,
  displayRef: described(text, 'A short label for people, derived from the workerId.'),
  displayName: noText,
  engine: text,
  labels: map(text),
  parent: noText,
  status,
  health: oneOf('ok', 'damaged'),
  execution: object<WorkerSummary['execution']>({
    connected: flag,
    generation: count,
    lastError: orNull(ref('RunError')),
  }),
  run: orNull(object<NonNullable<WorkerSummary['run']>>({ runId: text, startedAt: time })),
  queued: count,
  createdAt: time,
  updatedAt: time,
  lastSeq: count,
  asOf: cursor,
};

const detail: Fields<WorkerDetail> = {
  ...summary,
  capabilities: ref('Capabilities'),
  tools: names,
  claims: list(object<Omit<Claim, 'resource'>>({ name: text, mode: oneOf('read', 'write') })),
  profile: noText,
  bundle: orNull(object<BundleRef>({ id: text, digest: text })),
  configDigest: text,
};

/** Why waiting for a run ended. */
const waitEnd = oneOf('finished', 'asks', 'timeout', 'stopping');

const receipt: Fields<Omit<InputReceipt, 'replayed'>> = {
  inputId: text,
  runId: text,
  seq: count,
  cursor: described(cursor, 'Just before its `input.accepted`: a stream from here shows the whole run.'),
  queued: flag,
  run: described(orNull(ref('RunResult')), 'The finished run; null unless `waited` is `finished`.'),
  waited: described(orNull(waitEnd), 'Why waiting ended; null without `Prefer: wait`.'),
};

/** A Worker as it is seen, and what commands to it answer. */
export const workerSchemas: Schemas = {
  WorkerSummary: object<WorkerSummary>(summary),
  WorkerDetail: object<WorkerDetail>(detail),
  CreatedWorker: object<WorkerDetail & { readonly initialInput?: unknown }>(detail, {
    initialInput: described(ref('InputReceipt'), 'Where its first run can be followed from, if it has one.'),
  }),
  Capabilities: object<Capabilities>({
    placement: object<Capabilities['placement']>({
      backendInternal: flag,
      localProcess: flag,
      remoteHost: flag,
    }),
    access: object<Capabilities['access']>({ filesystem: flag, shell: flag, git: flag, worktree: flag }),
    tools: object<Capabilities['tools']>({ available: names }),
    operations: object<Capabilities['operations']>({ requests: flag, resume: flag }),
  }),
  InputReceipt: object<Omit<InputReceipt, 'replayed'>>(receipt),
  RunWait: object<RunWait>({
    waited: described(
      waitEnd,
      'Why waiting ended: the run has `finished`, it `asks` for something, the time is over (`timeout`), or the runtime is `stopping`.',
    ),
    run: described(orNull(ref('RunResult')), 'The finished run; null unless `waited` is `finished`.'),
  }),
  CancelOutcome: object<CancelOutcome>({ changed: flag, status }),
  StopOutcome: object<StopOutcome>({
    changed: flag,
    status: only('stopped'),
    outcome: oneOf('graceful', 'detached'),
  }),
  OpenRequest: object<OpenRequest>({
    requestId: text,
    runId: text,
    kind: oneOf('permission', 'question'),
    prompt: text,
    call: orNull(text),
    options: names,
    openedAt: time,
    expiresAt: orNull(time),
  }),
  Responded: object<{ readonly changed: boolean }>({ changed: flag }),
  RunError: object<RunError>({ code: text, message: text }),
  Gap: described(
    object<LogGap>({ afterSeq: count, beforeSeq: count, code: text }),
    'Where a damaged log had to be skipped.',
  ),
};
