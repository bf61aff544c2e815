import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import type { JsonObject, Logger } from '@worker-runtime/core';
import { RuntimeError } from '@worker-runtime/core';
import { childEnvironment } from '@worker-runtime/core/plugin-kit';
import { boundedFetch } from '../model/bounded-fetch.ts';
import type { McpServerOptions, ResolvedOptions } from '../options.ts';
import type { Secrets } from '../secrets.ts';

export interface McpTool {
  readonly name: string;
  readonly description: string;
  readonly inputSchema: JsonObject;
}

/** The size limit of a message of a tool server. Larger ones are of no use to a model, and endless lines end here. */
const MAX_MESSAGE_BYTES = 67_108_864;
const MAX_TOOLS = 1_000;

/** A failure that the tool reports itself. Its message is for the model. */
export class ToolFailure extends Error {}

/**
 * One tool server. It is connected on first use, and again on the next use after the connection closes. The tools are
 * those of the last connection.
 */
export class McpServer {
  readonly name: string;
  readonly #server: McpServerOptions;
  readonly #options: ResolvedOptions;
  readonly #secrets: Secrets;
  readonly #log: Logger;
  #tools: readonly McpTool[] = [];
  #client: Client | null = null;
  #connecting: Promise<Client> | null = null;
  #isClosed = false;

  constructor(
    name: string,
    server: McpServerOptions,
    options: ResolvedOptions,
    secrets: Secrets,
    log: Logger,
  ) {
    this.name = name;
    this.#server = server;
    this.#options = options;
    this.#secrets = secrets;
    this.#log = log;
  }

  get needsPermission(): boolean {
    return this.#server.permission === 'ask';
  }

  get tools(): readonly McpTool[] {
    return this.#tools;
  }

  /** Connects if necessary. On return, `tools` is up to date. @throws ENGINE_UNAVAILABLE */
  async connect(): Promise<void> {
    await this.#connected();
  }

  /** @throws ToolFailure the tool reports a failure · any other error: whether the call had an effect is not known */
  async call(tool: string, input: JsonObject, signal: AbortSignal): Promise<unknown> {
    const client = await this.#connected();
    const result = await client.callTool({ name: tool, arguments: input }, undefined, {
      signal,
      timeout: this.#options.toolMs,
    });
    const answer = resultContent(result);
    if (result.isError === true)
      throw new ToolFailure(typeof answer === 'string' ? answer : this.#secrets.stringify(answer));
    return answer;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#connecting?.catch(() => {});
    await this.#client?.close();
  }

  #connected(): Promise<Client> {
    if (this.#client) return Promise.resolve(this.#client);
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = null;
    });
    return this.#connecting;
  }

  async #connect(): Promise<Client> {
    const unreachable = (cause: unknown): RuntimeError => {
      const detail = cause instanceof Error ? this.#secrets.text(cause.message) : undefined;
      this.#log.warn({ server: this.name, detail }, 'A tool server cannot be reached');
      return new RuntimeError('ENGINE_UNAVAILABLE', `The tool server "${this.name}" cannot be reached`);
    };
    if (this.#isClosed) throw unreachable(new Error('The runtime is stopping'));
    const client = new Client({ name: 'worker-runtime', version: '0.1.0' });
    try {
      const timeout = this.#options.connectMs;
      // The cast is needed because the optional members of the transport are declared without undefined.
      await client.connect((await this.#transport()) as Transport, { timeout });
      client.onclose = () => {
        if (this.#client === client) this.#client = null;
      };
      client.onerror = (error) =>
        this.#log.debug(
          { server: this.name, detail: this.#secrets.text(error.message) },
          'Error of a tool server',
        );
      await this.#list(client);
      client.setNotificationHandler(ToolListChangedNotificationSchema, () => this.#list(client));
      this.#client = client;
      return client;
    } catch (cause) {
      await client.close().catch(() => {});
      throw unreachable(cause);
    }
  }

  async #list(client: Client): Promise<void> {
    const found: McpTool[] = [];
    let cursor: string | undefined;
    do {
      const page = await client.listTools(cursor === undefined ? {} : { cursor }, {
        timeout: this.#options.connectMs,
      });
      for (const { name, description = '', inputSchema } of page.tools)
        found.push({ name, description, inputSchema: inputSchema as JsonObject });
      cursor = page.nextCursor;
    } while (cursor !== undefined && found.length < MAX_TOOLS);
    this.#tools = found;
  }

  async #transport(): Promise<Transport | StreamableHTTPClientTransport> {
    const server = this.#server;
    if ('url' in server) {
      const key = await this.#secrets.read(server, `the tool server "${this.name}"`);
      return new StreamableHTTPClientTransport(new URL(server.url), {
        fetch: boundedFetch(MAX_MESSAGE_BYTES),
        ...(key !== null && { requestInit: { headers: { authorization: `Bearer ${key}` } } }),
      });
    }
    const missing = server.env.find((name) => process.env[name] === undefined);
    if (missing !== undefined) throw new Error(`The environment variable ${missing} is not set`);
    const { variables, values } = await childEnvironment(server);
    for (const value of values) this.#secrets.addSecret(value);
    const { command, args, cwd } = server;
    const transport = new StdioClientTransport({
      command,
      args: [...args],
      env: { ...variables },
      ...(cwd !== undefined && { cwd }),
      stderr: 'pipe',
      maxBufferSize: MAX_MESSAGE_BYTES,
    });
    transport.stderr?.on('data', (chunk: Buffer) =>
      this.#log.debug(
        { server: this.name, stderr: this.#secrets.text(chunk.toString('utf8').slice(0, 2_000)) },
        'A tool server wrote to standard error',
      ),
    );
    return transport;
  }
}

type CallResult = Awaited<ReturnType<Client['callTool']>>;

/** Returns structured content as it is, and otherwise all content as text, with a placeholder for what is not text. */
const resultContent = (result: CallResult): unknown => {
  if (result.structuredContent !== undefined) return result.structuredContent;
  const content = (result.content ?? []) as readonly {
    readonly type: string;
    readonly text?: string;
    readonly mimeType?: string;
    readonly resource?: { readonly text?: string };
  }[];
  return content
    .map(({ type, text, mimeType, resource }) =>
      type === 'text' ? text : (resource?.text ?? `[${type}${mimeType === undefined ? '' : ` ${mimeType}`}]`),
    )
    .join('\n');
};
