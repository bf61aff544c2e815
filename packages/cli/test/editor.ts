/** An editor that starts `worker-runtime acp` and records what it receives: the client side of the official SDK. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Readable, Writable } from 'node:stream';
import {
  type ClientConnection,
  type ContentBlock,
  client,
  type ListSessionsResponse,
  type McpServer,
  methods,
  ndJsonStream,
  PROTOCOL_VERSION,
  type PromptResponse,
  type RequestPermissionRequest,
  type SessionUpdate,
} from '@agentclientprotocol/sdk';
import type { ExecutionContext } from 'ava';
import { main } from './program.ts';

const textOf = (content: ContentBlock): string => {
  if (content.type === 'text') return content.text;
  return 'data' in content ? `<${content.mimeType} ${content.data}>` : `<${content.type}>`;
};

const lineOf = (update: SessionUpdate): string => {
  switch (update.sessionUpdate) {
    case 'agent_message_chunk':
    case 'user_message_chunk':
      return `${update.sessionUpdate.split('_', 1)[0]}: ${textOf(update.content)}`;
    case 'tool_call':
      return `call ${update.title} ${JSON.stringify(update.rawInput)}`;
    case 'tool_call_update':
      return `${update.status} ${JSON.stringify(update.rawOutput)}`;
    default:
      return update.sessionUpdate;
  }
};

export class Editor {
  /** The updates received, with the chunks of one message joined. */
  readonly lines: string[] = [];
  readonly asked: RequestPermissionRequest[] = [];
  readonly calls: SessionUpdate[] = [];
  /** Answers a permission request with an option, or with null to cancel it. */
  answer: (request: RequestPermissionRequest) => string | null | Promise<string | null> = () => null;
  readonly #connection: ClientConnection;
  readonly #quit: () => Promise<number | null>;
  #onUpdate: () => void = () => {};
  #message: string | null = null;

  constructor(t: ExecutionContext, place: string, args: readonly string[]) {
    const child = spawn(process.execPath, [main, 'acp', ...args], {
      cwd: place,
      env: { ...process.env, HOME: place },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    t.teardown(async () => {
      child.kill('SIGKILL');
      await exited;
    });
    this.#quit = async () => {
      child.stdin.end();
      return ((await exited) as [number | null])[0];
    };
    this.#connection = client({ name: 'test-editor' })
      .onNotification(methods.client.session.update, ({ params }) => this.#record(params.update))
      .onRequest(methods.client.session.requestPermission, async ({ params }) => {
        this.asked.push(params);
        const optionId = await this.answer(params);
        return { outcome: optionId === null ? { outcome: 'cancelled' } : { outcome: 'selected', optionId } };
      })
      .connect(
        ndJsonStream(Writable.toWeb(child.stdin), Readable.toWeb(child.stdout) as ReadableStream<Uint8Array>),
      );
  }

  async open(): Promise<void> {
    await this.#connection.agent.request(methods.agent.initialize, {
      protocolVersion: PROTOCOL_VERSION,
      clientCapabilities: {},
    });
  }

  async newSession(cwd: string, mcpServers: McpServer[] = []): Promise<string> {
    const { sessionId } = await this.#connection.agent.request(methods.agent.session.new, {
      cwd,
      mcpServers,
    });
    return sessionId;
  }

  async load(sessionId: string, cwd: string): Promise<void> {
    await this.#connection.agent.request(methods.agent.session.load, { sessionId, cwd, mcpServers: [] });
  }

  async close(sessionId: string): Promise<void> {
    await this.#connection.agent.request(methods.agent.session.close, { sessionId });
  }

  list(query: { readonly cwd?: string; readonly cursor?: string } = {}): Promise<ListSessionsResponse> {
    return this.#connection.agent.request(methods.agent.session.list, query);
  }

  prompt(sessionId: string, text: string, ...more: ContentBlock[]): Promise<PromptResponse> {
    return this.#connection.agent.request(methods.agent.session.prompt, {
      sessionId,
      prompt: [{ type: 'text', text }, ...more],
    });
  }

  /** Sends a prompt of any blocks. */
  promptOf(sessionId: string, ...prompt: ContentBlock[]): Promise<PromptResponse> {
    return this.#connection.agent.request(methods.agent.session.prompt, { sessionId, prompt });
  }

  async cancel(sessionId: string): Promise<void> {
    await this.#connection.agent.notify(methods.agent.session.cancel, { sessionId });
  }

  /** Resolves when a line was received. The answer to a prompt may arrive before the last updates of its run. */
  async receives(line: string): Promise<void> {
    while (!this.lines.includes(line))
      await new Promise<void>((resolve) => {
        this.#onUpdate = resolve;
      });
  }

  /** Closes standard input, as an editor does when it quits. Returns the exit code. */
  quit(): Promise<number | null> {
    return this.#quit();
  }

  #record(update: SessionUpdate): void {
    if (update.sessionUpdate === 'tool_call') this.calls.push(update);
    const line = lineOf(update);
    const isChunk =
      update.sessionUpdate === 'agent_message_chunk' || update.sessionUpdate === 'user_message_chunk';
    const message = isChunk ? (update.messageId ?? null) : null;
    if (message !== null && message === this.#message)
      this.lines[this.lines.length - 1] += line.slice(line.indexOf(': ') + 2);
    else this.lines.push(line);
    this.#message = message;
    this.#onUpdate();
  }
}
