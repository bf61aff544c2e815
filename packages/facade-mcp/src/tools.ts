import { type CallToolResult, ErrorCode, McpError, type Tool } from '@modelcontextprotocol/sdk/types.js';
import type { CreateWorker, JsonObject, RequestResponse } from '@worker-runtime/core';
import {
  anything,
  assertShape,
  choiceOf,
  objectOf,
  type Shape,
  stringOf,
  wholeNumberFrom,
} from '@worker-runtime/core/plugin-kit';
import { failure, jsonResult } from './outcome.ts';
import { type CallContext, RunCall } from './run-call.ts';

type Arguments = Readonly<Record<string, unknown>>;

interface Field {
  readonly shape: Shape;
  readonly schema: JsonObject;
}

interface Definition {
  readonly name: string;
  readonly description: string;
  readonly fields: Readonly<Record<string, Field>>;
  readonly required?: readonly string[];
  readonly annotations: NonNullable<Tool['annotations']>;
  call(args: Arguments, context: CallContext): Promise<CallToolResult>;
}

const text = (description: string, limits: { readonly min?: number; readonly max?: number } = {}): Field => ({
  shape: stringOf({ min: 1, ...limits }),
  schema: {
    type: 'string',
    minLength: 1,
    ...(limits.max !== undefined && { maxLength: limits.max }),
    description,
  },
});

/** A field whose value the runtime checks. */
const free = (schema: JsonObject): Field => ({ shape: anything, schema });

const STATUSES = ['idle', 'running', 'waiting', 'stopped'];
const workerId = text('The id of the Worker');
const runId = text('The id of the run');

/** The arguments of a call after their shape was checked. */
const taken = <T>(args: Arguments): T => args as T;

