import type { ErrorCode } from '@worker-runtime/core';
import type { Operation } from './operation.ts';

const COMMIT_ERRORS: readonly ErrorCode[] = ['STORE_UNAVAILABLE', 'STORE_FULL'];
const KEY_ERRORS: readonly ErrorCode[] = ['IDEMPOTENCY_MISMATCH', 'IDEMPOTENCY_IN_FLIGHT'];
const CURSOR_ERRORS: readonly ErrorCode[] = ['CURSOR_INVALID', 'CURSOR_FOREIGN', 'LIMIT_TOO_LARGE'];
const WORKER_ERRORS: readonly ErrorCode[] = ['RUNTIME_NOT_FOUND', 'WORKER_NOT_FOUND'];

const runtimeOperations: Readonly<Record<string, Operation>> = {
  'GET /v1/runtimes': {
    id: 'listRuntimes',
    summary: 'Lists the served runtimes',
    answers: { 200: { page: 'RuntimeSummary' } },
    errors: ['CURSOR_INVALID'],
  },
  'GET /v1/runtimes/:r': {
    id: 'getRuntime',
    summary: 'Returns the runtime: status, capabilities, limits and counts',
    answers: { 200: { json: 'RuntimeSummary' } },
    errors: ['RUNTIME_NOT_FOUND'],
  },
  'GET /v1/runtimes/:r/diagnostics': {
    id: 'listDiagnostics',
    summary: 'Lists the diagnostics, newest first',
    answers: { 200: { page: 'Diagnostic' } },
    errors: ['RUNTIME_NOT_FOUND', ...CURSOR_ERRORS, 'CURSOR_EXPIRED'],
  },
  'GET /v1/runtimes/:r/watch': {
    id: 'watch',
    summary: 'Streams all Workers: their current state, then every change',
    description:
      'If the position is from before a restart, the stream begins with `reset`. A transient error is answered with 200 and a stream that closes with the error code.',
    headers: ['Last-Event-ID'],
    answers: {
      200: {
        events: {
          worker: 'WorkerSummary',
          'worker-removed': 'RemovedWorker',
          synced: 'Position',
          bookmark: 'Position',
          reset: 'Nothing',
          closing: 'Closing',
        },
        lines: 'WatchLine',
        headers: ['Runtime-Id'],
      },
    },
    errors: ['RUNTIME_NOT_FOUND', 'CURSOR_INVALID'],
  },
  'PUT /v1/runtimes/:r/bundles/:digest': {
    id: 'putBundle',
    summary: 'Stores a config bundle under the digest of its canonical JSON (RFC 8785)',
    request: { schema: 'Bundle', isRequired: true },
    answers: { 200: { json: 'BundleInfo' } },
    errors: [
      'RUNTIME_NOT_FOUND',
      'BUNDLE_DIGEST_MISMATCH',
      'CONFIG_UNSUPPORTED',
      'LIMIT_REACHED',
      ...COMMIT_ERRORS,
    ],
  },
  'GET /v1/runtimes/:r/bundles/:digest': {
    id: 'getBundle',
    summary: 'Returns a config bundle',
    answers: { 200: { json: 'Bundle' } },
    errors: ['RUNTIME_NOT_FOUND', 'BUNDLE_NOT_FOUND', 'STORE_CORRUPT'],
  },
  'GET /v1/runtimes/:r/x/:name': {
    id: 'getExtra',
    summary: 'Returns a resource of a plugin',
    description: 'The names and the responses are documented by each plugin.',
    answers: { 200: { json: 'Extra' } },
    errors: ['RUNTIME_NOT_FOUND', 'ROUTE_NOT_FOUND'],
  },
  'GET /v1/runtimes/:r/bundles': {
    id: 'listBundles',
    summary: 'Lists the digests of the config bundles',
    answers: { 200: { page: 'BundleDigest' } },
    errors: ['RUNTIME_NOT_FOUND', ...CURSOR_ERRORS],
  },
};

