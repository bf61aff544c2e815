import type {
  ContentBlock,
  PromptResponse,
  RequestPermissionRequest,
  RequestPermissionResponse,
  SessionUpdate,
  StopReason,
} from '@agentclientprotocol/sdk';
import {
  type EngineContext,
  type EngineOutput,
  type EngineSession,
  type Run,
  RuntimeError,
} from '@worker-runtime/core';
import { type DetachReason, RedactedOutputs, type Usage } from '@worker-runtime/core/plugin-kit';
import { AgentCalls } from './agent/agent-calls.ts';
import type { AgentLink, AgentListener } from './agent/agent-link.ts';
import { type AgentProcess, settledWithin } from './agent/agent-process.ts';
import type { AgentRedactor } from './agent/agent-redactor.ts';
import { AgentUpdates } from './agent/agent-updates.ts';
import { OutputQueue } from './agent/output-queue.ts';
import { allowedOnce, optionsByLabel, permissionAnswer, questionOptions } from './agent/permission.ts';
import type { AgentOptions, ResolvedOptions } from './options.ts';
import { recapBefore } from './worker/recap.ts';
import { sessionRecord } from './worker/session-record.ts';

/** The run that the agent works on, as one prompt of its protocol. */
interface AgentPrompt {
  readonly run: Run;
  readonly queue: OutputQueue;
  readonly updates: AgentUpdates;
  readonly calls: AgentCalls;
  /** True when the agent has answered the prompt, or can no longer answer it. */
  isAnswered: boolean;
}

/** An agent that has started and opened its session. */
export interface OpenedAgent {
  readonly process: AgentProcess;
  readonly link: AgentLink;
  readonly sessionId: string;
  /** True if the session is new, so that the agent does not know the earlier conversation. */
  readonly isNew: boolean;
  /** Resolves when the process has exited and its working directory is released. */
  readonly cleanedUp: Promise<void>;
}

/** Starts an agent for a session. @throws CONFIG_UNSUPPORTED · ENGINE_UNAVAILABLE */
export type StartAgent = (session: AcpSession) => Promise<OpenedAgent>;

/** The outputs for stop reasons that say more than that the agent has finished. */
const STOP_OUTPUTS: Readonly<Partial<Record<StopReason, EngineOutput>>> = {
  cancelled: { type: 'withdrawn', reason: 'The agent cancelled the run' },
  max_tokens: {
    type: 'notice',
    severity: 'warning',
    code: 'OUTPUT_LIMIT',
    message: 'The answer is incomplete: the agent reached its output limit',
  },
  refusal: {
    type: 'notice',
    severity: 'warning',
    code: 'REFUSED',
    message: 'The agent refused to answer',
  },
};

/** The most characters of a permission request to show to people. */
const MAX_QUESTION_CHARS = 2_000;

/** Returns the usage that an agent reports with its answer, which the protocol does not require, or null. */
const usageOf = (response: PromptResponse): Usage | null => {
  const { usage } = response as { readonly usage?: Readonly<Record<string, unknown>> | null };
  const count = (name: string): number | undefined => {
    const value = usage?.[name];
    return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  };
  const [inputTokens, outputTokens] = [count('inputTokens'), count('outputTokens')];
  if (inputTokens === undefined || outputTokens === undefined) return null;
  // Agents report zero for an interrupted prompt, which means that the count is unknown.
  if (inputTokens + outputTokens === 0) return null;
  const cacheReadTokens = count('cachedReadTokens');
  const cacheWriteTokens = count('cachedWriteTokens');
  return {
    type: 'usage',
    inputTokens,
    outputTokens,
    ...(cacheReadTokens !== undefined && { cacheReadTokens }),
    ...(cacheWriteTokens !== undefined && { cacheWriteTokens }),
  };
};

