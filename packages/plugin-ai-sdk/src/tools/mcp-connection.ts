import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import type { JsonObject } from '@worker-runtime/core';
import { z } from 'zod';
import { judgeTool, type LeftOutTool, type McpTool } from './mcp-tool.ts';

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
  readonly #client = new Client({ name: 'worker-runtime', version: '0.1.0' });
  #transport: Transport | null = null;
  #callsInProgress = 0;
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
  async call(tool: string, input: JsonObject, meta: JsonObject, signal: AbortSignal): Promise<unknown> {
    this.#callsInProgress += 1;
    try {
      return await this.#request('tools/call', { name: tool, arguments: input, _meta: meta }, signal);
    } finally {
      this.#callsInProgress -= 1;
      if (this.#isRetired && this.#callsInProgress === 0) void this.close();
    }
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
    if (this.#callsInProgress === 0) void this.close();
  }

  async close(): Promise<void> {
    await this.#client.close().catch((error: unknown) => this.#host.remark(error as Error));
  }
}
