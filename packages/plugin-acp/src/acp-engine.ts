import { setTimeout as delay } from 'node:timers/promises';
import {
  type Engine,
  type EngineCapabilities,
  type EngineContext,
  type EngineSession,
  type JsonObject,
  RuntimeError,
} from '@worker-runtime/core';
import { AcpSession, type OpenedAgent } from './acp-session.ts';
import { AgentLink } from './agent/agent-link.ts';
import { AgentProcess } from './agent/agent-process.ts';
import { PrivateWords } from './agent/agent-redactor.ts';
import type { AgentOptions, ResolvedOptions } from './options.ts';
import { ClaimedFiles, claimedPath } from './worker/claimed-files.ts';
import { OwnDirectories } from './worker/own-directories.ts';
import { recordedSession } from './worker/session-record.ts';
import { type AcpConfig, workerConfig } from './worker/worker-config.ts';

const ENGINE_NAME = 'acp';

/** JSON-RPC code of the protocol for an agent that wants its user to sign in. */
const AUTH_REQUIRED = -32_000;

/** Executes Workers by agents of the Agent Client Protocol: a process each, with the rights of this one's user. */
export class AcpEngine implements Engine {
  readonly name = ENGINE_NAME;
  readonly capabilities: EngineCapabilities = {
    placement: 'localProcess',
    access: { filesystem: true, shell: true },
    requests: true,
  };
  readonly #options: ResolvedOptions;
  readonly #ownDirectories = new OwnDirectories();

  constructor(options: ResolvedOptions) {
    this.#options = options;
  }

  checkConfig(config: JsonObject): void {
    workerConfig(config, this.#options.agents);
  }

  /** @throws CONFIG_UNSUPPORTED its directory is not claimed · ENGINE_UNAVAILABLE the agent does not start */
  async attach(context: EngineContext): Promise<EngineSession> {
    const config = workerConfig(context.config, this.#options.agents);
    const agent = this.#options.agents[config.agent] as AgentOptions;
    const files = await ClaimedFiles.of(context.claims, this.#options.fileBytes);
    const place = await this.#placeOf(config, context, files);
    let process: AgentProcess | null = null;
    let left: Promise<void> | null = null;
    try {
      process = await AgentProcess.start(agent, place.cwd);
      left = process.exited.then(() => place.leave());
      const words = await PrivateWords.of(agent, context.claims, place.cwd);
      const session = new AcpSession(context, this.#options, agent, words);
      session.open({ ...(await this.#opened(process, session, files, place.cwd, context)), left });
      return session;
    } catch (error) {
      const stderr = process?.lastWords;
      await process?.end(this.#options.exitMs);
      await (left ?? place.leave());
      context.log.warn({ worker: context.workerId, err: error, stderr }, 'An agent could not be started');
      if (error instanceof RuntimeError) throw error;
      const isSignedOut = (error as { readonly code?: unknown } | null)?.code === AUTH_REQUIRED;
      throw new RuntimeError(
        'ENGINE_UNAVAILABLE',
        isSignedOut
          ? 'The agent wants its user to sign in, on the machine that it runs on'
          : 'The agent could not be started',
        { cause: error },
      );
    }
  }

  /** Where an agent works, and what to do when it has left. */
  async #placeOf(
    { cwd }: AcpConfig,
    context: EngineContext,
    files: ClaimedFiles,
  ): Promise<{ readonly cwd: string; leave(): Promise<void> }> {
    const wanted = cwd ?? context.claims.map(claimedPath).find((path) => path !== null);
    if (wanted === undefined || wanted === null) {
      const own = await this.#ownDirectories.enter(context);
      return { cwd: own, leave: () => this.#ownDirectories.leave(own, context) };
    }
    if (!(await files.holds(wanted)))
      throw new RuntimeError(
        'CONFIG_UNSUPPORTED',
        'The directory is not there, or in no claim of the Worker',
        {
          details: { issues: [{ pointer: '/config/cwd', message: 'must be a directory inside a claim' }] },
        },
      );
    return { cwd: wanted, leave: async () => {} };
  }

  /** Connects, and opens the session that the Worker had before or a new one. */
  async #opened(
    process: AgentProcess,
    session: AcpSession,
    files: ClaimedFiles,
    cwd: string,
    context: EngineContext,
  ): Promise<Omit<OpenedAgent, 'left'>> {
    const link = new AgentLink(process, files, session, this.#options.messageBytes);
    const over = new AbortController();
    const late = delay(this.#options.startMs, undefined, { signal: over.signal }).then(() => {
      throw new Error('The agent was not ready in time');
    });
    const gone = process.exited.then(() => {
      throw new Error('The agent ended before it was ready');
    });
    try {
      return await Promise.race([this.#sessionOf(process, link, files, cwd, context), late, gone]);
    } catch (error) {
      link.close();
      throw error;
    } finally {
      gone.catch(() => {});
      late.catch(() => {});
      over.abort();
    }
  }

  async #sessionOf(
    process: AgentProcess,
    link: AgentLink,
    files: ClaimedFiles,
    cwd: string,
    context: EngineContext,
  ): Promise<Omit<OpenedAgent, 'left'>> {
    const capabilities = await link.initialize(files);
    const known = recordedSession(context.recorded);
    const canReopen = capabilities.loadSession === true || capabilities.sessionCapabilities?.resume != null;
    if (known !== null && canReopen) {
      try {
        await link.reopen(known, cwd, capabilities);
        return { process, link, sessionId: known, isNew: false };
      } catch (error) {
        context.log.warn({ worker: context.workerId, err: error }, 'An agent does not know its session');
      }
    }
    const sessionId = await link.newSession(cwd);
    return { process, link, sessionId, isNew: true };
  }
}