/** One execution: an agent process with one session, which gets one prompt for each run. */
export class AcpSession implements EngineSession, AgentListener {
  readonly #context: EngineContext;
  readonly #options: ResolvedOptions;
  readonly #agent: AgentOptions;
  readonly #redactor: AgentRedactor;
  readonly #start: StartAgent;
  /** The agent; null before the first start, and after an agent that did not end its run in time was ended. */
  #opened: OpenedAgent | null = null;
  #prompt: AgentPrompt | null = null;
  #closing: Promise<void> | null = null;
  #isRecorded = false;
  #isDetached = false;
  /** The reason if we ended the process; null if it ended by itself or still runs. */
  #endReason: string | null = null;

  constructor(
    context: EngineContext,
    options: ResolvedOptions,
    agent: AgentOptions,
    redactor: AgentRedactor,
    start: StartAgent,
  ) {
    this.#context = context;
    this.#options = options;
    this.#agent = agent;
    this.#redactor = redactor;
    this.#start = start;
  }

  /**
   * Starts an agent. If it ends by itself later, the execution is reported as lost.
   * @throws as `StartAgent` · EXECUTION_LOST the execution was detached in the meantime
   */
  async open(): Promise<OpenedAgent> {
    const opened = await this.#start(this);
    if (this.#isDetached) {
      await this.#close(opened);
      throw new RuntimeError('EXECUTION_LOST', 'The execution ended while its agent started');
    }
    this.#opened = opened;
    this.#isRecorded = !opened.isNew;
    const { process, link } = opened;
    const ended = (): void => {
      if (this.#opened === opened) this.#agentEnded();
    };
    link.closed.then(ended, ended);
    // Its last messages may still be in the pipe.
    process.exited.then(() => settledWithin(link.closed, this.#options.exitMs)).then(ended, ended);
    return opened;
  }

  async *run(run: Run): AsyncGenerator<readonly EngineOutput[]> {
    if (this.#isDetached) throw new RuntimeError('EXECUTION_LOST', 'The agent has ended');
    const opened = this.#opened ?? (await this.open());
    const { link, process, sessionId } = opened;
    const queue = new OutputQueue(new RedactedOutputs(this.#redactor));
    const calls = new AgentCalls(this.#options.toolOutputBytes, this.#redactor);
    const updates = new AgentUpdates(calls, this.#redactor);
    const prompt: AgentPrompt = { run, queue, calls, updates, isAnswered: false };
    const blocks = await this.#blocksOf(run, queue);
    run.signal.throwIfAborted();
    this.#prompt = prompt;
    let timer: NodeJS.Timeout | null = null;
    const cancel = (): void => {
      void link.cancel(sessionId);
      // Ending the process ends this execution. The next input starts the agent again.
      timer = setTimeout(() => {
        this.#endReason = 'The agent did not stop when its run was cancelled, so its process was ended';
        queue.push({ type: 'notice', severity: 'warning', code: 'AGENT_ENDED', message: this.#endReason });
        void process.close(this.#options.exitMs);
      }, this.#options.cancelMs);
    };
    run.signal.addEventListener('abort', cancel, { once: true });
    const answered = link.prompt(sessionId, blocks).then(
      (response) => this.#answered(prompt, response),
      (error: unknown) => this.#failed(prompt, error),
    );
    try {
      yield* queue.batches();
    } finally {
      if (timer) clearTimeout(timer);
      run.signal.removeEventListener('abort', cancel);
      if (this.#prompt === prompt) this.#prompt = null;
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
    await this.#closing;
    if (this.#opened) await this.#close(this.#opened);
  }

  async #close({ process, link, cleanedUp }: OpenedAgent): Promise<void> {
    await process.close(this.#options.exitMs);
    link.close();
    await cleanedUp;
  }

  update(session: string, update: SessionUpdate): void {
    const prompt = this.#prompt;
    // Updates between runs, and those that replay a session while it is loaded, belong to no run.
    if (!prompt || this.#isDetached || session !== this.#opened?.sessionId) return;
    try {
      prompt.queue.push(...prompt.updates.translate(update));
    } catch (error) {
      prompt.queue.fail(error);
    }
  }

  async room(): Promise<void> {
    await this.#prompt?.queue.room();
  }

  async permission({ toolCall, options }: RequestPermissionRequest): Promise<RequestPermissionResponse> {
    const prompt = this.#prompt;
    if (!prompt || options.length === 0) return { outcome: { outcome: 'cancelled' } };
    let described: ReturnType<AgentCalls['describe']>;
    try {
      described = prompt.calls.describe(toolCall);
    } catch (error) {
      prompt.queue.fail(error);
      return { outcome: { outcome: 'cancelled' } };
    }
    const { call, prompt: question } = described;
    if (this.#agent.permission === 'allow') return allowedOnce(options);
    // The call has to be in the log before the request that is about it.
    prompt.queue.push(...prompt.updates.endMessage(), ...prompt.calls.flush());
    await prompt.queue.committed();
    const labelled = optionsByLabel(options, this.#redactor);
    const answer = await prompt.run.ask({
      kind: 'permission',
      prompt: this.#redactor.text(question).slice(0, MAX_QUESTION_CHARS),
      call,
      options: questionOptions(labelled),
      timeoutMs: this.#options.permissionMs,
    });
    return permissionAnswer(answer, labelled);
  }

  /** Returns the content of a prompt: the input, after a recap of the conversation if the session does not have it. */
  async #blocksOf(run: Run, queue: OutputQueue): Promise<ContentBlock[]> {
    const blocks: ContentBlock[] = [];
    const opened = this.#opened;
    if (opened && !this.#isRecorded) {
      this.#isRecorded = true;
      queue.push(...sessionRecord(opened.sessionId));
      const recap = await recapBefore(run.runId, this.#context.history(), this.#redactor.legend);
      if (recap) {
        const cut = recap.isCut ? ', without its oldest parts' : '';
        const message = `The agent lost its session: it was sent the earlier conversation as text${cut}`;
        queue.push({ type: 'notice', severity: 'warning', code: 'SESSION_LOST', message });
        blocks.push({ type: 'text', text: recap.text });
      }
    }
    const text = run.input?.parts.map((part) => part.text).join('\n') ?? '';
    const isSystem = run.input?.role === 'system';
    return [
      ...blocks,
      { type: 'text', text: isSystem ? `<system-message>\n${text}\n</system-message>` : text },
    ];
  }

  #answered(prompt: AgentPrompt, response: PromptResponse): void {
    prompt.isAnswered = true;
    const { run, queue, updates } = prompt;
    const usage = usageOf(response);
    if (usage) queue.push(usage);
    const { stopReason } = response;
    const output = STOP_OUTPUTS[stopReason];
    if (run.signal.aborted) this.#fail(prompt, run.signal.reason);
    else if (stopReason === 'max_turn_requests')
      this.#fail(
        prompt,
        new RuntimeError('LIMIT_REACHED', 'The agent reached its limit of steps for one run'),
      );
    else {
      queue.push(...updates.finish(), ...(output ? [output] : []));
      queue.close();
    }
  }

  #failed(prompt: AgentPrompt, error: unknown): void {
    prompt.isAnswered = true;
    const { signal } = prompt.run;
    if (!signal.aborted) this.#log('An agent failed to answer a prompt', error);
    this.#fail(
      prompt,
      signal.aborted ? signal.reason : new RuntimeError('ENGINE_FAILED', 'The agent failed'),
    );
  }

  /** Ends the run with an error. The runtime keeps a message that is still open as a partial message. */
  #fail({ queue, calls }: AgentPrompt, error: unknown): void {
    queue.push(...calls.flush());
    queue.fail(error);
  }

  /** Reports the execution as lost, because the process has exited or its connection has closed. */
  #agentEnded(): void {
    if (this.#isDetached) return;
    this.#isDetached = true;
    const prompt = this.#prompt;
    const error = new RuntimeError('EXECUTION_LOST', this.#endReason ?? 'The agent ended by itself');
    this.#log(error.message, null);
    void this.#opened?.process.close(this.#options.exitMs);
    if (prompt) this.#fail(prompt, prompt.run.signal.aborted ? prompt.run.signal.reason : error);
    this.#context.lost(error);
  }

  #log(message: string, error: unknown): void {
    const { workerId, log } = this.#context;
    log.warn({ worker: workerId, err: error, stderr: this.#opened?.process.stderrTail }, message);
  }
}
