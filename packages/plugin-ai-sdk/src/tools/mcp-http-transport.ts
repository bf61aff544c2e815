import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import {
  ErrorCode,
  isJSONRPCRequest,
  type JSONRPCMessage,
  type RequestId,
} from '@modelcontextprotocol/sdk/types.js';
import { boundedFetch } from '../model/bounded-fetch.ts';

/** A request that was sent and has no answer yet. */
interface OpenRequest {
  /** The id of the last event of its stream, from which the SDK resumes the stream; null if it cannot be resumed. */
  resumeFrom: string | null;
  failedResumes: number;
}

/** The time in which the SDK delivers the messages of a stream that has ended. */
const DELIVERY_MS = 100;
const MAX_RESUMES = 2;

/** Returns the id of the JSON-RPC request that a HTTP request carries; null for notifications and answers. */
const requestIdOf = (init: RequestInit | undefined): RequestId | null => {
  if (typeof init?.body !== 'string') return null;
  const message = JSON.parse(init.body) as JSONRPCMessage;
  return isJSONRPCRequest(message) ? message.id : null;
};

/** Returns a response that calls `ended` when its body has ended, for any reason. */
const watched = (response: Response, ended: () => void): Response => {
  const reader = response.body?.getReader();
  if (!reader || response.status === 202) {
    ended();
    return response;
  }
  const body = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        controller.close();
      } catch (error) {
        controller.error(error);
      }
      ended();
    },
    cancel: (reason) => {
      ended();
      return reader.cancel(reason);
    },
  });
  const { status, statusText, headers } = response;
  return new Response(body, { status, statusText, headers });
};

/**
 * A tool server over Streamable HTTP, with two differences to the transport of the SDK:
 * - A request whose answer can no longer arrive fails at once, not at its timeout.
 * - The key is read for each HTTP request, so that a changed key is used immediately.
 */
export class McpHttpTransport implements Transport {
  onclose?: (() => void) | undefined;
  onerror?: ((error: Error) => void) | undefined;
  onmessage?: ((message: JSONRPCMessage) => void) | undefined;
  readonly #inner: StreamableHTTPClientTransport;
  readonly #fetch: typeof fetch;
  readonly #readKey: () => Promise<string | null>;
  readonly #open = new Map<RequestId, OpenRequest>();

  constructor(url: URL, maxMessageBytes: number, readKey: () => Promise<string | null>) {
    this.#fetch = boundedFetch(maxMessageBytes);
    this.#readKey = readKey;
    this.#inner = new StreamableHTTPClientTransport(url, {
      fetch: (target, init) => this.#request(target, init),
      reconnectionOptions: {
        initialReconnectionDelay: 1_000,
        maxReconnectionDelay: 30_000,
        reconnectionDelayGrowFactor: 1.5,
        maxRetries: MAX_RESUMES,
      },
    });
  }

  get sessionId(): string | undefined {
    return this.#inner.sessionId;
  }

  setProtocolVersion(version: string): void {
    this.#inner.setProtocolVersion(version);
  }

  async start(): Promise<void> {
    this.#inner.onclose = () => this.onclose?.();
    this.#inner.onerror = (error) => this.onerror?.(error);
    this.#inner.onmessage = (message) => {
      if ('id' in message && !('method' in message) && message.id !== undefined)
        this.#open.delete(message.id);
      this.onmessage?.(message);
    };
    await this.#inner.start();
  }

  async send(message: JSONRPCMessage): Promise<void> {
    if (!isJSONRPCRequest(message)) {
      if ('method' in message && message.method === 'notifications/cancelled')
        this.#open.delete(message.params?.requestId as RequestId);
      return this.#inner.send(message);
    }
    const request: OpenRequest = { resumeFrom: null, failedResumes: 0 };
    this.#open.set(message.id, request);
    try {
      await this.#inner.send(message, {
        onresumptiontoken: (token) => {
          request.resumeFrom = token;
          request.failedResumes = 0;
        },
      });
    } catch (error) {
      this.#open.delete(message.id);
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#open.clear();
    await this.#inner.close();
  }

  async #request(target: string | URL, init?: RequestInit): Promise<Response> {
    const headers = new Headers(init?.headers);
    const key = await this.#readKey();
    if (key !== null) headers.set('authorization', `Bearer ${key}`);
    const resumed = this.#resumedBy(headers.get('last-event-id'));
    try {
      const response = await this.#fetch(target, { ...init, headers });
      if (resumed !== null && !response.ok) this.#resumeFailed(resumed, response.status < 500);
      const id = requestIdOf(init);
      return id === null || !response.ok ? response : watched(response, () => this.#ended(id));
    } catch (error) {
      if (resumed !== null) this.#resumeFailed(resumed, false);
      throw error;
    }
  }

  #resumedBy(lastEventId: string | null): RequestId | null {
    if (lastEventId === null) return null;
    for (const [id, { resumeFrom }] of this.#open) if (resumeFrom === lastEventId) return id;
    return null;
  }

  /** `isFinal` is true if the server refused to resume the stream, which it will do again. */
  #resumeFailed(id: RequestId, isFinal: boolean): void {
    const request = this.#open.get(id);
    if (!request) return;
    request.failedResumes += 1;
    if (isFinal || request.failedResumes >= MAX_RESUMES) this.#fail(id);
  }

  #ended(id: RequestId): void {
    setTimeout(() => {
      if (this.#open.get(id)?.resumeFrom === null) this.#fail(id);
    }, DELIVERY_MS);
  }

  #fail(id: RequestId): void {
    this.#open.delete(id);
    const message = 'The connection ended before the answer';
    this.onmessage?.({ jsonrpc: '2.0', id, error: { code: ErrorCode.ConnectionClosed, message } });
  }
}
