import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { JsonObject, Logger } from '@worker-runtime/core';
import { RuntimeError } from '@worker-runtime/core';
import { childEnvironment } from '@worker-runtime/core/plugin-kit';
import type { McpServerOptions, ResolvedOptions } from '../options.ts';
import type { Secrets } from '../secrets.ts';
import { ContentResult } from './content-result.ts';
import { type ConnectionHost, type McpCall, McpConnection, type ToolList } from './mcp-connection.ts';
import { mcpFailure, refusalOf } from './mcp-failure.ts';
import { McpHttpTransport } from './mcp-http-transport.ts';
import { McpProcessTransport } from './mcp-process-transport.ts';
import type { McpTool } from './mcp-tool.ts';
import { ToolFailure } from './tool-failure.ts';

/** The size limit of a message of a tool server. Larger ones are of no use to a model, and endless lines end here. */
const MAX_MESSAGE_BYTES = 67_108_864;
/** The default of `connectMs`. Programs that are installed at their start, such as those of `npx`, need longer. */
const CONNECT_MS = { program: 30_000, url: 20_000 };
/** The time after which an attempt to connect is cancelled. The next use begins another one. */
const ATTEMPT_MS = { program: 300_000, url: 60_000 };
/** The longest time that a creation waits. The runtime refuses a creation whose plugins take 30 seconds. */
const MAX_CREATION_WAIT_MS = 25_000;
/** The longest time that a run waits for a server whose last attempt failed. */
const RETRY_WAIT_MS = 2_000;
/** The most tools to name in one line of the operator's log. */
const MAX_LOGGED_TOOLS = 20;

/** An attempt to connect. It continues in the background when the calls that waited for it have ended. */
interface Attempt {
  readonly connected: Promise<McpConnection>;
  readonly begunAt: number;
  /** True if the operator's log says that the server is late. */
  isReported: boolean;
  cancel(reason: Error): void;
}

/** Resolves with the value of a promise, or with null if it takes longer than `ms`. */
const within = <T>(promise: Promise<T>, ms: number): Promise<T | null> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(null), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });

/**
 * One tool server. It is connected at the start of the runtime, and again at the next use after the connection was lost.
 * The tools are those of the last connection.
 */
export class McpServer {
  readonly name: string;
  readonly #server: McpServerOptions;
  readonly #secrets: Secrets;
  readonly #log: Logger;
  readonly #mark: () => Promise<Readonly<Record<string, string>>>;
  readonly #connectMs: number;
  readonly #attemptMs: number;
  readonly #host: ConnectionHost;
  readonly #connections = new Set<McpConnection>();
  #list: ToolList = { tools: new Map(), leftOut: [], cut: null };
  #connection: McpConnection | null = null;
  #attempt: Attempt | null = null;
  #refreshing: Promise<void> | null = null;
  /** True if the tools changed while they were listed again. */
  #isStale = false;
  #hasFailed = false;
  #isClosed = false;

  constructor(
    name: string,
    server: McpServerOptions,
    options: ResolvedOptions,
    secrets: Secrets,
    log: Logger,
    mark: () => Promise<Readonly<Record<string, string>>>,
  ) {
    const kind = 'url' in server ? 'url' : 'program';
    this.name = name;
    this.#server = server;
    this.#secrets = secrets;
    this.#log = log;
    this.#mark = mark;
    this.#connectMs = server.connectMs ?? options.connectMs ?? CONNECT_MS[kind];
    this.#attemptMs = Math.max(this.#connectMs, ATTEMPT_MS[kind]);
    this.#host = {
      name,
      changed: (connection) => {
        this.#isStale = this.#refreshing !== null;
        void this.#refresh(connection);
      },
      closed: (connection) => {
        this.#connections.delete(connection);
        if (this.#connection === connection) this.#connection = null;
      },
      remark: (error) =>
        log.debug({ server: name, detail: secrets.text(error.message) }, 'Error of a tool server'),
    };
  }

  get needsPermission(): boolean {
    return this.#server.permission === 'ask';
  }