/** The tools, by the methods of the runtime that they call. */
const DEFINITIONS: readonly Definition[] = [
  {
    name: 'list_workers',
    description: 'Lists Workers, in the order of their creation. Follow "next" for more of them.',
    fields: {
      status: { shape: choiceOf(...STATUSES), schema: { type: 'string', enum: STATUSES } },
      after: text('The position "next" of the page before'),
      limit: {
        shape: wholeNumberFrom(1, 100),
        schema: { type: 'integer', minimum: 1, maximum: 100, default: 20 },
      },
    },
    annotations: { readOnlyHint: true, openWorldHint: false },
    async call(args, { exchange: { runtime } }) {
      const { items, next } = await runtime.listWorkers({ limit: 20, ...args });
      const workers = items.map(({ workerId, displayName, engine, labels, status, run, updatedAt }) => ({
        workerId,
        displayName,
        engine,
        labels,
        status,
        runId: run?.runId ?? null,
        updatedAt,
      }));
      return jsonResult({ workers, next });
    },
  },
  {
    name: 'create_worker',
    description: 'Creates a Worker: a long-lived agent with a log of its own. It takes inputs by send_input.',
    fields: {
      engine: free({ type: 'string', description: 'The engine that executes its runs' }),
      workerId: free({ type: 'string', description: 'Generated if absent' }),
      displayName: free({ type: 'string' }),
      labels: free({ type: 'object', additionalProperties: { type: 'string' } }),
      config: free({ type: 'object', description: 'The configuration of the engine' }),
      tools: free({
        type: 'array',
        items: { type: 'string' },
        description: 'The names of the tools that the Worker may use',
      }),
      key: text('A retry with the same key returns the same Worker', { max: 255 }),
    },
    required: ['engine'],
    annotations: { destructiveHint: false, openWorldHint: false },
    async call({ key, ...request }, { exchange: { runtime, call } }) {
      const { worker } = await runtime.createWorker(taken<CreateWorker>(request), {
        ...(key !== undefined && { idempotencyKey: key as string }),
        ...call,
      });
      const { workerId, engine, status, tools } = worker;
      return jsonResult({ workerId, engine, status, tools });
    },
  },
  {
    name: 'send_input',
    description:
      'Sends an input to a Worker and waits for its run. The result is the answer; progress has its text while it is written. ' +
      'To cancel the call cancels the run. If the result is "waiting", answer its requests by answer_request, then call wait_for_run.',
    fields: {
      workerId,
      text: text('The input'),
      key: text('A retry with the same key follows the same run, for example after a lost connection', {
        max: 255,
      }),
    },
    required: ['workerId', 'text'],
    annotations: { destructiveHint: true, openWorldHint: true },
    async call(args, context) {
      const { runtime, call } = context.exchange;
      const { workerId, text, key } = taken<{ workerId: string; text: string; key?: string }>(args);
      const options = { ...(key !== undefined && { idempotencyKey: key }), ...call };
      const { runId, cursor } = await runtime.sendInput(workerId, { text }, options);
      return new RunCall(context, workerId, runId).follow(cursor);
    },
  },
  {
    name: 'wait_for_run',
    description:
      'Follows a run from its beginning to its end, also after it has ended: the result and the progress are those of send_input.',
    fields: { workerId, runId },
    required: ['workerId', 'runId'],
    // to cancel the call cancels the run
    annotations: { destructiveHint: true, idempotentHint: true, openWorldHint: false },
    async call(args, context) {
      const { workerId, runId } = taken<{ workerId: string; runId: string }>(args);
      const { cursor } = await context.exchange.runtime.getRun(workerId, runId);
      return new RunCall(context, workerId, runId).follow(cursor);
    },
  },
  {
    name: 'answer_request',
    description:
      'Answers a request of a run: a permission or a question. The decision is the id of one of its options.',
    fields: {
      workerId,
      requestId: text('The id of the request'),
      decision: text('The id of an option'),
      note: text('A remark for the Worker', { max: 4_096 }),
      value: free({ description: 'The value that the schema of the request asks for' }),
    },
    required: ['workerId', 'requestId', 'decision'],
    annotations: { destructiveHint: true, openWorldHint: true },
    async call(args, { exchange: { runtime, call } }) {
      const { workerId, requestId, ...response } = taken<
        RequestResponse & { workerId: string; requestId: string }
      >(args);
      const { changed } = await runtime.respond(workerId, requestId, response, call);
      return jsonResult({ changed });
    },
  },
  {
    name: 'cancel_run',
    description:
      'Cancels the active run of a Worker, or only the run that is named. The Worker stays usable.',
    fields: { workerId, runId, reason: text('A sentence for people', { max: 1_000 }) },
    required: ['workerId'],
    annotations: { destructiveHint: true, openWorldHint: false },
    async call(args, { exchange: { runtime, call } }) {
      const { workerId, ...options } = taken<{ workerId: string; runId?: string; reason?: string }>(args);
      const { changed, status } = await runtime.cancelRun(workerId, options, call);
      return jsonResult({ changed, status });
    },
  },
];

/** The tools as clients list them. */
export const TOOL_LIST: readonly Tool[] = DEFINITIONS.map(
  ({ name, description, fields, required = [], annotations }) => ({
    name,
    description,
    annotations,
    inputSchema: {
      type: 'object',
      properties: Object.fromEntries(Object.entries(fields).map(([field, { schema }]) => [field, schema])),
      required: [...required],
      additionalProperties: false,
    },
  }),
);

/** Returns a tool by its name. @throws McpError there is no such tool */
export const toolNamed = (
  name: string,
): { call(args: Arguments, context: CallContext): Promise<CallToolResult> } => {
  const found = DEFINITIONS.find((one) => one.name === name);
  if (!found) throw new McpError(ErrorCode.InvalidParams, 'No such tool');
  const shape = objectOf(
    Object.fromEntries(Object.entries(found.fields).map(([field, { shape }]) => [field, shape])),
    found.required,
  );
  return {
    async call(args, context) {
      try {
        assertShape(shape, args);
        return await found.call(args, context);
      } catch (error) {
        return failure(error);
      }
    },
  };
};
