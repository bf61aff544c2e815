import type {
  ContentBlock,
  PromptResponse,
  RequestPermissionRequest,
  RequestPermissionResponse,
  SessionUpdate,
  StopReason,
} from '@agentclientprotocol/sdk';
import {
  type DetachReason,
  type EngineContext,
  type EngineOutput,
  type EngineSession,
  RedactedOutputs,
  type Run,
  RuntimeError,
  type Usage,
} from '@worker-runtime/core';
import { AgentCalls } from './agent-calls.ts';
import type { AgentLink, AgentListener } from './agent-link.ts';
import type { AgentProcess } from './agent-process.ts';
import { AgentSpeech } from './agent-speech.ts';
import type { AgentOptions, ResolvedOptions } from './options.ts';
import { OutputQueue } from './output-queue.ts';
import { allowedOnce, chosen, shownOptions } from './permission.ts';
import { preludeTo } from './prelude.ts';
import type { PrivateWords } from './private-words.ts';
import { sessionRecord } from './session-record.ts';
import { settledWithin } from './settled-within.ts';

/** The run that an agent works on. */
interface Turn {
  readonly run: Run;
  readonly queue: OutputQueue;
  readonly speech: AgentSpeech;
  readonly calls: AgentCalls;
}

/** An agent that is started and has its session open. */
export interface OpenedAgent {
  readonly process: AgentProcess;
  readonly link: AgentLink;
  readonly sessionId: string;
  /** Whether the session is a new one, in which nothing of what was said before is known. */
  readonly isNew: boolean;
  /** Resolves when nothing of the agent is left. */
  readonly left: Promise<void>;
}

/** What an agent may mean by ending its turn, besides that it is done. */
const REMARKS: Readonly<Partial<Record<StopReason, EngineOutput>>> = {
  cancelled: { type: 'withdrawn', reason: 'The agent cancelled it' },
  max_tokens: {
    type: 'notice',
    severity: 'warning',
    code: 'OUTPUT_LIMIT',
    message: 'The answer is cut off: the agent reached the most that it may write at once',
  },
  refusal: {
    type: 'notice',
    severity: 'warning',
    code: 'REFUSED',
    message: 'The agent refused to answer',
  },
};

