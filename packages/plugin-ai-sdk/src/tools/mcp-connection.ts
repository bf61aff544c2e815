import { AsyncLocalStorage } from 'node:async_hooks';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import {
  ElicitRequestSchema,
  ErrorCode,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { type JsonObject, RuntimeError } from '@worker-runtime/core';
import { z } from 'zod';
import type { Form, FormAnswer } from './form.ts';
import { judgeTool, type LeftOutTool, type McpTool } from './mcp-tool.ts';
import type { ToolCaller } from './tool-caller.ts';

/** The tools of a server, as one listing returned them. */
export interface ToolList {
  readonly tools: ReadonlyMap<string, McpTool>;
  readonly leftOut: readonly LeftOutTool[];
  /** The reason if the listing ended before the end of the list. */
  readonly cut: string | null;
}

export interface ConnectionHost {
  /** The name of the server. */
  readonly name: string;
  /** Called when the server reports that its tools changed. */
  changed(connection: McpConnection): void;
  closed(connection: McpConnection): void;
  /** Called for a problem that ends neither the connection nor a request. */
  remark(error: Error): void;
}

/** A call of a tool, and the way to the people who follow its run. */
export interface McpCall {
  readonly caller: ToolCaller;
  readonly signal: AbortSignal;
  /** Asks people to fill in a form. @throws RuntimeError the form cannot be shown */
  ask(form: Form): Promise<FormAnswer>;
}

/** The member of `_meta` that names the caller of a call. */
const CALLER = 'worker-runtime/caller';
/** A member of that name in a request of a server, as far as it has to be valid. */
const NAMED = z.looseObject({ runId: z.string() });
/** Returns the error with which a request of a server is refused. */
const refusal = (code: ErrorCode, message: string): Error => Object.assign(new Error(message), { code });
/** The size limit of the schema of a form, as JSON. */
const MAX_FORM_CHARS = 32_768;
const MAX_TOOLS = 1_000;
const MAX_PAGES = 100;
/** The time limit of the SDK for a request. The callers of this class have limits of their own. */
const NO_TIMEOUT = 2_147_483_647;
/** A page of a list, as far as it has to be valid. Some servers send null for an empty list. */
const PAGE = z.looseObject({ tools: z.array(z.unknown()).nullish(), nextCursor: z.unknown().optional() });

/**
 * One connection to a tool server. It makes its requests without the methods of the SDK for tools: they reject a whole
 * list for one odd tool, and the result of a call that was made if it does not fit the tool's schema.
 */
export class McpConnection {
  readonly #host: ConnectionHost;
  readonly #client = new Client(
    { name: 'worker-runtime', version: '0.1.0' },
    { capabilities: { elicitation: { form: {} } } },
  );
  readonly #calls = new Set<McpCall>();
  /** The call whose stream is read, over HTTP: a message on the stream belongs to the call. */
  readonly #streaming = new AsyncLocalStorage<McpCall>();
  #transport: Transport | null = null;
  #isRetired = false;

  constructor(host: ConnectionHost) {
    this.#host = host;
  }

  /** The id of the session, if the server began one. */
  get sessionId(): string | undefined {
    return this.#transport?.sessionId;
  }

  async open(transport: Transport, signal: AbortSignal): Promise<void> {
    this.#transport = transport;
    this.#client.onerror = (error) => this.#host.remark(error);
    this.#client.setRequestHandler(ElicitRequestSchema, ({ params }, { signal }) =>
      this.#ask(params, params._meta, signal),
    );
    await this.#client.connect(transport, { signal, timeout: NO_TIMEOUT });
    this.#client.onclose = () => this.#host.closed(this);
    this.#client.setNotificationHandler(ToolListChangedNotificationSchema, () => this.#host.changed(this));
  }

  /** Reads the list of tools. Ends at a repeated cursor, and after a number of pages and of tools. */
  async list(signal: AbortSignal): Promise<ToolList> {
    const tools = new Map<string, McpTool>();
    const leftOut: LeftOutTool[] = [];
    const cursors = new Set<string>();
    const listed = (cut: string | null): ToolList => ({ tools, leftOut, cut });
    let cursor: string | null = null;
    for (let pages = 0; pages < MAX_PAGES; pages += 1) {
      const params: JsonObject = cursor === null ? {} : { cursor };
      const page = PAGE.parse(await this.#request('tools/list', params, signal));
      for (const entry of page.tools ?? []) {
        if (tools.size + leftOut.length >= MAX_TOOLS) return listed(`it has more than ${MAX_TOOLS} tools`);
        const judged = judgeTool(this.#host.name, entry);
        if ('reason' in judged) leftOut.push(judged);
        else if (tools.has(judged.name)) leftOut.push({ name: judged.name, reason: 'its name is repeated' });
        else tools.set(judged.name, judged);
      }
      const { nextCursor } = page;
      if (nextCursor === undefined || nextCursor === null) return listed(null);
      if (typeof nextCursor !== 'string') return listed('its cursor is not a string');
      if (cursors.has(nextCursor)) return listed('it repeats a cursor');
      cursors.add(nextCursor);
      cursor = nextCursor;
    }
    return listed(`it has more than ${MAX_PAGES} pages`);
  }

  /** Calls a tool. Returns the result as the server sent it. */
  async call(tool: string, input: JsonObject, call: McpCall): Promise<unknown> {
    this.#calls.add(call);
    // labels may name customers, and a server may belong to another party
    const { labels: _, ...ids } = call.caller;
    const params = { name: tool, arguments: input, _meta: { [CALLER]: ids } };
    try {
      return await this.#streaming.run(call, () => this.#request('tools/call', params, call.signal));
    } finally {
      this.#calls.delete(call);
      if (this.#isRetired && this.#calls.size === 0) void this.close();
    }
  }

  /**
   * Asks the people who follow the run of a call to fill in a form. The request of the server has to belong to one run: over
   * HTTP the stream on which it came has the call. Otherwise it is that of the only run whose calls are in progress, or of
   * the one that the request names.
   * @throws an error for the server: it belongs to no run, or to several · it is too large
   */
  async #ask(
    params: z.output<typeof ElicitRequestSchema>['params'],
    meta: Readonly<Record<string, unknown>> | undefined,
    signal: AbortSignal,
  ): Promise<FormAnswer> {
    const { message } = params;
    const schema = 'requestedSchema' in params ? (params.requestedSchema as unknown as JsonObject) : {};
    if (JSON.stringify(schema).length > MAX_FORM_CHARS)
      throw refusal(ErrorCode.InvalidParams, 'The schema of the form is too large');
    const { call, isExact } = this.#callOf(meta?.[CALLER]);
    try {
      return await call.ask({ server: this.#host.name, message, schema, isOfOneCall: isExact, signal });
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
      throw refusal(ErrorCode.InternalError, error.message);
    }
  }

  #callOf(caller: unknown): { readonly call: McpCall; readonly isExact: boolean } {
    const streaming = this.#streaming.getStore();
    if (streaming && this.#calls.has(streaming)) return { call: streaming, isExact: true };
    const { data: named } = NAMED.safeParse(caller);
    const calls = [...this.#calls].filter((call) => !named || call.caller.runId === named.runId);
    const [call] = calls;
    if (!call) throw refusal(ErrorCode.InvalidRequest, 'No call is in progress that asks for this');
    if (calls.some((other) => other.caller.runId !== call.caller.runId))
      throw refusal(
        ErrorCode.InvalidRequest,
        `Calls of several runs are in progress: repeat _meta["${CALLER}"] of the call in the request`,
      );
    return { call, isExact: calls.length === 1 };
  }

  async #request(
    method: 'tools/list' | 'tools/call',
    params: JsonObject,
    signal: AbortSignal,
  ): Promise<unknown> {
    signal.throwIfAborted();
    // The SDK never removes its listener from the signal of a request.
    const controller = new AbortController();
    const abort = (): void => controller.abort(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    try {
      const options = { signal: controller.signal, timeout: NO_TIMEOUT };
      return await this.#client.request({ method, params }, z.unknown(), options);
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** Closes the connection when its calls in progress have ended. */
  retire(): void {
    this.#isRetired = true;
    if (this.#calls.size === 0) void this.close();
  }

  async close(): Promise<void> {
    await this.#client.close().catch((error: unknown) => this.#host.remark(error as Error));
  }
}
