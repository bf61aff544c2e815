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
import type { RuntimeClient } from '@worker-runtime/client';
import type { CreateWorker } from '@worker-runtime/core';
import { EditorPrompt } from './editor-prompt.ts';
import { pastUpdates } from './worker-speech.ts';

export interface EditorSessionsOptions {
  readonly client: RuntimeClient;
  /** What each session is created as. */
  readonly worker: CreateWorker;
  /** How each session claims the folder that its editor names; undefined where it does not. */
  readonly claimFolder: 'read' | 'write' | undefined;
  /** What a refusal of the runtime is in the words of this command line. */
  readonly wordsOf: (error: unknown) => string;
}

/**
 * The Workers of a runtime as sessions of one agent. A session has the id of its Worker. Where sessions claim their
 * folder, the one that is worked in has it: another one of the same editor that is idle is stopped meanwhile.
 */
export class EditorSessions {
  readonly #options: EditorSessionsOptions;
  readonly #prompts = new Map<string, EditorPrompt>();
  /** The folders that sessions of this editor claim, by session. */
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
      .onRequest(methods.agent.session.new, ({ params }) => this.#told('', () => this.#create(params.cwd)))
      .onRequest(methods.agent.session.resume, ({ params: { sessionId, cwd } }) =>
        this.#told(sessionId, () => this.#resume(sessionId, cwd)),
      )
      .onRequest(methods.agent.session.load, ({ params: { sessionId, cwd }, client }) =>
        this.#told(sessionId, () => this.#load(sessionId, cwd, client)),
      )
      .onRequest(methods.agent.session.close, ({ params: { sessionId } }) =>
        this.#told(sessionId, () => this.#close(sessionId)),
      )
      .onRequest(methods.agent.session.prompt, ({ params: { sessionId, prompt }, client }) =>
        this.#told(sessionId, async () => {
          const folder = this.#folders.get(sessionId);
          if (folder !== undefined) await this.#resume(sessionId, folder);
          const turn = new EditorPrompt(this.#options.client, client, sessionId);
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

  /** The editor is gone: its sessions stay, and claim nothing any more unless they are at work. */
  async leave(): Promise<void> {
    for (const folder of new Set(this.#folders.values())) await this.#yield(folder, null);
  }

  async #create(cwd: string): Promise<{ readonly sessionId: string }> {
    const { client, worker, claimFolder } = this.#options;
    if (claimFolder === undefined) return { sessionId: (await client.createWorker(worker)).worker.workerId };
    const folder = cwd.replace(/(?!^)\/+$/, '');
    await this.#yield(folder, null);
    const claims = [{ name: 'folder', resource: `fs:${folder}`, mode: claimFolder }] as const;
    const { workerId } = (await client.createWorker({ ...worker, claims })).worker;
    this.#folders.set(workerId, folder);
    return { sessionId: workerId };
  }

  async #resume(workerId: string, cwd: string): Promise<Record<string, never>> {
    const { client, claimFolder } = this.#options;
    if (claimFolder !== undefined) {
      await this.#yield(cwd, workerId);
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

  /** Stops the idle sessions of this editor that claim a folder, but one. */
  async #yield(folder: string, except: string | null): Promise<void> {
    const { client } = this.#options;
    for (const [workerId, claimed] of this.#folders) {
      if (claimed !== folder || workerId === except || this.#prompts.has(workerId)) continue;
      // somebody else may use it, or have deleted it: then it is left as it is
      const worker = await client.getWorker(workerId).catch(() => null);
      if (worker?.status === 'idle') await client.stopWorker(workerId, { reason: 'left in the editor' });
    }
  }

  /** What the runtime refuses, as an error of the protocol. */
  async #told<T>(sessionId: string, act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      if (error instanceof RequestError) throw error;
      throw (error as { readonly code?: unknown }).code === 'WORKER_NOT_FOUND'
        ? RequestError.resourceNotFound(sessionId)
        : RequestError.internalError(undefined, this.#options.wordsOf(error));
    }
  }
}
