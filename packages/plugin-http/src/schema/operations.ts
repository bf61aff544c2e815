import type { ErrorCode } from '@worker-runtime/core';
import { BYTES_TYPE, SHOWN_TYPES } from '@worker-runtime/core/plugin-kit';
import type { Operation, SuccessAnswer } from './operation.ts';

const KEY_ERRORS: readonly ErrorCode[] = ['IDEMPOTENCY_MISMATCH', 'IDEMPOTENCY_IN_FLIGHT'];
const CURSOR_ERRORS: readonly ErrorCode[] = ['CURSOR_INVALID', 'CURSOR_FOREIGN', 'LIMIT_TOO_LARGE'];
/** Those of a list, whose cursors belong to no log. */
const LIST_ERRORS: readonly ErrorCode[] = ['RUNTIME_NOT_FOUND', 'CURSOR_INVALID', 'LIMIT_TOO_LARGE'];
/** Those of a log, whose first events may be in an archive. */
const LOG_ERRORS: readonly ErrorCode[] = [...CURSOR_ERRORS, 'CURSOR_EXPIRED', 'STORE_CORRUPT'];
const WORKER_ERRORS: readonly ErrorCode[] = ['RUNTIME_NOT_FOUND', 'WORKER_NOT_FOUND'];

/** Returns links to operations of a Worker, whose id is at `worker`. */
const linksTo = (
  worker: string,
  ids: readonly string[],
  parameters: Readonly<Record<string, string>> = {},
): NonNullable<SuccessAnswer['links']> =>
  Object.fromEntries(ids.map((id) => [id, { r: '$request.path.r', w: worker, ...parameters }]));

/** The response to an input, whose run can be waited for, and read from its beginning. */
const RECEIPT: SuccessAnswer = {
  json: 'InputReceipt',
  headers: ['Preference-Applied', 'Idempotent-Replayed'],
  links: {
    ...linksTo('$request.path.w', ['waitForRun'], { run: '$response.body#/runId' }),
    ...linksTo('$request.path.w', ['readEvents'], { after: '$response.body#/cursor' }),
    ...linksTo('$request.path.w', ['cancelRun', 'listRequests']),
  },
};