  get tools(): ReadonlyMap<string, McpTool> {
    return this.#list.tools;
  }

  /** Returns the reason for which the server's tool of this name is not offered, or null if there is no such tool. */
  reasonLeftOut(name: string): string | null {
    return this.#list.leftOut.find((tool) => tool.name === name)?.reason ?? null;
  }

  /** Begins to connect in the background. */
  start(): void {
    if (!this.#connection) this.#connecting();
  }

  /**
   * Connects if necessary, for a creation that names tools which are not known. On return, `tools` is up to date.
   * @throws ENGINE_UNAVAILABLE the server cannot be reached, or is still starting after `connectMs`
   */
  async list(): Promise<void> {
    const until = performance.now() + Math.min(this.#connectMs, MAX_CREATION_WAIT_MS);
    if (this.#connection) await within(this.#refresh(this.#connection), until - performance.now());
    if (!this.#connection) await this.#wait(until - performance.now());
  }

  /**
   * Connects if necessary, for a run that begins. Does not wait for a server that is late, and only for a short time for
   * one that failed before.
   * @throws ENGINE_UNAVAILABLE
   */
  async connect(): Promise<void> {
    await this.#connected(this.#hasFailed ? Math.min(this.#connectMs, RETRY_WAIT_MS) : this.#connectMs);
  }

  /**
   * Calls a tool. If the server has forgotten its session, it did not take the call: then the call is made again, once,
   * over a new connection.
   * @throws ToolFailure the tool reports a failure, or the call was not made · any other error: whether the call had an
   * effect is not known
   */
  async call(tool: string, input: JsonObject, call: McpCall): Promise<ContentResult> {
    for (let attempt = 1; ; attempt += 1) {
      const connection = await this.#connected(this.#connectMs).catch((error: unknown) => {
        throw new ToolFailure(`${RuntimeError.from(error).message}. The call was not made.`);
      });
      try {
        const result = new ContentResult(
          await connection.call(tool, input, call),
          this.tools.get(tool)?.outputSchema,
        );
        if (result.isError) throw new ToolFailure(result.failure(this.#secrets));
        return result;
      } catch (error) {
        if (error instanceof ToolFailure || call.signal.aborted) throw error;
        const failure = mcpFailure(error, connection.sessionId);
        if (failure === 'session' || failure === 'unsent') this.#forget(connection);
        if (failure === 'session' && attempt === 1) continue;
        if (failure === 'unknown') throw error;
        const detail = this.#secrets.text(error instanceof Error ? error.message : String(error));
        this.#log.warn({ server: this.name, tool, detail }, 'A tool server did not take a call');
        const what = failure === 'unsent' ? 'cannot be reached' : `refused the call: ${refusalOf(error)}`;
        throw new ToolFailure(`The tool server "${this.name}" ${what}. The call was not made.`);
      }
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const attempt = this.#attempt;
    attempt?.cancel(new Error('The runtime is stopping'));
    await attempt?.connected.catch(() => {});
    await Promise.all([...this.#connections].map((connection) => connection.close()));
  }

  /** Connects if necessary, and waits until the attempt has taken `ms`. @throws ENGINE_UNAVAILABLE */
  async #connected(ms: number): Promise<McpConnection> {
    return this.#connection ?? this.#wait(this.#connecting().begunAt + ms - performance.now());
  }

  /** Waits for the attempt to connect. @throws ENGINE_UNAVAILABLE */
  async #wait(ms: number): Promise<McpConnection> {
    const attempt = this.#connecting();
    const connection = await within(attempt.connected, Math.max(ms, 0));
    if (connection) return connection;
    if (!attempt.isReported) this.#log.warn({ server: this.name }, 'A tool server is still starting');
    attempt.isReported = true;
    throw new RuntimeError(
      'ENGINE_UNAVAILABLE',
      `The tool server "${this.name}" is still starting: try again later`,
    );
  }

  #connecting(): Attempt {
    if (this.#attempt) return this.#attempt;
    const controller = new AbortController();
    const cancel = (reason: Error): void => controller.abort(reason);
    const timer = setTimeout(
      () => cancel(new Error(`It did not answer within ${this.#attemptMs} ms`)),
      this.#attemptMs,
    );
    const connected = this.#connect(controller.signal).finally(() => {
      clearTimeout(timer);
      this.#attempt = null;
    });
    connected.catch(() => {});
    this.#attempt = { connected, begunAt: performance.now(), isReported: false, cancel };
    return this.#attempt;
  }

  async #connect(signal: AbortSignal): Promise<McpConnection> {
    const connection = new McpConnection(this.#host);
    const cancelled = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    const open = async (): Promise<ToolList> => {
      if (this.#isClosed) throw new Error('The runtime is stopping');
      const transport = await this.#transport();
      signal.throwIfAborted();
      this.#connections.add(connection);
      await connection.open(transport, signal);
      return connection.list(signal);
    };
    try {
      this.#adopt(await Promise.race([open(), cancelled]));
      this.#connection = connection;
      this.#hasFailed = false;
      return connection;
    } catch (cause) {
      this.#hasFailed = true;
      await connection.close();
      this.#connections.delete(connection);
      const detail = cause instanceof Error ? this.#secrets.text(cause.message) : undefined;
      this.#log.warn({ server: this.name, detail }, 'A tool server cannot be reached');
      throw new RuntimeError('ENGINE_UNAVAILABLE', `The tool server "${this.name}" cannot be reached`);
    }
  }

  /** Lists the tools again. A connection that the server no longer knows is no longer used. */
  #refresh(connection: McpConnection): Promise<void> {
    this.#refreshing ??= connection
      .list(AbortSignal.timeout(this.#connectMs))
      .then(
        (list) => {
          if (this.#connection === connection) this.#adopt(list);
        },
        (error: unknown) => {
          this.#host.remark(error as Error);
          if (['session', 'unsent'].includes(mcpFailure(error, connection.sessionId)))
            this.#forget(connection);
        },
      )
      .finally(() => {
        this.#refreshing = null;
        if (!this.#isStale) return;
        this.#isStale = false;
        if (this.#connection === connection) void this.#refresh(connection);
      });
    return this.#refreshing;
  }

  #adopt(list: ToolList): void {
    const { leftOut, cut } = list;
    const found = leftOut.filter(({ name, reason }) => this.reasonLeftOut(name) !== reason);
    this.#list = list;
    const { name: server } = this;
    if (cut !== null)
      this.#log.warn({ server, reason: cut }, 'The list of tools of a server was not read to its end');
    if (found.length === 0) return;
    const tools = found
      .slice(0, MAX_LOGGED_TOOLS)
      .map(({ name, reason }) => this.#secrets.text(`${name}: ${reason}`));
    this.#log.warn({ server, tools, leftOut: leftOut.length }, 'Tools of a server are not offered');
  }

  /** Ends the use of a connection. Its calls in progress continue. */
  #forget(connection: McpConnection): void {
    if (this.#connection === connection) this.#connection = null;
    connection.retire();
  }

  async #transport(): Promise<Transport> {
    const server = this.#server;
    if ('url' in server) {
      const readKey = () => this.#secrets.read(server, `the tool server "${this.name}"`);
      return new McpHttpTransport(new URL(server.url), MAX_MESSAGE_BYTES, readKey);
    }
    const missing = server.env.find((name) => process.env[name] === undefined);
    if (missing !== undefined) throw new Error(`The environment variable ${missing} is not set`);
    const { variables, values } = await childEnvironment(server);
    for (const value of values) this.#secrets.addSecret(value);
    const { command, args, cwd } = server;
    const env = { ...variables, ...(await this.#mark()) };
    return new McpProcessTransport({ command, args, cwd, env }, MAX_MESSAGE_BYTES, (text) =>
      this.#log.debug(
        { server: this.name, stderr: this.#secrets.text(text.slice(0, 2_000)) },
        'A tool server wrote to standard error',
      ),
    );
  }
}
