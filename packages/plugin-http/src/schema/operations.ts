import type { ErrorCode } from '@worker-runtime/core';
import type { Operation } from './operation.ts';

const COMMITS: readonly ErrorCode[] = ['STORE_UNAVAILABLE', 'STORE_FULL'];
const KEYED: readonly ErrorCode[] = ['IDEMPOTENCY_MISMATCH', 'IDEMPOTENCY_IN_FLIGHT'];
const CURSORS: readonly ErrorCode[] = ['CURSOR_INVALID', 'CURSOR_FOREIGN', 'LIMIT_TOO_LARGE'];
const OF_WORKER: readonly ErrorCode[] = ['RUNTIME_NOT_FOUND', 'WORKER_NOT_FOUND'];

const runtimeOperations: Readonly<Record<string, Operation>> = {
  'GET /v1/runtimes': {
    id: 'listRuntimes',
    summary: 'The runtimes that are served here',
    answers: { 200: { page: 'RuntimeSummary' } },
    errors: ['CURSOR_INVALID'],
  },
  'GET /v1/runtimes/:r': {
    id: 'getRuntime',
    summary: 'One runtime: status, capabilities, limits, counts',
    answers: { 200: { json: 'RuntimeSummary' } },
    errors: ['RUNTIME_NOT_FOUND'],
  },
  'GET /v1/runtimes/:r/diagnostics': {
    id: 'listDiagnostics',
    summary: 'What was survived, newest first',
    answers: { 200: { page: 'Diagnostic' } },
    errors: ['RUNTIME_NOT_FOUND', ...CURSORS, 'CURSOR_EXPIRED'],
  },
  'GET /v1/runtimes/:r/watch': {
    id: 'watch',
    summary: 'All Workers, live: each as it is, then as it changes',
    description:
      'A position of an earlier start begins with `reset`. Never refused for trouble that passes: it is answered 200 and closes with the code.',
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
    summary: 'Keep a config bundle under the digest of its canonical JSON (RFC 8785)',
    request: { schema: 'Bundle', isRequired: true },
    answers: { 200: { json: 'BundleInfo' } },
    errors: [
      'RUNTIME_NOT_FOUND',
      'BUNDLE_DIGEST_MISMATCH',
      'CONFIG_UNSUPPORTED',
      'LIMIT_REACHED',
      ...COMMITS,
    ],
  },
  'GET /v1/runtimes/:r/bundles/:digest': {
    id: 'getBundle',
    summary: 'A config bundle',
    answers: { 200: { json: 'Bundle' } },
    errors: ['RUNTIME_NOT_FOUND', 'BUNDLE_NOT_FOUND', 'STORE_CORRUPT'],
  },
  'GET /v1/runtimes/:r/x/:name': {
    id: 'getExtra',
    summary: 'What a plugin shows besides, by its name',
    description: 'Which names there are, and what is answered, each plugin says itself.',
    answers: { 200: { json: 'Extra' } },
    errors: ['RUNTIME_NOT_FOUND', 'ROUTE_NOT_FOUND'],
  },
  'GET /v1/runtimes/:r/bundles': {
    id: 'listBundles',
    summary: 'Digests of the config bundles',
    answers: { 200: { page: 'BundleDigest' } },
    errors: ['RUNTIME_NOT_FOUND', ...CURSORS],
  },
};