const runtimeOperations: Readonly<Record<string, Operation>> = {
  'GET /v1/runtimes': {
    id: 'listRuntimes',
    tag: 'Runtime',
    cursor: 'runtimes',
    summary: 'Lists the runtimes that the caller may use',
    description:
      'The list is sorted by name. A runtime that does not answer is in the list, with its state and an error.',
    answers: { 200: { page: 'RuntimeEntry' } },
    errors: ['CURSOR_INVALID', 'LIMIT_TOO_LARGE'],
  },
  'GET /v1/prices': {
    id: 'getPrices',
    tag: 'Server',
    summary: 'Returns the prices of models',
    description: 'Clients compute costs from them. The operator sets them; without any, `prices` is null.',
    answers: { 200: { json: 'Prices' } },
    errors: [],
  },
  'GET /v1/workers': {
    id: 'listWorkersAcross',
    tag: 'Workers',
    isOfSeveral: true,
    cursor: 'acrossWorkers',
    summary: 'Lists the Workers of all runtimes, one runtime after another',
    description:
      'The runtimes are in the order of their ids. A runtime that does not answer is named in `unavailable` of each page, and the list continues without it.',
    answers: { 200: { json: 'WorkersAcross' } },
    errors: ['CURSOR_INVALID', 'LIMIT_TOO_LARGE'],
  },
  'GET /v1/requests': {
    id: 'listRequestsAcross',
    tag: 'Runs',
    isOfSeveral: true,
    cursor: 'acrossRequests',
    summary: 'Lists the open requests of all Workers of all runtimes',
    description:
      'One runtime after another, in the order of their ids. A runtime that does not answer is named in `unavailable` of each page.',
    answers: { 200: { json: 'RequestsAcross' } },
    errors: ['CURSOR_INVALID', 'LIMIT_TOO_LARGE'],
  },
  'GET /v1/runtimes/:r': {
    id: 'getRuntime',
    tag: 'Runtime',
    summary: 'Returns the runtime: status, capabilities, limits and counts',
    description: 'The path `self` addresses the only runtime in the process of the server.',
    answers: { 200: { json: 'RuntimeSummary' } },
    errors: ['RUNTIME_NOT_FOUND'],
  },
  'GET /v1/runtimes/:r/diagnostics': {
    id: 'listDiagnostics',
    tag: 'Runtime',
    cursor: 'diagnostics',
    summary: 'Lists the diagnostics, newest first',
    description:
      'Diagnostics are problems that the runtime survived. They are kept in memory until it stops.',
    answers: { 200: { page: 'Diagnostic' } },
    errors: ['RUNTIME_NOT_FOUND', ...CURSOR_ERRORS, 'CURSOR_EXPIRED'],
  },
  'GET /v1/runtimes/:r/watch': {
    id: 'watch',
    tag: 'Runtime',
    cursor: 'watch',
    summary: 'Streams all Workers: their current state, then every change',
    description:
      'If the position is from before a restart, the stream begins with `reset`. A transient error is answered with 200 and a stream that closes with the error code.',
    headers: ['Last-Event-ID'],
    answers: {
      200: {
        frames: 'WatchFrame',
        lines: 'WatchLine',
        headers: ['Runtime-Id'],
      },
    },
    errors: ['RUNTIME_NOT_FOUND', 'CURSOR_INVALID'],
  },
  'PUT /v1/runtimes/:r/bundles/:digest': {
    id: 'putBundle',
    tag: 'Bundles',
    summary: 'Stores a config bundle under the digest of its canonical JSON (RFC 8785)',
    description: 'Storing the same bundle again changes nothing.',
    request: { schema: 'Bundle', isRequired: true },
    answers: {
      200: {
        json: 'BundleInfo',
        links: { getBundle: { r: '$request.path.r', digest: '$response.body#/digest' } },
      },
    },
    errors: [
      'RUNTIME_NOT_FOUND',
      'BUNDLE_DIGEST_MISMATCH',
      'CONFIG_UNSUPPORTED',
      'LIMIT_REACHED',
      'STORE_FULL',
    ],
  },
  'GET /v1/runtimes/:r/bundles/:digest': {
    id: 'getBundle',
    tag: 'Bundles',
    summary: 'Returns a config bundle',
    description: 'The content is private configuration, so this needs the permission `admin`.',
    answers: { 200: { json: 'Bundle' } },
    errors: ['RUNTIME_NOT_FOUND', 'BUNDLE_NOT_FOUND', 'STORE_CORRUPT'],
  },
  'GET /v1/runtimes/:r/bundles': {
    id: 'listBundles',
    tag: 'Bundles',
    cursor: 'bundles',
    summary: 'Lists the digests of the config bundles',
    description: 'The list is sorted by digest.',
    answers: { 200: { page: 'BundleDigest' } },
    errors: LIST_ERRORS,
  },
};

