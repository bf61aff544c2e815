import { Readable, Writable } from 'node:stream';
import {
  type AgentConnection,
  type AgentContext,
  agent,
  type ContentBlock,
  methods,
  ndJsonStream,
  PROTOCOL_VERSION,
  type PromptResponse,
  RequestError,
} from '@agentclientprotocol/sdk';
import type { RuntimeClient } from '@worker-runtime/client';
import type { CreateWorker } from '@worker-runtime/core';
import { EditorPrompt } from './editor-prompt.ts';
import { pastUpdates } from './worker-speech.ts';

/** The code of JSON-RPC for a call that the runtime refuses. The data has the runtime's own code. */
const REFUSED = -32_010;

export interface EditorSessionsOptions {
  readonly client: RuntimeClient;
  /** The specification of the Worker of each session. */
  readonly worker: CreateWorker;
  /** The mode in which each session claims the folder of its editor; undefined claims nothing. */
  readonly claimFolder: 'read' | 'write' | undefined;
  /** Returns the message of this command line for an error of the runtime. */
  readonly messageOf: (error: unknown) => string;
}

/**
 * Presents the Workers of a runtime as sessions of one agent. A session has the id of its Worker. If sessions claim their
 * folder, only the session in use holds the claim: idle sessions of the same editor and folder are stopped first.
 */
export class EditorSessions {
  readonly #options: EditorSessionsOptions;
  /** The prompts of each session that are not answered. An editor may send one while another is being worked on. */
  readonly #prompts = new Map<string, Set<EditorPrompt>>();
  /** The folders that sessions of this editor claim, by session id. */
  readonly #folders = new Map<string, string>();

  constructor(options: EditorSessionsOptions) {
    this.#options = options;
  }

  serve(version: string): AgentConnection {
    return agent({ name: 'worker-runtime' })
      .onRequest(methods.agent.initialize, () => ({
        protocolVersion: PROTOCOL_VERSION,
        agentInfo: { name: 'worker-runtime', version },
        agentCapabilities: {
          loadSession: true,
          promptCapabilities: { embeddedContext: true },
          sessionCapabilities: { resume: {}, close: {} },
        },
      }))
      .onRequest(methods.agent.session.new, ({ params }) =>
        this.#withProtocolErrors('', () => this.#create(params.cwd)),
      )
      .onRequest(methods.agent.session.resume, ({ params: { sessionId, cwd } }) =>
        this.#withProtocolErrors(sessionId, () => this.#resume(sessionId, cwd)),
      )
      .onRequest(methods.agent.session.load, ({ params: { sessionId, cwd }, client }) =>
        this.#withProtocolErrors(sessionId, () => this.#load(sessionId, cwd, client)),
      )
      .onRequest(methods.agent.session.close, ({ params: { sessionId } }) =>
        this.#withProtocolErrors(sessionId, () => this.#close(sessionId)),
      )
      .onRequest(methods.agent.session.prompt, ({ params: { sessionId, prompt }, client }) =>
        this.#withProtocolErrors(sessionId, async () => {
          const folder = this.#folders.get(sessionId);
          if (folder !== undefined) await this.#resume(sessionId, folder);
          return this.#prompt(sessionId, client, prompt);
        }),
      )
      .onNotification(methods.agent.session.cancel, ({ params }) => this.#cancel(params.sessionId))
      .connect(
        ndJsonStream(
          Writable.toWeb(process.stdout),
          Readable.toWeb(process.stdin) as ReadableStream<Uint8Array>,
        ),
      );
  }

  /** Stops the idle sessions that claim a folder, after the editor has closed. The Workers remain. */
  async releaseFolders(): Promise<void> {
    for (const folder of new Set(this.#folders.values())) await this.#stopIdle(folder, null);
  }

  async #prompt(sessionId: string, editor: AgentContext, blocks: ContentBlock[]): Promise<PromptResponse> {
    const prompt = new EditorPrompt(this.#options.client, editor, sessionId);
    const open = this.#prompts.get(sessionId) ?? new Set();
    this.#prompts.set(sessionId, open.add(prompt));
    try {
      return await prompt.run(blocks);
    } finally {
      open.delete(prompt);
      if (open.size === 0) this.#prompts.delete(sessionId);
    }
  }

  /** Cancels the active run of a session, also one that another client has started; else the prompt that is being sent. */
  async #cancel(sessionId: string): Promise<void> {
    const prompts = [...(this.#prompts.get(sessionId) ?? [])];
    if (prompts.length > 0 && prompts.every(({ isSent }) => !isSent)) prompts[0]?.cancelWhenSent();
    else await this.#options.client.cancelRun(sessionId).catch(() => {});
  }

  async #create(cwd: string): Promise<{ readonly sessionId: string }> {
    const { client, worker, claimFolder } = this.#options;
    if (claimFolder === undefined) return { sessionId: (await client.createWorker(worker)).worker.workerId };
    let end = cwd.length;
    while (end > 1 && cwd[end - 1] === '/') end -= 1;
    const folder = cwd.slice(0, end);
    await this.#stopIdle(folder, null);
    const claims = [{ name: 'folder', resource: `fs:${folder}`, mode: claimFolder }] as const;
    const { workerId } = (await client.createWorker({ ...worker, claims })).worker;
    this.#folders.set(workerId, folder);
    return { sessionId: workerId };
  }

  async #resume(workerId: string, cwd: string): Promise<Record<string, never>> {
    const { client, claimFolder } = this.#options;
    if (claimFolder !== undefined) {
      await this.#stopIdle(cwd, workerId);
      this.#folders.set(workerId, cwd);
    }
    const { status } = await client.getWorker(workerId);
    if (status === 'stopped') await client.resumeWorker(workerId);
    return {};
  }

  async #load(workerId: string, cwd: string, editor: AgentContext): Promise<Record<string, never>> {
    const { client } = this.#options;
    await this.#resume(workerId, cwd);
    for (let after: string | null = 'start'; after !== null; ) {
      const page: Awaited<ReturnType<RuntimeClient['transcript']>> = await client.transcript(workerId, {
        after,
      });
      for (const update of page.items.flatMap(pastUpdates))
        await editor.notify(methods.client.session.update, { sessionId: workerId, update });
      after = page.next;
    }
    return {};
  }

  async #close(workerId: string): Promise<Record<string, never>> {
    this.#folders.delete(workerId);
    await this.#options.client.stopWorker(workerId, { reason: 'closed in the editor' });
    return {};
  }

  /** Stops the idle sessions of this editor that claim a folder, except one. */
  async #stopIdle(folder: string, except: string | null): Promise<void> {
    const { client } = this.#options;
    for (const [workerId, claimed] of this.#folders) {
      if (claimed !== folder || workerId === except || this.#prompts.has(workerId)) continue;
      // a Worker that another client uses or has deleted is not stopped
      const worker = await client.getWorker(workerId).catch(() => null);
      if (worker?.status === 'idle') await client.stopWorker(workerId, { reason: 'idle in the editor' });
    }
  }

  /** Converts errors of the runtime to errors of the protocol. */
  async #withProtocolErrors<T>(sessionId: string, act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      if (error instanceof RequestError) throw error;
      const { code } = error as { readonly code?: unknown };
      if (code === 'WORKER_NOT_FOUND') throw RequestError.resourceNotFound(sessionId);
      const message = this.#options.messageOf(error);
      if (typeof code !== 'string' || code === 'INTERNAL')
        throw RequestError.internalError(undefined, message);
      throw new RequestError(REFUSED, message, { code });
    }
  }
}
