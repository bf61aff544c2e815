import type {
  ContentBlock,
  PromptCapabilities,
  PromptResponse,
  RequestPermissionResponse,
} from '@agentclientprotocol/sdk';
import {
  type EngineContext,
  type EngineOutput,
  type EngineSession,
  type Run,
  RuntimeError,
} from '@worker-runtime/core';
import { type DetachReason, isObject, type ProcessGroup } from '@worker-runtime/core/plugin-kit';
import type { AgentLink, AgentListener } from './agent/agent-link.ts';
import type { AgentRedactor } from './agent/agent-redactor.ts';
import { AgentUsage } from './agent/agent-usage.ts';
import { CANCELLED, type PermissionRequest } from './agent/permission.ts';
import { Quiet } from './agent/quiet.ts';
import { parseUpdate } from './agent/session-update.ts';
import { settledWithin } from './agent/settled-within.ts';
import { isSignInRequired, signInRequired } from './agent/sign-in.ts';
import type { ResolvedAgent, ResolvedOptions } from './options.ts';
import { AgentPrompt, type PromptHost } from './session/agent-prompt.ts';
import { acceptedTypes, inputBlocks } from './session/input-blocks.ts';
import type { OpenedSession } from './session/session-settings.ts';
import { recapBefore } from './worker/recap.ts';
import { recordedUsage, sessionRecord } from './worker/session-record.ts';

/** An agent that has started and opened its session. */
export interface OpenedAgent extends OpenedSession {
  readonly process: ProcessGroup;
  readonly link: AgentLink;
  /** Resolves when the process has exited and its working directory is released. */
  readonly cleanedUp: Promise<void>;
}

/** Starts an agent for a session. @throws CONFIG_UNSUPPORTED · ENGINE_UNAVAILABLE */
export type StartAgent = (session: AcpSession) => Promise<OpenedAgent>;

/** The most characters to keep of what an agent says between runs. */
const MAX_LATE_CHARS = 4_000;

/** The longest wait for the rest of a replayed session. */
const REPLAY_MS = 5_000;

/** The time in which an input that follows a complete run starts another agent, if the agent ended with the run. */
const FOLLOWING_MS = 250;

/** One execution: an agent process with one session, which gets one prompt for each run. */
export class AcpSession implements EngineSession, AgentListener {
  readonly #context: EngineContext;
  readonly #options: ResolvedOptions;
  readonly #redactor: AgentRedactor;
  readonly #host: PromptHost;
  readonly #start: StartAgent;
  readonly #usage: AgentUsage;
  /** The agent; null before the first start and after the agent has ended. The next run starts another one. */
  #opened: OpenedAgent | null = null;
  /** The content that prompts of the last agent can have. */
  #content: PromptCapabilities = {};
  #prompt: AgentPrompt | null = null;
  #closing: Promise<void> | null = null;
  #isRecorded = false;
  /** The wait for the last updates with which an agent replays a loaded session. */
  #replay: Quiet | null = null;
  /** The text that the agent sent after the end of its last run; null if it sent nothing. */
  #lateWords: string | null = null;
  #isDetached = false;
  /** Reports the loss of an agent that ended with its run, unless another run begins first. */
  #reportLoss: NodeJS.Timeout | null = null;
  /** The reason if we ended the process; null if it ended by itself or still runs. */
  #endReason: string | null = null;

  constructor(
    context: EngineContext,
    options: ResolvedOptions,
    agent: ResolvedAgent,
    redactor: AgentRedactor,
    start: StartAgent,
  ) {
    this.#context = context;
    this.#options = options;
    this.#redactor = redactor;
    this.#host = { context, options, agent, redactor };
    this.#start = start;
    this.#usage = new AgentUsage(agent.usage);
  }