const workerOperations: Readonly<Record<string, Operation>> = {
  'POST /v1/runtimes/:r/workers': {
    id: 'createWorker',
    summary: 'Creates a Worker, or nothing if the request fails',
    headers: ['Idempotency-Key'],
    request: { schema: 'CreateWorker', isRequired: true },
    answers: { 201: { json: 'CreatedWorker', headers: ['Location', 'Idempotent-Replayed'] } },
    errors: [
      'RUNTIME_NOT_FOUND',
      'WORKER_EXISTS',
      'ENGINE_UNKNOWN',
      'ENGINE_UNAVAILABLE',
      'CONFIG_UNSUPPORTED',
      'PROFILE_INVALID',
      'BUNDLE_NOT_FOUND',
      'BUNDLE_DIGEST_MISMATCH',
      'TOOL_UNKNOWN',
      'CLAIM_CONFLICT',
      'LIMIT_REACHED',
      ...KEY_ERRORS,
      ...COMMIT_ERRORS,
    ],
  },
  'GET /v1/runtimes/:r/workers': {
    id: 'listWorkers',
    summary: 'Lists the Workers in order of creation',
    answers: { 200: { page: 'WorkerSummary' } },
    errors: ['RUNTIME_NOT_FOUND', ...CURSOR_ERRORS],
  },
  'GET /v1/runtimes/:r/workers/:w': {
    id: 'getWorker',
    summary: 'Returns a Worker',
    answers: { 200: { json: 'WorkerDetail' } },
    errors: WORKER_ERRORS,
  },
  'PATCH /v1/runtimes/:r/workers/:w': {
    id: 'updateWorker',
    summary: 'Changes the display name, replaces the labels',
    request: { schema: 'UpdateWorker', isRequired: true },
    answers: { 200: { json: 'WorkerDetail' } },
    errors: [...WORKER_ERRORS, 'WORKER_DAMAGED', ...COMMIT_ERRORS],
  },
  'DELETE /v1/runtimes/:r/workers/:w': {
    id: 'deleteWorker',
    summary: 'Deletes a stopped Worker and its data',
    answers: { 204: {} },
    errors: [...WORKER_ERRORS, 'WORKER_NOT_STOPPED', ...COMMIT_ERRORS],
  },
  'GET /v1/runtimes/:r/workers/:w/runs/:run': {
    id: 'waitForRun',
    summary: 'Waits for a run and returns its result',
    description:
      'Without `Prefer: wait=N` the answer comes immediately. With it, the answer comes when the run has finished or asks for something, at most after N seconds.',
    headers: ['Prefer'],
    answers: { 200: { json: 'RunWait', headers: ['Preference-Applied'] } },
    errors: [...WORKER_ERRORS, 'RUN_NOT_FOUND', 'LIMIT_TOO_LARGE'],
  },
  'GET /v1/runtimes/:r/workers/:w/runs/:run/info': {
    id: 'getRun',
    summary: 'Returns a run as the log describes it',
    answers: { 200: { json: 'RunInfo' } },
    errors: [...WORKER_ERRORS, 'RUN_NOT_FOUND'],
  },
  'POST /v1/runtimes/:r/workers/:w/inputs': {
    id: 'sendInput',
    summary: 'Sends an input to a Worker',
    description:
      'The response is sent when the input is durable. With `Prefer: wait=N` the response is 200 with the finished run; it is 202 if the run takes longer than N seconds, or as soon as the run opens a request.',
    headers: ['Idempotency-Key', 'Prefer', 'Traceparent'],
    request: { schema: 'WorkerInput', isRequired: true },
    answers: {
      200: { json: 'InputReceipt', headers: ['Preference-Applied', 'Idempotent-Replayed'] },
      202: { json: 'InputReceipt', headers: ['Preference-Applied', 'Idempotent-Replayed'] },
    },
    errors: [
      ...WORKER_ERRORS,
      'WORKER_BUSY',
      'WORKER_STOPPED',
      'WORKER_DAMAGED',
      'ENGINE_UNAVAILABLE',
      'LIMIT_REACHED',
      'LIMIT_TOO_LARGE',
      ...KEY_ERRORS,
      ...COMMIT_ERRORS,
    ],
  },
  'POST /v1/runtimes/:r/workers/:w/cancel': {
    id: 'cancelRun',
    summary: 'Cancels the current run; the Worker continues',
    request: { schema: 'CancelRun', isRequired: false },
    answers: { 200: { json: 'CancelOutcome' } },
    errors: [...WORKER_ERRORS, 'RUN_MISMATCH', ...COMMIT_ERRORS],
  },
  'POST /v1/runtimes/:r/workers/:w/stop': {
    id: 'stopWorker',
    summary: 'Stops a Worker until it is resumed; at the deadline its execution is detached',
    request: { schema: 'StopWorker', isRequired: false },
    answers: { 200: { json: 'StopOutcome' } },
    errors: [...WORKER_ERRORS, 'WORKER_DAMAGED', ...COMMIT_ERRORS],
  },
  'POST /v1/runtimes/:r/workers/:w/resume': {
    id: 'resumeWorker',
    summary: 'Resumes a Worker with a new execution, unless one is connected',
    request: { schema: 'ResumeWorker', isRequired: false },
    answers: { 200: { json: 'WorkerDetail' } },
    errors: [
      ...WORKER_ERRORS,
      'WORKER_DAMAGED',
      'ENGINE_UNAVAILABLE',
      'CLAIM_CONFLICT',
      'LIMIT_REACHED',
      ...COMMIT_ERRORS,
    ],
  },
  'GET /v1/runtimes/:r/workers/:w/requests': {
    id: 'listRequests',
    summary: 'Lists the open requests of a Worker',
    answers: { 200: { page: 'OpenRequest' } },
    errors: WORKER_ERRORS,
  },
  'POST /v1/runtimes/:r/workers/:w/requests/:q/response': {
    id: 'respond',
    summary: 'Answers an open request',
    request: { schema: 'Respond', isRequired: true },
    answers: { 200: { json: 'Responded' } },
    errors: [...WORKER_ERRORS, 'REQUEST_NOT_FOUND', 'REQUEST_RESOLVED', ...COMMIT_ERRORS],
  },
  'GET /v1/runtimes/:r/workers/:w/events': {
    id: 'readEvents',
    summary: 'Reads the log of a Worker as a JSON page, as the stored lines, or as a stream',
    description:
      'A stream resumes exactly at `Last-Event-ID`, which takes precedence over `after`. Without a position it begins with `snapshot`; with an expired position it begins with `reset`. Durable events have the default event name and an `id`. A transient error is answered with 200 and a stream that closes with the error code.',
    headers: ['Last-Event-ID'],
    answers: {
      200: {
        page: 'WorkerEvent',
        events: {
          message: 'WorkerEvent',
          snapshot: 'Snapshot',
          'in-flight': 'InFlight',
          delta: 'Delta',
          gap: 'Gap',
          bookmark: 'Position',
          reset: 'Reset',
          closing: 'Closing',
        },
        headers: ['Runtime-Id'],
      },
    },
    errors: [...WORKER_ERRORS, ...CURSOR_ERRORS, 'STORE_CORRUPT'],
  },
  'GET /v1/runtimes/:r/workers/:w/transcript': {
    id: 'readTranscript',
    summary: 'Reads the conversation of a Worker',
    answers: { 200: { page: 'TranscriptItem' } },
    errors: [...WORKER_ERRORS, ...CURSOR_ERRORS, 'STORE_CORRUPT'],
  },
  'GET /v1/runtimes/:r/workers/:w/overview': {
    id: 'getOverview',
    summary: 'Returns the counts and the token usage of a Worker',
    answers: { 200: { json: 'Overview' } },
    errors: WORKER_ERRORS,
  },
};

/** All operations by method and declared path. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  'GET /livez': {
    id: 'isAlive',
    summary: 'Liveness: the process is up, and the runtime has not lost its store (503 STORE_LOST)',
    answers: { 200: { json: 'Health' } },
    errors: [],
  },
  'GET /readyz': {
    id: 'isReady',
    summary: 'Readiness: the runtime accepts requests',
    answers: { 200: { json: 'Health' } },
    errors: [],
  },
  'GET /metrics': {
    id: 'readMetrics',
    summary: 'Returns the metrics in the text format of Prometheus',
    answers: { 200: { text: 'text/plain' } },
    errors: [],
  },
  'GET /openapi.json': {
    id: 'readContract',
    summary: 'Returns this document',
    answers: { 200: { json: 'Contract' } },
    errors: [],
  },
  'GET /docs': {
    id: 'readDocs',
    summary: 'Returns this document as an HTML page',
    answers: { 200: { text: 'text/html' } },
    errors: [],
  },
  ...runtimeOperations,
  ...workerOperations,
};