const workerOperations: Readonly<Record<string, Operation>> = {
  'POST /v1/runtimes/:r/workers': {
    id: 'createWorker',
    tag: 'Workers',
    summary: 'Creates a Worker, or nothing if the request fails',
    description:
      'The Worker is durable when the response is sent. With `initialInput` its first run has been accepted too.',
    headers: ['Idempotency-Key'],
    request: { schema: 'CreateWorker', isRequired: true },
    answers: {
      201: {
        json: 'CreatedWorker',
        headers: ['Location', 'Idempotent-Replayed'],
        links: linksTo('$response.body#/workerId', [
          'getWorker',
          'updateWorker',
          'deleteWorker',
          'sendInput',
          'cancelRun',
          'stopWorker',
          'resumeWorker',
          'listRequests',
          'readEvents',
          'readTranscript',
          'getOverview',
        ]),
      },
    },
    errors: [
      'RUNTIME_NOT_FOUND',
      'WORKER_EXISTS',
      'ENGINE_UNKNOWN',
      'ENGINE_UNAVAILABLE',
      'CONFIG_UNSUPPORTED',
      'PROFILE_INVALID',
      'BUNDLE_NOT_FOUND',
      'FILE_NOT_FOUND',
      'BUNDLE_DIGEST_MISMATCH',
      'TOOL_UNKNOWN',
      'CLAIM_CONFLICT',
      'LIMIT_REACHED',
      ...KEY_ERRORS,
      'STORE_FULL',
    ],
  },
  'GET /v1/runtimes/:r/workers': {
    id: 'listWorkers',
    tag: 'Workers',
    cursor: 'workers',
    summary: 'Lists the Workers in order of creation',
    description:
      'All filters must match. With `include=overview` a page also ends when it reaches 1 MiB. A watch that is opened at `asOf` continues this list.',
    answers: {
      200: { page: 'ListedWorker', links: linksTo('$response.body#/items/0/workerId', ['getWorker']) },
    },
    errors: LIST_ERRORS,
  },
  'GET /v1/runtimes/:r/usage': {
    id: 'readUsage',
    tag: 'History',
    summary: 'Returns the tokens that all Workers used, by day, model and Worker',
    description:
      'Days are those of UTC. The report follows from the logs of the Workers that exist. `limit` is the most items of `workers`; the days have the usage of all.',
    answers: { 200: { json: 'UsageReport' } },
    errors: ['RUNTIME_NOT_FOUND', 'LIMIT_TOO_LARGE'],
  },
  'GET /v1/runtimes/:r/requests': {
    id: 'listOpenRequests',
    tag: 'Runs',
    cursor: 'requests',
    summary: 'Lists the open requests of all Workers, oldest first',
    description:
      'Each item names the Worker whose run waits for the answer. A watch that is opened at `asOf` delivers every Worker whose requests change later.',
    answers: {
      200: {
        page: 'WorkerRequest',
        links: linksTo('$response.body#/items/0/workerId', ['respond'], {
          q: '$response.body#/items/0/requestId',
        }),
      },
    },
    errors: LIST_ERRORS,
  },
  'GET /v1/runtimes/:r/workers/:w': {
    id: 'getWorker',
    tag: 'Workers',
    summary: 'Returns a Worker',
    description: 'The state of the Worker, without its history.',
    answers: { 200: { json: 'WorkerDetail' } },
    errors: WORKER_ERRORS,
  },
  'POST /v1/runtimes/:r/workers/:w/fork': {
    id: 'forkWorker',
    tag: 'Workers',
    summary:
      'Creates a Worker whose history begins with that of another one, or nothing if the request fails',
    description:
      'The new Worker has the events up to the position, and the engine, config and tools of the source. It has neither its claims nor its queued inputs.',
    headers: ['Idempotency-Key'],
    request: { schema: 'ForkWorker', isRequired: false },
    answers: {
      201: {
        json: 'WorkerDetail',
        headers: ['Location', 'Idempotent-Replayed'],
        links: linksTo('$response.body#/workerId', ['getWorker', 'sendInput', 'readTranscript']),
      },
    },
    errors: [
      ...WORKER_ERRORS,
      'WORKER_EXISTS',
      'WORKER_DAMAGED',
      'ENGINE_UNKNOWN',
      'CONFIG_UNSUPPORTED',
      'TOOL_UNKNOWN',
      'OPERATION_UNSUPPORTED',
      'CLAIM_CONFLICT',
      'CURSOR_INVALID',
      'CURSOR_FOREIGN',
      'CURSOR_EXPIRED',
      'LIMIT_REACHED',
      'STORE_CORRUPT',
      ...KEY_ERRORS,
      'STORE_FULL',
    ],
  },
  'PATCH /v1/runtimes/:r/workers/:w': {
    id: 'updateWorker',
    tag: 'Workers',
    summary: 'Changes the name, labels, config or tools of a Worker',
    description: 'A field that is omitted keeps its value.',
    request: { schema: 'UpdateWorker', isRequired: true },
    answers: { 200: { json: 'WorkerDetail' } },
    errors: [
      ...WORKER_ERRORS,
      'WORKER_DAMAGED',
      'CONFIG_UNSUPPORTED',
      'TOOL_UNKNOWN',
      'ENGINE_UNAVAILABLE',
      'LIMIT_REACHED',
      'STORE_FULL',
    ],
  },
  'DELETE /v1/runtimes/:r/workers/:w': {
    id: 'deleteWorker',
    tag: 'Workers',
    summary: 'Deletes a stopped Worker and its data',
    description: 'A Worker must be stopped first. Its id can be used again, for a Worker with another log.',
    answers: { 204: {} },
    errors: [...WORKER_ERRORS, 'WORKER_NOT_STOPPED', 'STORE_FULL'],
  },
  'GET /v1/runtimes/:r/workers/:w/runs/:run': {
    id: 'waitForRun',
    tag: 'Runs',
    summary: 'Waits for a run and returns its result',
    description:
      'Without `Prefer: wait=N` the answer comes immediately. With it, the answer comes when the run has finished or asks for something, at most after N seconds.',
    headers: ['Prefer'],
    answers: { 200: { json: 'RunWait', headers: ['Preference-Applied'] } },
    errors: [...WORKER_ERRORS, 'RUN_NOT_FOUND', 'LIMIT_TOO_LARGE', 'STORE_CORRUPT'],
  },
  'GET /v1/runtimes/:r/workers/:w/runs/:run/info': {
    id: 'getRun',
    tag: 'Runs',
    summary: 'Returns a run as the log describes it',
    description:
      'The answer comes immediately, also for a run that is queued or active. It costs the number of events of the run, in a log of any length.',
    answers: { 200: { json: 'RunInfo' } },
    errors: [...WORKER_ERRORS, 'RUN_NOT_FOUND', 'STORE_CORRUPT'],
  },
  'POST /v1/runtimes/:r/workers/:w/inputs': {
    id: 'sendInput',
    tag: 'Runs',
    summary: 'Sends an input to a Worker',
    description:
      'The response is sent when the input is durable. With `Prefer: wait=N` the response is 200 with the finished run; it is 202 if the run takes longer than N seconds, or as soon as the run opens a request.',
    headers: ['Idempotency-Key', 'Prefer', 'Traceparent'],
    request: { schema: 'WorkerInput', isRequired: true },
    answers: {
      200: RECEIPT,
      202: RECEIPT,
    },
    errors: [
      ...WORKER_ERRORS,
      'WORKER_BUSY',
      'WORKER_STOPPED',
      'WORKER_DAMAGED',
      'ENGINE_UNAVAILABLE',
      'FILE_NOT_FOUND',
      'OPERATION_UNSUPPORTED',
      'CURSOR_EXPIRED',
      'LIMIT_REACHED',
      'LIMIT_TOO_LARGE',
      ...KEY_ERRORS,
      'STORE_FULL',
    ],
  },
  'POST /v1/runtimes/:r/workers/:w/files': {
    id: 'putFile',
    tag: 'Files',
    summary: 'Stores a file of a Worker, for inputs that refer to it',
    description:
      'The body is the file, and `Content-Type` is its media type: any type, not only the one below. The response is the part by which an input refers to the file. The same bytes are stored once: a repeated upload returns the media type of the first one.',
    request: 'bytes',
    answers: {
      200: {
        json: 'FilePart',
        links: linksTo('$request.path.w', ['getFile'], { digest: '$response.body#/digest' }),
      },
    },
    errors: [...WORKER_ERRORS, 'WORKER_STOPPED', 'WORKER_DAMAGED', 'LIMIT_REACHED', 'STORE_FULL'],
  },
  'GET /v1/runtimes/:r/workers/:w/files/:digest': {
    id: 'getFile',
    tag: 'Files',
    summary: 'Returns a file of a Worker: one of an upload, of a message or of a tool',
    description:
      'Only types that run nothing in a browser are served as themselves, every other one as `application/octet-stream`. `File-Media-Type` has the type in each case.',
    answers: {
      200: {
        // the first one decides what some generators of clients return: here, bytes
        bytes: [BYTES_TYPE, ...SHOWN_TYPES],
        headers: ['File-Media-Type', 'Content-Disposition', 'Content-Security-Policy'],
      },
    },
    errors: [...WORKER_ERRORS, 'FILE_NOT_FOUND', 'STORE_CORRUPT'],
  },
  'POST /v1/runtimes/:r/workers/:w/cancel': {
    id: 'cancelRun',
    tag: 'Runs',
    summary: 'Cancels the current run; the Worker continues',
    description: 'Queued inputs follow. Without an active run the answer has `changed: false`.',
    request: { schema: 'CancelRun', isRequired: false },
    answers: { 200: { json: 'CancelOutcome' } },
    errors: [...WORKER_ERRORS, 'RUN_MISMATCH', 'STORE_FULL'],
  },
  'POST /v1/runtimes/:r/workers/:w/stop': {
    id: 'stopWorker',
    tag: 'Workers',
    summary: 'Stops a Worker until it is resumed; at the deadline its execution is detached',
    description:
      'The active run and the queued inputs are cancelled. If the Worker is stopped already, the answer has `changed: false`.',
    request: { schema: 'StopWorker', isRequired: false },
    answers: {
      200: { json: 'StopOutcome', links: linksTo('$request.path.w', ['resumeWorker', 'deleteWorker']) },
    },
    errors: [...WORKER_ERRORS, 'WORKER_DAMAGED', 'STORE_FULL'],
  },
  'POST /v1/runtimes/:r/workers/:w/resume': {
    id: 'resumeWorker',
    tag: 'Workers',
    summary: 'Resumes a Worker with a new execution, unless one is connected',
    description: 'If its execution is connected, nothing changes.',
    request: { schema: 'ResumeWorker', isRequired: false },
    answers: { 200: { json: 'WorkerDetail' } },
    errors: [
      ...WORKER_ERRORS,
      'WORKER_DAMAGED',
      'ENGINE_UNAVAILABLE',
      'CLAIM_CONFLICT',
      'LIMIT_REACHED',
      'STORE_FULL',
    ],
  },
  'GET /v1/runtimes/:r/workers/:w/requests': {
    id: 'listRequests',
    tag: 'Runs',
    summary: 'Lists the open requests of a Worker',
    description: 'A Worker with an open request has the status `waiting`.',
    answers: {
      200: {
        page: 'OpenRequest',
        links: linksTo('$request.path.w', ['respond'], { q: '$response.body#/items/0/requestId' }),
      },
    },
    errors: WORKER_ERRORS,
  },
  'POST /v1/runtimes/:r/workers/:w/requests/:q/response': {
    id: 'respond',
    tag: 'Runs',
    summary: 'Answers an open request',
    description: 'The `decision` must be one of the options of the request. The run continues with it.',
    request: { schema: 'Respond', isRequired: true },
    answers: { 200: { json: 'Responded' } },
    errors: [...WORKER_ERRORS, 'REQUEST_NOT_FOUND', 'REQUEST_RESOLVED', 'STORE_FULL'],
  },
  'GET /v1/runtimes/:r/workers/:w/events': {
    id: 'readEvents',
    tag: 'History',
    cursor: 'log',
    summary: 'Reads the log of a Worker as a JSON page, as the stored lines, or as a stream',
    description:
      'A page takes `after` or `before`, and `types`. A stream resumes exactly at `Last-Event-ID`, which takes precedence over `after`. Without a position it begins with `snapshot`; with an expired position it begins with `reset`. Durable events have the default event name and an `id`. A transient error is answered with 200 and a stream that closes with the error code.',
    headers: ['Last-Event-ID'],
    answers: {
      200: {
        page: 'WorkerEvent',
        frames: 'WorkerFrame',
        headers: ['Runtime-Id'],
      },
    },
    errors: [...WORKER_ERRORS, ...LOG_ERRORS],
  },
  'GET /v1/runtimes/:r/workers/:w/transcript': {
    id: 'readTranscript',
    tag: 'History',
    cursor: 'log',
    summary: 'Reads the conversation of a Worker',
    description:
      'Each input, message, tool call and tool result is one item. `before` reads backward, for the end of a conversation.',
    answers: { 200: { page: 'TranscriptItem' } },
    errors: [...WORKER_ERRORS, ...LOG_ERRORS],
  },
  'GET /v1/runtimes/:r/workers/:w/overview': {
    id: 'getOverview',
    tag: 'History',
    summary: 'Returns the counts and the token usage of a Worker',
    description: 'The counts include the whole log.',
    answers: { 200: { json: 'Overview' } },
    errors: WORKER_ERRORS,
  },
};

