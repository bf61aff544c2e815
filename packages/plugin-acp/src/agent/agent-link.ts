import { type Readable, Writable } from 'node:stream';
import {
  type AgentCapabilities,
  type AnyMessage,
  type ClientConnection,
  type ContentBlock,
  client,
  type McpServer,
  methods,
  ndJsonStream,
  PROTOCOL_VERSION,
  type PromptResponse,
  type RequestPermissionResponse,
} from '@agentclientprotocol/sdk';
import { RuntimeError, version } from '@worker-runtime/core';
import { isObject, type ProcessGroup } from '@worker-runtime/core/plugin-kit';
import type { ClaimedFiles } from '../worker/claimed-files.ts';
import { type PermissionRequest, parsePermission } from './permission.ts';
import { RequestGate } from './request-gate.ts';
import type { SignInMethod } from './sign-in.ts';

/** Receives the updates and permission requests of an agent. */
export interface AgentListener {
  /**
   * Called for each update, in the order in which the agent sent them. The update is not checked. The next message of the agent
   * is read when the promise has resolved; it never rejects.
   */
  update(session: string, update: unknown): Promise<void>;
  /** Resolves when the listener can take more updates. */
  room(): Promise<void>;
  permission(request: PermissionRequest): Promise<RequestPermissionResponse>;
}

/** The answer to `initialize`, as far as it is needed. */
export interface AgentFacts {
  readonly capabilities: AgentCapabilities;
  readonly signInMethods: readonly SignInMethod[];
}

/** The working directory and the tool servers of a session. */
export interface SessionPlace {
  readonly cwd: string;
  readonly mcpServers: McpServer[];
}

const isUpdate = (message: AnyMessage): message is AnyMessage & { readonly params?: unknown } =>
  'method' in message && message.method === methods.client.session.update;

/**
 * The connection to one agent, over the official SDK. Session updates are taken off the stream before the SDK sees
 * them, for two reasons: the SDK answers a prompt before it has called the handlers of all earlier updates, and it
 * reads on without any limit. For the same reason, requests pass a gate before the SDK sees them.
 */
export class AgentLink {
  readonly #connection: ClientConnection;
  readonly #gate = new RequestGate();
  readonly #files: ClaimedFiles | null;

  /** Without `files`, the agent is not offered to use files through the runtime. */
  constructor(
    process: ProcessGroup,
    files: ClaimedFiles | null,
    listener: AgentListener,
    maxMessageBytes: number,
  ) {
    this.#files = files;
    // The SDK would refuse a permission request whose options have a kind that it does not know.
    const app = client({ name: 'worker-runtime' }).onRequest(
      methods.client.session.requestPermission,
      parsePermission,
      ({ params }) => listener.permission(params),
    );
    if (files)
      app
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
          const { sessionId, update } = isObject(message.params) ? message.params : {};
          if (typeof sessionId === 'string') await listener.update(sessionId, update);
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
  async initialize(): Promise<AgentFacts> {
    const { protocolVersion, agentCapabilities, authMethods } = await this.#connection.agent.request(
      methods.agent.initialize,
      {
        protocolVersion: PROTOCOL_VERSION,
        clientInfo: { name: 'worker-runtime', version },
        clientCapabilities: {
          fs: {
            readTextFile: this.#files?.canRead ?? false,
            writeTextFile: this.#files?.canWrite ?? false,
          },
          terminal: false,
          // A convention: agents that run terminals by themselves send the output as it is, not formatted for people.
          _meta: { terminal_output: true, terminal_output_delta: true },
          session: { configOptions: { boolean: {} } },
        },
      },
    );
    if (protocolVersion !== PROTOCOL_VERSION)
      throw new RuntimeError(
        'ENGINE_UNAVAILABLE',
        'The agent uses an unsupported version of the Agent Client Protocol',
      );
    return {
      capabilities: agentCapabilities ?? {},
      signInMethods: Array.isArray(authMethods) ? authMethods : [],
    };
  }

  async authenticate(methodId: string): Promise<void> {
    await this.#connection.agent.request(methods.agent.authenticate, { methodId });
  }

  newSession(place: SessionPlace): Promise<{ readonly sessionId: string }> {
    return this.#connection.agent.request(methods.agent.session.new, place);
  }

  /** Reopens a session of an earlier process without its conversation. @throws the agent no longer has the session */
  resumeSession(sessionId: string, place: SessionPlace): Promise<unknown> {
    return this.#connection.agent.request(methods.agent.session.resume, { sessionId, ...place });
  }

  /** Reopens a session of an earlier process, whose updates the agent sends again. @throws as `resumeSession` */
  loadSession(sessionId: string, place: SessionPlace): Promise<unknown> {
    return this.#connection.agent.request(methods.agent.session.load, { sessionId, ...place });
  }

  setMode(sessionId: string, modeId: string): Promise<unknown> {
    return this.#connection.agent.request(methods.agent.session.setMode, { sessionId, modeId });
  }

  /** Chooses a model of an agent that has an earlier version of the protocol. In this one, models are options. */
  setModel(sessionId: string, modelId: string): Promise<unknown> {
    return this.#connection.agent.request('session/set_model', { sessionId, modelId });
  }

  setOption(sessionId: string, configId: string, value: string | boolean): Promise<unknown> {
    return this.#connection.agent.request(methods.agent.session.setConfigOption, {
      sessionId,
      configId,
      ...(typeof value === 'boolean' ? { type: 'boolean', value } : { value }),
    });
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
