import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import {
  CallToolRequestSchema,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListToolsRequestSchema,
  ReadResourceRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import type { JsonSchemaValidatorResult } from '@modelcontextprotocol/sdk/validation/types.js';
import { version } from '@worker-runtime/core';
import type { Exchange } from './exchange.ts';
import { answered } from './outcome.ts';
import { listResources, RESOURCE_TEMPLATES, readResource } from './resources.ts';
import { TOOL_LIST, toolNamed } from './tools.ts';

/** Answers of people are checked by the runtime, and the SDK would keep each schema of a question in memory. */
const UNCHECKED = {
  getValidator:
    <T>() =>
    (input: unknown): JsonSchemaValidatorResult<T> => ({
      valid: true,
      data: input as T,
      errorMessage: undefined,
    }),
};

export interface SessionOptions {
  readonly caller: string | null;
  readonly bodyBytes: number;
  readonly makeId: () => string;
  readonly opened: (id: string) => void;
  readonly closed: (id: string) => void;
}

/** Takes the exchange that a request belongs to. @throws McpError as `Exchange.take` */
const exchangeOf = ({
  authInfo,
}: {
  readonly authInfo?: { readonly extra?: Record<string, unknown> };
}): Exchange => {
  const { exchange } = authInfo?.extra ?? {};
  return (exchange as Exchange).take();
};

/** One client of the protocol, from its `initialize` to its end: what it can do, and which of its calls are in progress. */
export class McpSession {
  readonly caller: string | null;
  readonly #transport: WebStandardStreamableHTTPServerTransport;
  readonly #closed: SessionOptions['closed'];
  readonly #server = new McpServer({ name: 'worker-runtime', version }, { jsonSchemaValidator: UNCHECKED });
  #isClosed = false;
  #calls = 0;

  static async open(options: SessionOptions): Promise<McpSession> {
    const session = new McpSession(options);
    await session.#server.connect(session.#transport as Transport);
    return session;
  }

  private constructor({ caller, bodyBytes, makeId, opened, closed }: SessionOptions) {
    this.caller = caller;
    this.#closed = closed;
    this.#transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: makeId,
      onsessioninitialized: opened,
      onsessionclosed: () => this.#end(),
      maxRequestBodySize: bodyBytes,
    });
    this.#serve();
  }

  /** Undefined until the client has begun the session. */
  get id(): string | undefined {
    return this.#transport.sessionId;
  }

  /** True if a call is in progress. */
  get isBusy(): boolean {
    return this.#calls > 0;
  }

  async answer(request: Request, exchange: Exchange): Promise<Response> {
    // the SDK passes this member to the handlers of the messages
    const authInfo = { token: '', clientId: '', scopes: [], extra: { exchange } };
    return exchange.paced(await this.#transport.handleRequest(request, { authInfo }));
  }

  async close(): Promise<void> {
    this.#end();
    await this.#server.close();
  }

  #end(): void {
    this.#isClosed = true;
    if (this.id !== undefined) this.#closed(this.id);
  }

  #serve(): void {
    const { server } = this.#server;
    // capabilities that the constructor gets would promise notifications about lists that change
    server.registerCapabilities({ tools: {}, resources: {} });
    server.setRequestHandler(ListToolsRequestSchema, (_, extra) => {
      exchangeOf(extra);
      return { tools: [...TOOL_LIST] };
    });
    server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
      const exchange = exchangeOf(extra);
      this.#calls += 1;
      try {
        const tool = toolNamed(params.name);
        return await tool.call(params.arguments ?? {}, {
          exchange,
          server,
          requestId: extra.requestId,
          progressToken: extra._meta?.progressToken,
          signal: extra.signal,
          // the end of a session aborts its calls too, and cancels no run
          isCancelled: () => extra.signal.aborted && !this.#isClosed,
        });
      } finally {
        this.#calls -= 1;
      }
    });
    server.setRequestHandler(ListResourceTemplatesRequestSchema, (_, extra) => {
      exchangeOf(extra);
      return { resourceTemplates: [...RESOURCE_TEMPLATES] };
    });
    server.setRequestHandler(ListResourcesRequestSchema, ({ params }, extra) =>
      answered(listResources(exchangeOf(extra).runtime, params?.cursor)),
    );
    server.setRequestHandler(ReadResourceRequestSchema, ({ params }, extra) =>
      answered(readResource(exchangeOf(extra).runtime, params.uri)),
    );
    server.onerror = () => {};
  }
}
