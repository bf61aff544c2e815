import { hash } from 'node:crypto';
import { Readable, Writable } from 'node:stream';
import {
  type AgentConnection,
  type AgentContext,
  agent,
  type ContentBlock,
  type ListSessionsRequest,
  type ListSessionsResponse,
  type McpServer,
  methods,
  ndJsonStream,
  PROTOCOL_VERSION,
  type PromptResponse,
} from '@agentclientprotocol/sdk';
import type { RuntimeClient } from '@worker-runtime/client';
import type { CreateWorker, WorkerSummary } from '@worker-runtime/core';
import { editorBlock, inputParts } from './editor-blocks.ts';
import { toEditorFailure } from './editor-failure.ts';
import { EditorPrompt } from './editor-prompt.ts';
import { pastUpdates } from './worker-speech.ts';

export interface EditorSessionsOptions {
  readonly client: RuntimeClient;
  /** The specification of the Worker of each session. */
  readonly worker: CreateWorker;
  /** The mode in which each session claims the folder of its editor; undefined claims nothing. */
  readonly claimFolder: 'read' | 'write' | undefined;
  /** Returns the message of this command line for an error of the runtime. */
  readonly messageOf: (error: unknown) => string;
  /** Writes a remark for the person who looks at the log of the editor. */
  readonly remark: (text: string) => void;
}

/** The label with a digest of the folder of a session. Other clients see labels, and must not see paths. */
const FOLDER_LABEL = 'acp.folder';

/** The number of sessions of one page of a list, roughly. */
const PAGE_SESSIONS = 50;

/**
 * Presents the Workers of a runtime as sessions of one agent. A session has the id of its Worker. If sessions claim their
 * folder, only the session in use holds the claim: idle sessions of the same editor and folder are stopped first.
 */
export class EditorSessions {
  readonly #options: EditorSessionsOptions;
  /** The prompts that have no answer yet, by session id, oldest first. */
  readonly #prompts = new Map<string, Set<EditorPrompt>>();
  /** The folders that this editor has used or asked for, by their digests. */
  readonly #knownFolders = new Map<string, string>();
  /** The names of the tool servers that the editor passed to a session, until a message said that they are not used. */
  readonly #unusedServers = new Map<string, readonly string[]>();
  /** The folders that sessions of this editor claim, by session id. */
  readonly #folders = new Map<string, string>();

  constructor(options: EditorSessionsOptions) {
    this.#options = options;
    this.#folderLabel(process.cwd());
  }