/** Some agents count, though the protocol does not ask them to. */
const usageOf = (response: PromptResponse): Usage | null => {
  const { usage } = response as { readonly usage?: Readonly<Record<string, unknown>> | null };
  const count = (name: string): number | undefined => {
    const value = usage?.[name];
    return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  };
  const [inputTokens, outputTokens] = [count('inputTokens'), count('outputTokens')];
  if (inputTokens === undefined || outputTokens === undefined) return null;
  // a turn that was cut says so of what it does not know
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

/** One execution: one agent process with one session, told one prompt after the other. */
export class AcpSession implements EngineSession, AgentListener {
  readonly #context: EngineContext;
  readonly #options: ResolvedOptions;
  readonly #agent: AgentOptions;
  readonly #words: PrivateWords;
  #opened: OpenedAgent | null = null;
  #turn: Turn | null = null;
  #isRecorded = false;
  #isDetached = false;
  /** Why it was ended from here. */
  #endedFor: string | null = null;

  constructor(context: EngineContext, options: ResolvedOptions, agent: AgentOptions, words: PrivateWords) {
    this.#context = context;
    this.#options = options;
    this.#agent = agent;
    this.#words = words;
  }

  /** From here on the agent may be asked; when it ends by itself, so does the execution. */
  open(opened: OpenedAgent): void {
    this.#opened = opened;
    this.#isRecorded = !opened.isNew;
    const { process, link } = opened;
    const over = (): void => this.#over();
    link.closed.then(over, over);
    // its last words may still be on their way
    process.exited.then(() => settledWithin(link.closed, this.#options.exitMs)).then(over, over);
  }

  async *run(run: Run): AsyncGenerator<readonly EngineOutput[]> {
    const opened = this.#opened;
    if (!opened || this.#isDetached) throw new RuntimeError('EXECUTION_LOST', 'The agent has ended');
    const { link, process, sessionId } = opened;
    const queue = new OutputQueue(new RedactedOutputs(this.#words));
    const calls = new AgentCalls(this.#options.toolOutputBytes, this.#words);
    const turn: Turn = { run, queue, calls, speech: new AgentSpeech(calls, this.#words) };
    const prompt = await this.#promptOf(run, queue);
    run.signal.throwIfAborted();
    this.#turn = turn;
    let timer: NodeJS.Timeout | null = null;
    const cancel = (): void => {
      void link.cancel(sessionId);
      // with it this execution ends; the next input starts it again
      timer = setTimeout(() => {
        this.#endedFor = 'The agent did not end its turn when it was told to, and was ended';
        queue.push({ type: 'notice', severity: 'warning', code: 'AGENT_ENDED', message: this.#endedFor });
        void process.end(this.#options.exitMs);
      }, this.#options.cancelMs);
    };
    run.signal.addEventListener('abort', cancel, { once: true });
    link.prompt(sessionId, prompt).then(
      (response) => this.#answered(turn, response),
      (error: unknown) => this.#failed(turn, error),
    );
    try {
      yield* queue.batches();
    } finally {
      if (timer) clearTimeout(timer);
      run.signal.removeEventListener('abort', cancel);
      if (this.#turn === turn) this.#turn = null;
    }
  }

  async detach(_reason: DetachReason): Promise<void> {
    this.#isDetached = true;
    await this.#opened?.process.end(this.#options.exitMs);
    this.#opened?.link.close();
    await this.#opened?.left;
  }

  update(session: string, update: SessionUpdate): void {
    const turn = this.#turn;
    // what is said between runs, or while a session is loaded, is nobody's answer
    if (!turn || this.#isDetached || session !== this.#opened?.sessionId) return;
    turn.queue.push(...turn.speech.hear(update));
  }

  async room(): Promise<void> {
    await this.#turn?.queue.room();
  }

  async permission({ toolCall, options }: RequestPermissionRequest): Promise<RequestPermissionResponse> {
    const turn = this.#turn;
    if (!turn || options.length === 0) return { outcome: { outcome: 'cancelled' } };
    const { call, prompt } = turn.calls.describe(toolCall);
    if (this.#agent.permission === 'allow') return allowedOnce(options);
    // what is asked for stands in the log before anybody is asked
    turn.queue.push(...turn.speech.pause(), ...turn.calls.flush());
    await turn.queue.committed();
    const shown = shownOptions(options, this.#words);
    const answer = await turn.run.ask({
      kind: 'permission',
      prompt: this.#words.text(prompt).slice(0, 2_000),
      call,
      options: [...shown.keys()],
      timeoutMs: this.#options.permissionMs,
    });
    return chosen(answer, shown);
  }

  /** What the agent is told, and first, where it must be, what it was told before. */
  async #promptOf(run: Run, queue: OutputQueue): Promise<ContentBlock[]> {
    const blocks: ContentBlock[] = [];
    const opened = this.#opened;
    if (opened && !this.#isRecorded) {
      this.#isRecorded = true;
      queue.push(...sessionRecord(opened.sessionId));
      const prelude = await preludeTo(run.runId, this.#context.history(), this.#words.legend);
      if (prelude) {
        const cut = prelude.isCut ? '; the oldest of it had to be left out' : '';
        const message = `The agent could not go on with its session: it was told what was said before${cut}`;
        queue.push({ type: 'notice', severity: 'warning', code: 'SESSION_LOST', message });
        blocks.push({ type: 'text', text: prelude.text });
      }
    }
    const text = run.input?.parts.map((part) => part.text).join('\n') ?? '';
    const isSystem = run.input?.role === 'system';
    return [
      ...blocks,
      { type: 'text', text: isSystem ? `<system-message>\n${text}\n</system-message>` : text },
    ];
  }

  #answered(turn: Turn, response: PromptResponse): void {
    const usage = usageOf(response);
    if (usage) turn.queue.push(usage);
    const { signal } = turn.run;
    const { stopReason } = response;
    const remark = REMARKS[stopReason];
    if (signal.aborted) this.#finish(turn, signal.reason);
    else if (stopReason === 'max_turn_requests')
      this.#finish(turn, new RuntimeError('LIMIT_REACHED', 'The agent took as many steps as it may'));
    else {
      turn.queue.push(...turn.speech.close(), ...(remark ? [remark] : []));
      turn.queue.close();
    }
  }

  #failed(turn: Turn, error: unknown): void {
    const { signal } = turn.run;
    if (!signal.aborted) this.#log('An agent failed in a turn', error);
    this.#finish(
      turn,
      signal.aborted ? signal.reason : new RuntimeError('ENGINE_FAILED', 'The agent failed'),
    );
  }

  /** Ends the run with an error. What was being said stays open: the runtime keeps it as said in part. */
  #finish({ queue, calls }: Turn, error: unknown): void {
    queue.push(...calls.flush());
    queue.fail(error);
  }

  /** The agent is gone, or can no longer be spoken to. */
  #over(): void {
    if (this.#isDetached) return;
    this.#isDetached = true;
    const turn = this.#turn;
    const error = new RuntimeError('EXECUTION_LOST', this.#endedFor ?? 'The agent ended by itself');
    this.#log(error.message, null);
    void this.#opened?.process.end(this.#options.exitMs);
    if (turn) this.#finish(turn, turn.run.signal.aborted ? turn.run.signal.reason : error);
    this.#context.lost(error);
  }

  #log(message: string, error: unknown): void {
    const { workerId, log } = this.#context;
    log.warn({ worker: workerId, err: error, stderr: this.#opened?.process.lastWords }, message);
  }
}
