import { setTimeout as delay } from 'node:timers/promises';
import {
  type Engine,
  type EngineCapabilities,
  type EngineContext,
  type EngineSession,
  type JsonObject,
  type Logger,
  RuntimeError,
} from '@worker-runtime/core';
import { AllowedRoots, claimedPath, LeftoverProcesses, ProcessGroup } from '@worker-runtime/core/plugin-kit';
import { AcpSession, type OpenedAgent } from './acp-session.ts';
import { AgentLink } from './agent/agent-link.ts';
import { AgentRedactor } from './agent/agent-redactor.ts';
import type { ResolvedAgent, ResolvedOptions } from './options.ts';
import { SessionOpening } from './session/session-opening.ts';
import type { OpenedSession } from './session/session-settings.ts';
import { ClaimedFiles } from './worker/claimed-files.ts';
import { OwnDirectories } from './worker/own-directories.ts';
import { environmentOf, readToolServers } from './worker/tool-servers.ts';
import { type AcpConfig, configSchemaOf, workerConfig } from './worker/worker-config.ts';

export const ENGINE_NAME = 'acp';

/** Executes Workers with agents of the Agent Client Protocol. Each Worker has a process with the rights of our user. */
export class AcpEngine implements Engine {
  readonly name = ENGINE_NAME;
  readonly capabilities: EngineCapabilities = {
    placement: 'localProcess',
    access: { filesystem: true, shell: true },
    requests: true,
    // Each session takes those that its agent takes.
    files: ['*/*'],
  };
  readonly configSchema: JsonObject;
  readonly #options: ResolvedOptions;
  readonly #roots: AllowedRoots;
  readonly #leftovers: LeftoverProcesses;
  readonly #ownDirectories = new OwnDirectories();

  constructor(options: ResolvedOptions) {
    this.#options = options;
    this.configSchema = configSchemaOf(options.agents);
    const { exitMs } = options;
    this.#leftovers = new LeftoverProcesses({ variable: 'ACP_AGENT_OF', plural: 'Agents', exitMs });
    this.#roots = new AllowedRoots(options.roots, 'acp.roots');
  }

  checkConfig(config: JsonObject): void {
    workerConfig(config, this.#options.agents);
  }

  /** Ends the agents that a killed process of this runtime left running. */
  endLeftovers(runtimeId: string, log: Logger): Promise<void> {
    return this.#leftovers.end(runtimeId, log);
  }

  /**
   * @throws CONFIG_UNSUPPORTED a claim is outside the roots, the working directory is not claimed, or the agent does not
   * offer a mode, model or option of the configuration
   * @throws ENGINE_UNAVAILABLE the agent does not start, or an earlier one cannot be ended
   */
  async attach(context: EngineContext): Promise<EngineSession> {
    const config = workerConfig(context.config, this.#options.agents);
    const agent = this.#options.agents[config.agent] as ResolvedAgent;
    const redactor = await AgentRedactor.create(context.claims);
    const session = new AcpSession(context, this.#options, agent, redactor, (started) =>
      this.#start(context, config, agent, redactor, started),
    );
    await session.open();
    return session;
  }

  async #start(
    context: EngineContext,
    config: AcpConfig,
    agent: ResolvedAgent,
    redactor: AgentRedactor,
    session: AcpSession,
  ): Promise<OpenedAgent> {
    const { runtimeId, workerId, log } = context;
    if (await this.#leftovers.hasLeftover(runtimeId, workerId, log))
      throw new RuntimeError('ENGINE_UNAVAILABLE', 'An earlier agent of the Worker is still running');
    await this.#roots.resolveClaims(context.claims);
    const files = new ClaimedFiles(context.claims, this.#roots, this.#options.fileBytes);
    const directory = await this.#directoryOf(config, context, files);
    let process: ProcessGroup | null = null;
    let cleanedUp: Promise<void> | null = null;
    try {
      const environment = await environmentOf(agent);
      const tools = await readToolServers(agent.mcpServers);
      await redactor.addAgent([...environment.secrets, ...tools.secrets], directory.cwd);
      process = await ProcessGroup.start({
        command: agent.command,
        args: agent.args,
        cwd: directory.cwd,
        env: { ...environment.variables, ...this.#leftovers.environmentFor(runtimeId, workerId) },
      });
      cleanedUp = process.exited.then(() => directory.release());
      const link = new AgentLink(
        process,
        agent.files === 'own' ? null : files,
        session,
        this.#options.messageBytes,
      );
      const place = { cwd: directory.cwd, mcpServers: [...tools.servers] };
      const { recorded } = context;
      const opening = new SessionOpening(link, { agent, config, place, recorded, redactor, workerId, log });
      return { process, link, ...(await this.#opened(process, link, opening)), cleanedUp };
    } catch (error) {
      const stderr = process?.stderrTail;
      await process?.close(this.#options.exitMs);
      await (cleanedUp ?? directory.release());
      context.log.warn({ worker: context.workerId, err: error, stderr }, 'An agent could not be started');
      if (error instanceof RuntimeError) throw error;
      throw new RuntimeError('ENGINE_UNAVAILABLE', 'The agent could not be started', { cause: error });
    }
  }

  /** Returns the working directory of an agent, to be released when the agent has exited. */
  async #directoryOf(
    { cwd }: AcpConfig,
    context: EngineContext,
    files: ClaimedFiles,
  ): Promise<{ readonly cwd: string; release(): Promise<void> }> {
    const claimed = cwd ?? context.claims.map(claimedPath).find((path) => path !== null);
    if (claimed === undefined || claimed === null) {
      const own = await this.#ownDirectories.acquire(context);
      return { cwd: own, release: () => this.#ownDirectories.release(own, context) };
    }
    const real = await files.directory(claimed);
    if (real === null)
      throw new RuntimeError(
        'CONFIG_UNSUPPORTED',
        'The working directory does not exist, or is outside the claims of the Worker',
        {
          details: { issues: [{ pointer: '/config/cwd', message: 'must be a directory inside a claim' }] },
        },
      );
    return { cwd: real, release: async () => {} };
  }

  /** Opens the session of an agent. @throws Error the agent exits first, or takes more than `startMs` */
  async #opened(process: ProcessGroup, link: AgentLink, opening: SessionOpening): Promise<OpenedSession> {
    const timer = new AbortController();
    const timedOut = delay(this.#options.startMs, undefined, { signal: timer.signal }).then(() => {
      throw opening.timeout;
    });
    const exited = process.exited.then(() => {
      throw new Error('The agent exited before it was ready');
    });
    try {
      return await Promise.race([opening.open(), timedOut, exited]);
    } catch (error) {
      link.close();
      throw error;
    } finally {
      exited.catch(() => {});
      timedOut.catch(() => {});
      timer.abort();
    }
  }
}