  serve(version: string): AgentConnection {
    return agent({ name: 'worker-runtime' })
      .onRequest(methods.agent.initialize, () => ({
        protocolVersion: PROTOCOL_VERSION,
        agentInfo: { name: 'worker-runtime', version },
        agentCapabilities: {
          loadSession: true,
          // whether a Worker takes a file is known when its prompt is sent
          promptCapabilities: { embeddedContext: true, image: true, audio: true },
          sessionCapabilities: { resume: {}, close: {}, list: {} },
        },
      }))
      .onRequest(methods.agent.session.new, ({ params: { cwd, mcpServers } }) =>
        this.#withProtocolErrors('', async () => {
          const session = await this.#create(cwd);
          this.#noteServers(session.sessionId, mcpServers);
          return session;
        }),
      )
      .onRequest(methods.agent.session.list, ({ params }) =>
        this.#withProtocolErrors('', () => this.#list(params)),
      )
      .onRequest(methods.agent.session.resume, ({ params: { sessionId, cwd, mcpServers = [] } }) =>
        this.#withProtocolErrors(sessionId, async () => {
          await this.#resume(sessionId, cwd);
          this.#noteServers(sessionId, mcpServers);
          return {};
        }),
      )
      .onRequest(methods.agent.session.load, ({ params: { sessionId, cwd, mcpServers }, client }) =>
        this.#withProtocolErrors(sessionId, async () => {
          await this.#load(sessionId, cwd, client);
          this.#noteServers(sessionId, mcpServers);
          return {};
        }),
      )
      .onRequest(methods.agent.session.close, ({ params: { sessionId } }) =>
        this.#withProtocolErrors(sessionId, () => this.#close(sessionId)),
      )
      .onRequest(methods.agent.session.prompt, ({ params: { sessionId, prompt }, client }) =>
        this.#withProtocolErrors(sessionId, () => this.#prompt(sessionId, prompt, client)),
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

  async #prompt(
    sessionId: string,
    content: readonly ContentBlock[],
    editor: AgentContext,
  ): Promise<PromptResponse> {
    const prompt = new EditorPrompt(this.#options.client, editor, sessionId);
    const prompts = this.#prompts.get(sessionId) ?? new Set();
    this.#prompts.set(sessionId, prompts.add(prompt));
    try {
      const folder = this.#folders.get(sessionId);
      if (folder !== undefined) await this.#resume(sessionId, folder);
      await this.#tellUnusedServers(sessionId, editor);
      return await prompt.run(await inputParts(content, this.#options.client, sessionId));
    } finally {
      prompts.delete(prompt);
      if (prompts.size === 0) this.#prompts.delete(sessionId);
    }
  }

  /**
   * Ends the oldest prompt without an answer, or else the run that is active, which another client started. Later prompts
   * were sent after what the person wants to stop, and continue.
   */
  async #cancel(sessionId: string): Promise<void> {
    const [oldest] = this.#prompts.get(sessionId) ?? [];
    try {
      await (oldest ? oldest.cancel() : this.#options.client.cancelRun(sessionId));
    } catch (error) {
      this.#options.remark(`a run could not be cancelled: ${this.#options.messageOf(error)}`);
    }
  }

  #noteServers(sessionId: string, servers: readonly McpServer[]): void {
    if (servers.length === 0) return;
    const names = servers.map(({ name }) => name);
    this.#unusedServers.set(sessionId, names);
    this.#options.remark(unusedText(names));
  }

  /** Tells the editor before the first answer, because it may not know the session before its creation has returned. */
  async #tellUnusedServers(sessionId: string, editor: AgentContext): Promise<void> {
    const names = this.#unusedServers.get(sessionId);
    if (!names) return;
    this.#unusedServers.delete(sessionId);
    await editor.notify(methods.client.session.update, {
      sessionId,
      update: {
        sessionUpdate: 'agent_message_chunk',
        messageId: `servers-${sessionId}`,
        content: { type: 'text', text: `${unusedText(names)}\n\n` },
      },
    });
  }

  /**
   * Lists the Workers that editors created with the same engine in a folder. Without a folder, these are all that this
   * editor has used, and the one that it was started in.
   */
  async #list({ cwd, cursor }: ListSessionsRequest): Promise<ListSessionsResponse> {
    const { client, worker } = this.#options;
    const sessions: ListSessionsResponse['sessions'] = [];
    let after = cursor ?? 'start';
    for (;;) {
      const { items, next } = await client.listWorkers({
        after,
        ...(typeof cwd === 'string' && { labels: this.#folderLabel(cwd) }),
      });
      const created = items.filter(({ engine }) => engine === worker.engine);
      sessions.push(...created.flatMap((summary) => this.#sessionOf(summary)));
      if (next === null) return { sessions };
      if (sessions.length >= PAGE_SESSIONS) return { sessions, nextCursor: next };
      after = next;
    }
  }

  async #create(cwd: string): Promise<{ readonly sessionId: string }> {
    const { client, claimFolder } = this.#options;
    const folder = folderOf(cwd);
    const worker: CreateWorker = { ...this.#options.worker, labels: this.#folderLabel(cwd) };
    if (claimFolder === undefined) return { sessionId: (await client.createWorker(worker)).worker.workerId };
    await this.#stopIdle(folder, null);
    const claims = [{ name: 'folder', resource: `fs:${folder}`, mode: claimFolder }] as const;
    const { workerId } = (await client.createWorker({ ...worker, claims })).worker;
    this.#folders.set(workerId, folder);
    return { sessionId: workerId };
  }

  async #resume(workerId: string, cwd: string): Promise<void> {
    const { client, claimFolder } = this.#options;
    this.#folderLabel(cwd);
    if (claimFolder !== undefined) {
      await this.#stopIdle(cwd, workerId);
      this.#folders.set(workerId, cwd);
    }
    const { status } = await client.getWorker(workerId);
    if (status === 'stopped') await client.resumeWorker(workerId);
  }

  async #load(workerId: string, cwd: string, editor: AgentContext): Promise<void> {
    const { client } = this.#options;
    await this.#resume(workerId, cwd);
    const { archived } = await client.getWorker(workerId);
    for (let after: string | null = archived?.cursor ?? 'start'; after !== null; ) {
      const page: Awaited<ReturnType<RuntimeClient['transcript']>> = await client.transcript(workerId, {
        after,
      });
      for (const item of page.items)
        for await (const update of pastUpdates(item, (file) => editorBlock(file, client, workerId)))
          await editor.notify(methods.client.session.update, { sessionId: workerId, update });
      after = page.next;
    }
  }

  async #close(workerId: string): Promise<Record<string, never>> {
    this.#folders.delete(workerId);
    await this.#options.client.stopWorker(workerId, { reason: 'closed in the editor' });
    return {};
  }

  #folderLabel(cwd: string): Readonly<Record<string, string>> {
    const folder = folderOf(cwd);
    const digest = hash('sha256', folder, 'hex').slice(0, 32);
    this.#knownFolders.set(digest, folder);
    return { [FOLDER_LABEL]: digest };
  }

  #sessionOf({ workerId, labels, displayName, updatedAt }: WorkerSummary): ListSessionsResponse['sessions'] {
    const cwd = this.#knownFolders.get(labels[FOLDER_LABEL] ?? '');
    if (cwd === undefined) return [];
    return [{ sessionId: workerId, cwd, updatedAt, ...(displayName !== null && { title: displayName }) }];
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
      throw toEditorFailure(error, sessionId, this.#options.messageOf);
    }
  }
}

/** Returns a path without slashes at its end, as claims need it. */
const folderOf = (cwd: string): string => {
  let end = cwd.length;
  while (end > 1 && cwd[end - 1] === '/') end -= 1;
  return cwd.slice(0, end);
};

const unusedText = (names: readonly string[]): string =>
  `The tool servers of the editor are not used (${names.join(', ')}): the runtime decides which tools a Worker has.`;
