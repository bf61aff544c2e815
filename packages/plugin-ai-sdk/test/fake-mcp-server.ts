import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ExecutionContext } from 'ava';

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
}

/** A call of a tool, as the server got it. */
export interface FakeCall {
  readonly name: string;
  readonly arguments: unknown;
  readonly _meta?: unknown;
}

/** A tool that every test can offer. */
export const LOOK = { name: 'look', description: 'Looks.', inputSchema: { type: 'object', properties: {} } };

/** Returns a result that consists of one text. */
export const textResult = (text: string) => ({ content: [{ type: 'text', text }] });

const json = (response: ServerResponse, status: number, body: unknown, headers: object = {}): void => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(body === null ? '' : JSON.stringify(body));
};

/** The time for which an idle connection stays open. A client that is starved reuses one late, and must find it open. */
const KEEP_ALIVE_MS = 600_000;

/** A tool server over Streamable HTTP that sends what a test wants, also what the official server refuses to send. */
export class FakeMcpServer {
  tools: unknown = [LOOK];
  /** The calls that were taken. */
  readonly calls: FakeCall[] = [];
  /** The cursors of the requests for a list. */
  readonly lists: unknown[] = [];
  initializations = 0;
  /** The keys of all requests. */
  readonly keys: (string | undefined)[] = [];
  /** The key that is required. Each session belongs to the key that began it. */
  key: string | null = null;
  /** The answer to a session that does not exist: a status, or an error of JSON-RPC. */
  unknownSession: number | { readonly code: number; readonly message: string } = 404;
  /** Returns a page of the list. */
  page: (cursor: unknown) => unknown = () => ({ tools: this.tools });
  /** Answers a call with a result. */
  call: (call: FakeCall) => unknown = () => textResult('seen');
  /** Answers a request for a call in place of `call`. */
  respond: ((id: number, response: ServerResponse, call: FakeCall) => void) | null = null;
  /** Continues a stream after the event with this id. Without it, streams cannot be resumed. */
  resume: ((lastEventId: string, response: ServerResponse) => void) | null = null;
  #sessions = new Map<string, string | undefined>();
  #initialized: Promise<void> = Promise.resolve();
  #server: Server | null = null;
  #port = 0;

  static async open(t: ExecutionContext): Promise<FakeMcpServer> {
    const fake = new FakeMcpServer();
    await fake.listen();
    t.teardown(() => fake.close());
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/mcp`;
  }

  /** Begins to listen, at the same port as before. */
  async listen(): Promise<void> {
    this.#server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    if (!this.#server?.listening) return;
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  /** Forgets all sessions, as a server does that is deployed again. */
  forget(): void {
    this.#sessions = new Map();
  }

  /** Answers no request to initialize until the returned function is called. */
  hold(): () => void {
    let release = (): void => {};
    this.#initialized = new Promise((resolve) => {
      release = resolve;
    });
    return release;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const lastEventId = request.headers['last-event-id'];
    if (this.resume && typeof lastEventId === 'string') return this.resume(lastEventId, response);
    if (request.method !== 'POST') return json(response, 405, null);
    const { id, method, params = {} } = JSON.parse(Buffer.concat(chunks).toString()) as Message;
    const key = request.headers.authorization;
    this.keys.push(key);
    if (this.key !== null && key !== `Bearer ${this.key}`) return json(response, 401, null);
    const result = (value: unknown, headers?: object) =>
      json(response, 200, { jsonrpc: '2.0', id, result: value }, headers);
    if (method === 'initialize') {
      this.initializations += 1;
      await this.#initialized;
      const session = randomUUID();
      this.#sessions.set(session, key);
      const capabilities = { tools: { listChanged: true } };
      const serverInfo = { name: 'fake', version: '1' };
      const { protocolVersion } = params;
      return result({ protocolVersion, capabilities, serverInfo }, { 'mcp-session-id': session });
    }
    const session = String(request.headers['mcp-session-id']);
    if (!this.#sessions.has(session) || this.#sessions.get(session) !== key) {
      if (typeof this.unknownSession === 'number') return json(response, this.unknownSession, null);
      return json(response, 200, { jsonrpc: '2.0', id, error: this.unknownSession });
    }
    if (id === undefined) return json(response, 202, null);
    if (method === 'tools/list') {
      this.lists.push(params.cursor);
      return result(this.page(params.cursor));
    }
    const call = params as unknown as FakeCall;
    this.calls.push(call);
    if (this.respond) return this.respond(id, response, call);
    const answer = this.call(call) as { readonly error?: unknown };
    if (answer?.error) return json(response, 200, { jsonrpc: '2.0', id, error: answer.error });
    result(answer);
  }
}
