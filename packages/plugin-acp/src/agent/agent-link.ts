import { type Readable, Writable } from 'node:stream';
import {
  type AgentCapabilities,
  type AnyMessage,
  type ClientConnection,
  type ContentBlock,
  client,
  methods,
  ndJsonStream,
  PROTOCOL_VERSION,
  type PromptResponse,
  type RequestPermissionRequest,
  type RequestPermissionResponse,
  type SessionNotification,
  type SessionUpdate,
} from '@agentclientprotocol/sdk';
import { RuntimeError, version } from '@worker-runtime/core';
import type { ClaimedFiles } from '../worker/claimed-files.ts';
import type { AgentProcess } from './agent-process.ts';
import { RequestGate } from './request-gate.ts';

/** Receives the updates and permission requests of an agent. */
export interface AgentListener {
  /** Called for each update, in the order in which the agent sent them. */
  update(session: string, update: SessionUpdate): void;
  /** Resolves when the listener can take more updates. */
  room(): Promise<void>;
  permission(request: RequestPermissionRequest): Promise<RequestPermissionResponse>;
}

const isUpdate = (message: AnyMessage): message is AnyMessage & { readonly params: SessionNotification } =>
  'method' in message && message.method === methods.client.session.update;

/**
 * The connection to one agent, over the official SDK. Session updates are taken off the stream before the SDK sees
 * them, for two reasons: the SDK answers a prompt before it has called the handlers of all earlier updates, and it
 * reads on without any limit. For the same reason, requests pass a gate before the SDK sees them.
 */
export class AgentLink {
  readonly #connection: ClientConnection;
  readonly #gate = new RequestGate();

  constructor(process: AgentProcess, files: ClaimedFiles, listener: AgentListener, maxMessageBytes: number) {
    const app = client({ name: 'worker-runtime' })
      .onRequest(methods.client.session.requestPermission, ({ params }) => listener.permission(params))
      .onRequest(methods.client.fs.readTextFile, async ({ params: { path, line, limit } }) => ({
        content: await files.read(path, line ?? null, limit ?? null),
      }))
      .onRequest(methods.client.fs.writeTextFile, async ({ params: { path, content } }) => {
        await files.write(path, content);
      });
    const { readable, writable } = ndJsonStream(
      Writable.toWeb(process.input),
      this.#gated(process.output, listener),
      { maxMessageBytes },
    );
    const withoutUpdates = readable.pipeThrough(
      new TransformStream<AnyMessage, AnyMessage>({
        transform: async (message, controller) => {
          if (!isUpdate(message)) {
            if (await this.#gate.admits(message)) controller.enqueue(message);
            return;
          }
          const { sessionId, update } = message.params ?? {};
          // A malformed update is ignored, because one is no reason to end the agent.
          if (typeof sessionId === 'string' && typeof update?.sessionUpdate === 'string')
            listener.update(sessionId, update);
        },
      }),
    );
    const writer = writable.getWriter();
    const counted = new WritableStream<AnyMessage>({
      write: async (message) => {
        this.#gate.sending(message);
        try {
          await writer.write(message);
        } finally {
          this.#gate.sent(message);
        }
      },
      close: () => writer.close(),
      abort: (reason) => writer.abort(reason),
    });
    this.#connection = app.connect({ readable: withoutUpdates, writable: counted });
    void this.closed.then(() => this.#gate.close());
  }

  /** Resolves when the connection has closed, for any reason. */
  get closed(): Promise<void> {
    return this.#connection.closed.catch(() => {});
  }

  /** @throws ENGINE_UNAVAILABLE the agent uses another protocol version · any error of the connection */
  async initialize(files: ClaimedFiles): Promise<AgentCapabilities> {
    const { protocolVersion, agentCapabilities = {} } = await this.#connection.agent.request(
      methods.agent.initialize,
      {
        protocolVersion: PROTOCOL_VERSION,
        clientInfo: { name: 'worker-runtime', version },
        clientCapabilities: {
          fs: { readTextFile: files.canRead, writeTextFile: files.canWrite },
          terminal: false,
        },
      },
    );
    if (protocolVersion !== PROTOCOL_VERSION)
      throw new RuntimeError(
        'ENGINE_UNAVAILABLE',
        'The agent uses an unsupported version of the Agent Client Protocol',
      );
    return agentCapabilities;
  }

  async newSession(cwd: string): Promise<string> {
    const { sessionId } = await this.#connection.agent.request(methods.agent.session.new, {
      cwd,
      mcpServers: [],
    });
    return sessionId;
  }

  /** Opens a session of an earlier process. @throws the agent no longer has the session */
  async reopen(sessionId: string, cwd: string, capabilities: AgentCapabilities): Promise<void> {
    const { agent } = this.#connection;
    const request = { sessionId, cwd, mcpServers: [] };
    if (capabilities.sessionCapabilities?.resume) await agent.request(methods.agent.session.resume, request);
    else await agent.request(methods.agent.session.load, request);
  }

  prompt(sessionId: string, prompt: ContentBlock[]): Promise<PromptResponse> {
    return this.#connection.agent.request(methods.agent.session.prompt, { sessionId, prompt });
  }

  async cancel(sessionId: string): Promise<void> {
    await this.#connection.agent.notify(methods.agent.session.cancel, { sessionId }).catch(() => {});
  }

  close(): void {
    this.#connection.close();
  }

  /** Reads only while the listener and the gate have room. Otherwise the pipe fills up, and the agent has to wait. */
  #gated(output: Readable, listener: AgentListener): ReadableStream<Uint8Array> {
    const chunks = output[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          await listener.room();
          await this.#gate.room();
          const { done, value } = await chunks.next().catch(() => ({ done: true, value: undefined }));
          if (done || value === undefined) controller.close();
          else controller.enqueue(value);
        },
        cancel: async () => {
          await chunks.return?.();
        },
      },
      { highWaterMark: 0 },
    );
  }
}