  get files(): readonly string[] {
    return acceptedTypes(this.#content);
  }

  /**
   * Starts an agent. If it ends by itself later, the execution is reported as lost. Common agents answer that a session is
   * loaded before they have replayed it, so the agent has to be quiet first: a run would take the replay for its own output.
   * @throws as `StartAgent` · EXECUTION_LOST the execution was detached in the meantime
   */
  async open(): Promise<OpenedAgent> {
    const opened = await this.#start(this);
    if (opened.isLoaded) {
      this.#replay = new Quiet(REPLAY_MS);
      await this.#replay.over;
      this.#replay = null;
    }
    if (this.#isDetached) {
      await this.#close(opened);
      throw new RuntimeError('EXECUTION_LOST', 'The execution ended while its agent started');
    }
    this.#opened = opened;
    this.#content = opened.content;
    this.#isRecorded = !opened.isNew;
    this.#usage.continue(opened.isNew ? null : (this.#usage.totals ?? recordedUsage(this.#context.recorded)));
    const { process, link } = opened;
    const ended = (): void => {
      if (this.#opened === opened) this.#agentEnded(opened);
    };
    link.closed.then(ended, ended);
    // Its last messages may still be in the pipe.
    process.exited.then(() => settledWithin(link.closed, this.#options.exitMs)).then(ended, ended);
    return opened;
  }

  async *run(run: Run): AsyncGenerator<readonly EngineOutput[], readonly EngineOutput[] | undefined> {
    if (this.#isDetached) throw new RuntimeError('EXECUTION_LOST', 'The agent has ended');
    if (this.#reportLoss) clearTimeout(this.#reportLoss);
    const opened = this.#opened ?? (await this.open());
    const { link, process, sessionId } = opened;
    const prompt = new AgentPrompt(run, sessionId, this.#host);
    const blocks = await this.#blocksOf(prompt);
    run.signal.throwIfAborted();
    this.#prompt = prompt;
    let timer: NodeJS.Timeout | null = null;
    const cancel = (): void => {
      prompt.endLastWords();
      if (prompt.isAnswered) return;
      void link.cancel(sessionId);
      // Ending the process ends this execution. The next input starts the agent again.
      timer = setTimeout(() => {
        this.#endReason = 'The agent did not stop when its run was cancelled, so its process was ended';
        prompt.push({ type: 'notice', severity: 'warning', code: 'AGENT_ENDED', message: this.#endReason });
        void process.close(this.#options.exitMs);
      }, this.#options.cancelMs);
    };
    run.signal.addEventListener('abort', cancel, { once: true });
    const answered = link.prompt(sessionId, blocks).then(
      (response) => this.#answered(prompt, response),
      (error: unknown) => this.#failed(prompt, error),
    );
    try {
      // An agent that has exited is reported as lost as soon as its outputs are committed.
      return yield* prompt.batches(() => !this.#isDetached);
    } finally {
      if (timer) clearTimeout(timer);
      run.signal.removeEventListener('abort', cancel);
      if (this.#prompt === prompt) this.#prompt = null;
      prompt.end();
      if (!prompt.isAnswered && !this.#isDetached) await this.#cancelPrompt(opened, prompt, answered);
    }
  }

  /**
   * Cancels a prompt whose run has ended without it, such as one that exceeds a limit. The agent must not work on it
   * during the next run: if it does not stop in time, its process is ended, and the next run starts another one.
   */
  async #cancelPrompt(opened: OpenedAgent, prompt: AgentPrompt, answered: Promise<void>): Promise<void> {
    void opened.link.cancel(opened.sessionId);
    await settledWithin(answered, this.#options.cancelMs);
    if (prompt.isAnswered || this.#isDetached) return;
    this.#log('An agent did not stop when its run ended, so its process was ended', null);
    this.#opened = null;
    this.#closing = this.#close(opened);
    await this.#closing;
  }

  async detach(_reason: DetachReason): Promise<void> {
    this.#isDetached = true;
    if (this.#reportLoss) clearTimeout(this.#reportLoss);
    await this.#closing;
    if (this.#opened) await this.#close(this.#opened);
  }

  async #close({ process, link, cleanedUp }: OpenedAgent): Promise<void> {
    await process.close(this.#options.exitMs);
    link.close();
    await cleanedUp;
  }

  async update(session: string, update: unknown): Promise<void> {
    this.#replay?.heard();
    // Updates that replay a session while it is loaded belong to no run.
    if (this.#isDetached || session !== this.#opened?.sessionId) return;
    const prompt = this.#prompt;
    const parsed = parseUpdate(update);
    if (parsed === 'ignored') return;
    if (parsed === 'malformed') {
      const kind = isObject(update) ? update.sessionUpdate : null;
      const { workerId, log } = this.#context;
      log.debug({ worker: workerId, update: kind }, 'An agent sent a malformed update, which was left out');
      return;
    }
    if (!prompt) {
      if (this.#lateWords === null) this.#log('An agent sent output after its run had ended', null);
      const text = parsed.type === 'text' || parsed.type === 'file' ? parsed.text : '';
      this.#lateWords = ((this.#lateWords ?? '') + text).slice(0, MAX_LATE_CHARS);
      return;
    }
    await prompt.hear(parsed);
  }

  async room(): Promise<void> {
    await this.#prompt?.room();
  }

  async permission(request: PermissionRequest): Promise<RequestPermissionResponse> {
    return this.#prompt?.permission(request) ?? CANCELLED;
  }

  /** Returns the content of a prompt: the input, after a recap of the conversation if the session does not have it. */
  async #blocksOf(prompt: AgentPrompt): Promise<ContentBlock[]> {
    const { run } = prompt;
    const blocks: ContentBlock[] = [];
    const opened = this.#opened;
    if (this.#lateWords !== null) {
      const late = this.#redactor.text(this.#lateWords).slice(0, MAX_LATE_CHARS / 2);
      const message = `The agent sent output after its last run had ended${late === '' ? '' : `: ${late}`}`;
      prompt.push({ type: 'notice', severity: 'warning', code: 'LATE_OUTPUT', message });
      this.#lateWords = null;
    }
    if (opened && !this.#isRecorded) {
      this.#isRecorded = true;
      prompt.push(...sessionRecord(opened.sessionId, null));
      const recap = await recapBefore(run.runId, this.#context.history(), this.#redactor.legend);
      if (recap) {
        const cut = recap.isCut ? ', without its oldest parts' : '';
        const message = `The agent lost its session: it was sent the earlier conversation as text${cut}`;
        prompt.push({ type: 'notice', severity: 'warning', code: 'SESSION_LOST', message });
        blocks.push({ type: 'text', text: recap.text });
      }
    }
    return [...blocks, ...(await inputBlocks(run.input, this.#context, this.#content))];
  }

  async #answered(prompt: AgentPrompt, response: PromptResponse): Promise<void> {
    const { stopReason } = response;
    await prompt.answered(prompt.run.signal.aborted || stopReason === 'cancelled' || this.#isDetached);
    const usage = this.#usage.of(response);
    if (usage) prompt.push(usage);
    const { totals } = this.#usage;
    if (totals) prompt.push(...sessionRecord(prompt.sessionId, totals));
    prompt.finish(stopReason);
  }

  #failed(prompt: AgentPrompt, error: unknown): void {
    if (!prompt.run.signal.aborted) this.#log('An agent failed to answer a prompt', error);
    prompt.fail(
      isSignInRequired(error) ? signInRequired(error) : new RuntimeError('ENGINE_FAILED', 'The agent failed'),
    );
  }

  /** Called when the process has exited or its connection has closed. Reports the execution as lost. */
  #agentEnded({ process }: OpenedAgent): void {
    if (this.#isDetached) return;
    const prompt = this.#prompt;
    const error = new RuntimeError('EXECUTION_LOST', this.#endReason ?? 'The agent ended by itself');
    this.#log(error.message, null);
    this.#opened = null;
    void process.close(this.#options.exitMs);
    const lost = (): void => {
      if (this.#isDetached) return;
      this.#isDetached = true;
      this.#context.lost(error);
    };
    if (prompt?.isComplete) {
      // The run is complete. A queued input, or one that a client sends at once, must not fail with this agent.
      prompt.endLastWords();
      void prompt.ended.then(() => {
        this.#reportLoss = setTimeout(lost, FOLLOWING_MS);
      });
      return;
    }
    prompt?.fail(error);
    lost();
  }

  #log(message: string, error: unknown): void {
    const { workerId, log } = this.#context;
    log.warn({ worker: workerId, err: error, stderr: this.#opened?.process.stderrTail }, message);
  }
}