/** All operations by method and declared path. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  'GET /livez': {
    id: 'isAlive',
    tag: 'Server',
    summary: 'Liveness: the process is up, and the runtime has not lost its store (503 STORE_LOST)',
    description: 'An orchestrator restarts the process if this fails.',
    answers: { 200: { json: 'Health' } },
    errors: [],
  },
  'GET /readyz': {
    id: 'isReady',
    tag: 'Server',
    summary: 'Readiness: the runtime accepts requests',
    description: 'A load balancer sends no requests while this fails.',
    answers: { 200: { json: 'Health' } },
    errors: [],
  },
  'GET /metrics': {
    id: 'readMetrics',
    tag: 'Server',
    summary: 'Returns the metrics in the text format of Prometheus',
    description: 'The metrics are available while the runtime is not ready, too.',
    answers: { 200: { text: 'text/plain' } },
    errors: [],
  },
  'GET /openapi.json': {
    id: 'readContract',
    tag: 'Server',
    summary: 'Returns this document',
    description:
      'The document has the limits of the runtime, if the server has only one. It is public, so that clients can be generated without a token.',
    answers: { 200: { json: 'Contract' } },
    errors: [],
  },
  'GET /docs': {
    id: 'readDocs',
    tag: 'Server',
    summary: 'Returns this document as an HTML page',
    description: 'The page needs no scripts and no other files.',
    answers: { 200: { text: 'text/html' } },
    errors: [],
  },
  ...runtimeOperations,
  ...workerOperations,
};
