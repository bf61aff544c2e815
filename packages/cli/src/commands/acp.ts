import { Readable, Writable } from 'node:stream';
import {
  type AgentConnection,
  type AgentContext,
  agent,
  methods,
  ndJsonStream,
  PROTOCOL_VERSION,
  RequestError,
} from '@agentclientprotocol/sdk';
import type { CreateWorker, JsonObject } from '@worker-runtime/core';
import { EditorPrompt } from '../acp/editor-prompt.ts';
import { pastUpdates } from '../acp/worker-speech.ts';
import type { Output } from '../output.ts';
import { type ClientFlags, failureOf, inSession, type Session } from '../session.ts';

export interface AcpFlags extends ClientFlags {
  readonly engine: string;
  readonly tool: readonly string[] | undefined;
  readonly engineConfig: JsonObject | undefined;
  readonly claimFolder: 'read' | 'write' | undefined;
}

/** The Workers of a runtime as sessions of one agent. A session has the id of its Worker. */
class EditorSessions {
  readonly #session: Session;
  readonly #flags: AcpFlags;
  readonly #prompts = new Map<string, EditorPrompt>();

  constructor(session: Session, flags: AcpFlags) {
    this.#session = session;
    this.#flags = flags;
  }

  serve(version: string): AgentConnection {
    return agent({ name: 'worker-runtime' })
      .onRequest(methods.agent.initialize, () => ({
        protocolVersion: PROTOCOL_VERSION,
        agentInfo: { name: 'worker-runtime', version },
        agentCapabilities: {
          loadSession: true,
          promptCapabilities: { embeddedContext: true },
          sessionCapabilities: { resume: {} },
        },
      }))
      .onRequest(methods.agent.session.new, ({ params }) => this.#told(() => this.#create(params.cwd)))
      .onRequest(methods.agent.session.resume, ({ params }) =>
        this.#told(() => this.#resume(params.sessionId)),
      )
      .onRequest(methods.agent.session.load, ({ params, client }) =>
        this.#told(() => this.#load(params.sessionId, client)),
      )
      .onRequest(methods.agent.session.prompt, ({ params: { sessionId, prompt }, client }) =>
        this.#told(async () => {
          const turn = new EditorPrompt(this.#session.client, client, sessionId);
          this.#prompts.set(sessionId, turn);
          return turn.play(prompt).finally(() => this.#prompts.delete(sessionId));
        }),
      )
      .onNotification(methods.agent.session.cancel, async ({ params }) => {
        await this.#prompts.get(params.sessionId)?.cancel();
      })
      .connect(
        ndJsonStream(
          Writable.toWeb(process.stdout),
          Readable.toWeb(process.stdin) as ReadableStream<Uint8Array>,
        ),
      );
  }

  async #create(cwd: string): Promise<{ readonly sessionId: string }> {
    const { engine, tool, engineConfig, claimFolder } = this.#flags;
    const request: CreateWorker = {
      engine,
      ...(tool && { tools: tool }),
      ...(engineConfig && { config: engineConfig }),
      ...(claimFolder && {
        claims: [{ name: 'folder', resource: `fs:${cwd.replace(/(?!^)\/+$/, '')}`, mode: claimFolder }],
      }),
    };
    const { worker } = await this.#session.client.createWorker(request);
    return { sessionId: worker.workerId };
  }

  async #resume(workerId: string): Promise<Record<string, never>> {
    const { status } = await this.#session.client.getWorker(workerId);
    if (status === 'stopped') await this.#session.client.resumeWorker(workerId);
    return {};
  }

  async #load(workerId: string, editor: AgentContext): Promise<Record<string, never>> {
    await this.#resume(workerId);
    for (let after: string | null = 'start'; after !== null; ) {
      const page: Awaited<ReturnType<Session['client']['transcript']>> =
        await this.#session.client.transcript(workerId, { after });
      for (const update of page.items.flatMap(pastUpdates))
        await editor.notify(methods.client.session.update, { sessionId: workerId, update });
      after = page.next;
    }
    return {};
  }

  /** What the runtime refuses, in the words of this command line. */
  async #told<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      if (error instanceof RequestError) throw error;
      const failure = failureOf(error, this.#flags.url);
      const message = failure instanceof Error ? failure.message : String(failure);
      throw (error as { readonly code?: unknown }).code === 'WORKER_NOT_FOUND'
        ? RequestError.resourceNotFound(message)
        : RequestError.internalError(undefined, message);
    }
  }
}

/** Speaks the protocol over standard input and output until the editor closes them. Its Workers stay. */
export const acp = (flags: AcpFlags, output: Output): Promise<void> =>
  inSession(flags, output, async (session) => {
    const { version } = await import('@worker-runtime/core');
    await new EditorSessions(session, flags).serve(version).closed.catch(() => {});
  });
