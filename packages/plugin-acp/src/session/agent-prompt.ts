import type { RequestPermissionResponse, StopReason } from '@agentclientprotocol/sdk';
import {
  type EngineContext,
  type EngineOutput,
  type FilePart,
  type Run,
  RuntimeError,
} from '@worker-runtime/core';
import { keepFile, ownValue, RedactedOutputs } from '@worker-runtime/core/plugin-kit';
import { AgentCalls } from '../agent/agent-calls.ts';
import type { AgentRedactor } from '../agent/agent-redactor.ts';
import { AgentUpdates } from '../agent/agent-updates.ts';
import { OutputQueue } from '../agent/output-queue.ts';
import {
  answeredOption,
  automaticOption,
  CANCELLED,
  optionsById,
  type PermissionRequest,
  select,
} from '../agent/permission.ts';
import { Quiet } from '../agent/quiet.ts';
import { filesOf, type SessionUpdate } from '../agent/session-update.ts';
import type { ResolvedAgent, ResolvedOptions } from '../options.ts';

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

/** The longest wait for further output of an agent after its answer. */
const LAST_WORDS_MS = 1_000;

/** The parts of an execution that its prompts use. */
export interface PromptHost {
  readonly context: EngineContext;
  readonly options: ResolvedOptions;
  readonly agent: ResolvedAgent;
  readonly redactor: AgentRedactor;
}

/** A run that an agent works on, as one prompt of its protocol: translates what the agent sends into outputs of the run. */
export class AgentPrompt {
  readonly run: Run;
  readonly sessionId: string;
  /** Resolves when the runtime has taken all outputs of the run. */
  readonly ended: Promise<void>;
  readonly #host: PromptHost;
  readonly #queue: OutputQueue;
  readonly #calls: AgentCalls;
  readonly #updates: AgentUpdates;
  #isAnswered = false;
  /** The wait for further output of the agent, after its answer. */
  #lastWords: Quiet | null = null;
  #resolveEnded: () => void = () => {};

  constructor(run: Run, sessionId: string, host: PromptHost) {
    const { options, redactor } = host;
    this.run = run;
    this.sessionId = sessionId;
    this.#host = host;
    this.#queue = new OutputQueue(new RedactedOutputs(redactor));
    this.#calls = new AgentCalls(options.toolOutputBytes, redactor);
    this.#updates = new AgentUpdates(this.#calls, redactor);
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  /** True when the agent has answered the prompt, or can no longer answer it. */
  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  /** True when the agent has answered the prompt, and further output may still come. */
  get isComplete(): boolean {
    return this.#lastWords !== null;
  }

  /** Yields the outputs of the run, as `OutputQueue.batches` does. */
  batches(
    mayReturn: () => boolean,
  ): AsyncGenerator<readonly EngineOutput[], readonly EngineOutput[] | undefined> {
    return this.#queue.batches(mayReturn);
  }

  push(...outputs: readonly EngineOutput[]): void {
    this.#queue.push(...outputs);
  }

  /** Resolves when there is room for more output. */
  room(): Promise<void> {
    return this.#queue.room();
  }

  /** Takes an update of the agent. */
  async hear(update: SessionUpdate): Promise<void> {
    this.#lastWords?.heard();
    try {
      const files = await this.#stored(update);
      this.#queue.push(...this.#updates.translate(update, files));
    } catch (error) {
      this.#queue.fail(error);
    }
  }

  /** Stores the files of an update, so that the log can name them. */
  async #stored(update: SessionUpdate): Promise<readonly FilePart[]> {
    const files: FilePart[] = [];
    for (const file of filesOf(update)) {
      const kept = await keepFile(this.#host.context, file);
      if (kept.type === 'notice') this.#queue.push(kept);
      else files.push(kept);
      this.#lastWords?.heard();
    }
    return files;
  }

  /** Decides a permission request of the agent: automatically, or by asking people. */
  async permission({ call: toolCall, options }: PermissionRequest): Promise<RequestPermissionResponse> {
    let described: ReturnType<AgentCalls['describe']>;
    try {
      described = this.#calls.describe(toolCall);
    } catch (error) {
      this.#queue.fail(error);
      return CANCELLED;
    }
    if (options.length === 0) return CANCELLED;
    const option =
      (this.#host.agent.permission === 'allow' ? automaticOption(options) : undefined) ??
      (await this.#asked(toolCall.id, described, options));
    if (!option) return CANCELLED;
    if (option.kind === null || option.kind.startsWith('allow')) this.#calls.permitted(toolCall.id);
    return select(option);
  }

  /** Asks people for a permission. Returns the option that they chose. */
  async #asked(
    id: string,
    { call, prompt }: ReturnType<AgentCalls['describe']>,
    options: PermissionRequest['options'],
  ): Promise<PermissionRequest['options'][number] | undefined> {
    const { redactor, options: limits } = this.#host;
    // The call has to be in the log before the request that is about it. The inputs of other calls may not be known yet.
    this.#queue.push(...this.#updates.endMessage(), ...this.#calls.report(id));
    await this.#queue.committed();
    const byId = optionsById(options, redactor);
    const answer = await this.run.ask({
      kind: 'permission',
      prompt: prompt.slice(0, MAX_QUESTION_CHARS),
      call,
      options: [...byId].map(([option, { name, kind }]) => ({
        id: option,
        label: redactor.text(name) || option,
        ...(kind !== null && { kind }),
      })),
      timeoutMs: limits.permissionMs,
    });
    return answeredOption(answer, byId);
  }

  /** Records that the agent has answered, and waits for further output unless `isOver`. */
  async answered(isOver: boolean): Promise<void> {
    this.#isAnswered = true;
    if (isOver) return;
    this.#lastWords = new Quiet(LAST_WORDS_MS);
    await this.#lastWords.over;
  }

  /** Ends the wait for further output. */
  endLastWords(): void {
    this.#lastWords?.end();
  }

  /** Ends the run as the answer of the agent says. */
  finish(stopReason: StopReason): void {
    const { signal } = this.run;
    const output = ownValue<EngineOutput | undefined>(STOP_OUTPUTS, stopReason);
    if (signal.aborted) this.#fail(signal.reason);
    else if (stopReason === 'max_turn_requests')
      this.#fail(new RuntimeError('LIMIT_REACHED', 'The agent reached its limit of steps for one run'));
    else {
      this.#queue.push(...this.#updates.finish(), ...(output ? [output] : []));
      this.#queue.close();
    }
  }

  /** Ends the run, because the agent cannot answer any more. A run that was cancelled ends with that reason. */
  fail(error: unknown): void {
    const { signal } = this.run;
    this.#fail(signal.aborted ? signal.reason : error);
  }

  /** The runtime keeps a message that is still open as a partial message. */
  #fail(error: unknown): void {
    this.#isAnswered = true;
    this.#queue.push(...this.#calls.finish());
    this.#queue.fail(error);
  }

  /** Called when the runtime has taken all outputs, or takes no more of them. */
  end(): void {
    this.endLastWords();
    this.#resolveEnded();
  }
}