const workerOperations: Readonly<Record<string, Operation>> = {
  'POST /v1/runtimes/:r/workers': {
    id: 'createWorker',
    summary: 'Create a Worker; failed, nothing was created',
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
      ...KEYED,
      ...COMMITS,
    ],
  },
  'GET /v1/runtimes/:r/workers': {
    id: 'listWorkers',
    summary: 'The Workers, in order of creation',
    answers: { 200: { page: 'WorkerSummary' } },
    errors: ['RUNTIME_NOT_FOUND', ...CURSORS],
  },
  'GET /v1/runtimes/:r/workers/:w': {
    id: 'getWorker',
    summary: 'A Worker',
    answers: { 200: { json: 'WorkerDetail' } },
    errors: OF_WORKER,
  },
  'PATCH /v1/runtimes/:r/workers/:w': {
    id: 'updateWorker',
    summary: 'Change the name, replace the labels',
    request: { schema: 'UpdateWorker', isRequired: true },
    answers: { 200: { json: 'WorkerDetail' } },
    errors: [...OF_WORKER, 'WORKER_DAMAGED', ...COMMITS],
  },
  'DELETE /v1/runtimes/:r/workers/:w': {
    id: 'deleteWorker',
    summary: 'Remove a stopped Worker and its data',
    answers: { 204: {} },
    errors: [...OF_WORKER, 'WORKER_NOT_STOPPED', ...COMMITS],
  },
  'GET /v1/runtimes/:r/workers/:w/runs/:run': {
    id: 'waitForRun',
    summary: 'The result of a run, with waiting',
    description:
      'Without `Prefer: wait=N` the answer comes immediately. With it, the answer comes when the run has finished or asks for something, at most after N seconds.',
    headers: ['Prefer'],
    answers: { 200: { json: 'RunWait', headers: ['Preference-Applied'] } },
    errors: [...OF_WORKER, 'RUN_NOT_FOUND', 'LIMIT_TOO_LARGE'],
  },
  'POST /v1/runtimes/:r/workers/:w/inputs': {
    id: 'sendInput',
    summary: 'Give a Worker something to do',
    description:
      'On return the input is durable. With `Prefer: wait=N` the answer is 200 with the finished run, or 202 where N seconds were not enough, or as soon as the run asks for something.',
    headers: ['Idempotency-Key', 'Prefer'],
    request: { schema: 'WorkerInput', isRequired: true },
    answers: {
      200: { json: 'InputReceipt', headers: ['Preference-Applied', 'Idempotent-Replayed'] },
      202: { json: 'InputReceipt', headers: ['Preference-Applied', 'Idempotent-Replayed'] },
    },
    errors: [
      ...OF_WORKER,
      'WORKER_BUSY',
      'WORKER_STOPPED',
      'WORKER_DAMAGED',
      'ENGINE_UNAVAILABLE',
      'LIMIT_REACHED',
      'LIMIT_TOO_LARGE',
      ...KEYED,
      ...COMMITS,
    ],
  },
  'POST /v1/runtimes/:r/workers/:w/cancel': {
    id: 'cancelRun',
    summary: 'End the current run, and only that',
    request: { schema: 'CancelRun', isRequired: false },
    answers: { 200: { json: 'CancelOutcome' } },
    errors: [...OF_WORKER, 'RUN_MISMATCH', ...COMMITS],
  },
  'POST /v1/runtimes/:r/workers/:w/stop': {
    id: 'stopWorker',
    summary: 'End the execution until it is resumed; at the deadline by detaching it',
    request: { schema: 'StopWorker', isRequired: false },
    answers: { 200: { json: 'StopOutcome' } },
    errors: [...OF_WORKER, 'WORKER_DAMAGED', ...COMMITS],
  },
  'POST /v1/runtimes/:r/workers/:w/resume': {
    id: 'resumeWorker',
    summary: 'Attach a new execution; one that is connected is left alone',
    request: { schema: 'ResumeWorker', isRequired: false },
    answers: { 200: { json: 'WorkerDetail' } },
    errors: [
      ...OF_WORKER,
      'WORKER_DAMAGED',
      'ENGINE_UNAVAILABLE',
      'CLAIM_CONFLICT',
      'LIMIT_REACHED',
      ...COMMITS,
    ],
  },
  'GET /v1/runtimes/:r/workers/:w/requests': {
    id: 'listRequests',
    summary: 'What runs of this Worker wait for',
    answers: { 200: { page: 'OpenRequest' } },
    errors: OF_WORKER,
  },
  'POST /v1/runtimes/:r/workers/:w/requests/:q/response': {
    id: 'respond',
    summary: 'Answer a request, once',
    request: { schema: 'Respond', isRequired: true },
    answers: { 200: { json: 'Responded' } },
    errors: [...OF_WORKER, 'REQUEST_NOT_FOUND', 'REQUEST_RESOLVED', ...COMMITS],
  },
  'GET /v1/runtimes/:r/workers/:w/events': {
    id: 'readEvents',
    summary: 'The log of a Worker: a page, the stored lines, or live',
    description:
      'As a stream: `Last-Event-ID` resumes exactly and wins over `after`; without a position it begins with `snapshot`. Durable events have the default event name and an `id`. A position that is gone begins with `reset`. Never refused for trouble that passes: it is answered 200 and closes with the code.',
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
    errors: [...OF_WORKER, ...CURSORS, 'STORE_CORRUPT'],
  },
  'GET /v1/runtimes/:r/workers/:w/transcript': {
    id: 'readTranscript',
    summary: 'The conversation as people read it',
    answers: { 200: { page: 'TranscriptItem' } },
    errors: [...OF_WORKER, ...CURSORS, 'STORE_CORRUPT'],
  },
  'GET /v1/runtimes/:r/workers/:w/overview': {
    id: 'getOverview',
    summary: 'What a Worker has done so far, in numbers',
    answers: { 200: { json: 'Overview' } },
    errors: OF_WORKER,
  },
};

/** Every operation by method and path, as its route is declared. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  'GET /livez': {
    id: 'isAlive',
    summary: 'Whether the process is up',
    answers: { 200: { json: 'Health' } },
    errors: [],
  },
  'GET /readyz': {
    id: 'isReady',
    summary: 'Whether it can work',
    answers: { 200: { json: 'Health' } },
    errors: [],
  },
  'GET /metrics': {
    id: 'readMetrics',
    summary: 'Measurements, in the text format of Prometheus',
    answers: { 200: { text: 'text/plain' } },
    errors: [],
  },
  'GET /openapi.json': {
    id: 'readContract',
    summary: 'This document',
    answers: { 200: { json: 'Contract' } },
    errors: [],
  },
  'GET /docs': {
    id: 'readDocs',
    summary: 'This document, for people',
    answers: { 200: { text: 'text/html' } },
    errors: [],
  },
  ...runtimeOperations,
  ...workerOperations,
};
