import {
  type EngineContext,
  type EngineOutput,
  type FilePart,
  type Run,
  RuntimeError,
  type TranscriptItem,
} from '@worker-runtime/core';
import { keepFile, type MadeFile, type Notice } from '@worker-runtime/core/plugin-kit';
import { compact, isTooLong } from './conversation/compaction.ts';
import type { ContextSize } from './conversation/context-size.ts';
import { Conversation } from './conversation/conversation.ts';
import { ModelFiles } from './model/model-files.ts';
import { type ModelStep, modelStep } from './model/model-step.ts';
import { type ModelAccess, type ModelRequest, modelStream } from './model/model-stream.ts';
import { ToolCalls, type ToolOutputs } from './tools/tool-calls.ts';
import { type GrantedTools, toolDefinitions } from './tools/toolbox.ts';

type Outputs = AsyncGenerator<EngineOutput | readonly EngineOutput[], void>;

const warning = (code: string, message: string): Notice => ({
  type: 'notice',
  severity: 'warning',
  code,
  message,
});

/** The notices for finish reasons of an incomplete answer. */
const FINISH_NOTICES: Readonly<Record<string, Notice>> = {
  length: warning('OUTPUT_LIMIT', 'The answer is incomplete: the model reached its output limit'),
  'content-filter': warning('CONTENT_FILTER', 'The provider filtered the answer'),
  other: warning('UNKNOWN_FINISH', 'The answer may be incomplete: the model ended it for an unknown reason'),
};

const EMPTY_ANSWER = warning('EMPTY_ANSWER', 'The model answered with neither text nor a tool call');
const MISSING_CALL = warning('MISSING_CALL', 'The model announced a tool call and made none');

/** Returns a notice about an answer that is not what it seems, or null. */
const noticeOf = ({ finish, calls, content, hasProviderCalls }: ModelStep): Notice | null => {
  const known = FINISH_NOTICES[finish];
  if (known) return known;
  if (calls.length > 0 || hasProviderCalls) return null;
  const isSomething = (part: ModelStep['content'][number]): boolean =>
    part.type === 'file' || (part.type === 'text' && part.text.trim() !== '');
  if (!content.some(isSomething)) return EMPTY_ANSWER;
  return finish === 'tool-calls' ? MISSING_CALL : null;
};

/** The value with which a step ends that was not completed. */
const NO_STEP: ModelStep = {
  content: [],
  calls: [],
  outputs: [],
  finish: 'other',
  usage: null,
  hasProviderCalls: false,
};

/** One run. Calls the model and executes the tool calls that it requests, until it requests none. */
export class ModelRun {
  readonly #run: Run;
  readonly #access: ModelAccess;
  readonly #granted: GrantedTools;
  readonly #conversation: Conversation;
  readonly #size: ContextSize;
  readonly #files: ModelFiles;
  /** Stores a file that the model or a tool made. */
  readonly #keep: (file: MadeFile) => Promise<FilePart | Notice>;
  /** True once the current request has shown something. */
  #hasShown = false;

  private constructor(
    run: Run,
    access: ModelAccess,
    granted: GrantedTools,
    conversation: Conversation,
    size: ContextSize,
    files: ModelFiles,
    keep: (file: MadeFile) => Promise<FilePart | Notice>,
  ) {
    this.#keep = keep;
    this.#run = run;
    this.#files = files;
    this.#access = access;
    this.#granted = granted;
    this.#conversation = conversation;
    this.#size = size;
  }

  /** Reads the conversation from the log, which takes time in proportion to its length, as the request itself does. */
  static async begin(
    run: Run,
    context: EngineContext,
    access: ModelAccess,
    granted: GrantedTools,
    size: ContextSize,
  ): Promise<ModelRun> {
    const files = new ModelFiles(context, access.config.files);
    const takes = (file: FilePart): boolean => files.takes(file);
    const conversation = await Conversation.read(context.history(), run.runId, takes);
    const keep = (file: MadeFile): Promise<FilePart | Notice> => keepFile(context, file);
    return new ModelRun(run, access, granted, conversation, size, files, keep);
  }

  /**
   * Returns the record of the last answer, so that it is one commit with the end of the run.
   * @throws as `modelStream` · LIMIT_REACHED the run exceeds `maxSteps` · CONTEXT_LIMIT
   */
  async *outputs(): AsyncGenerator<EngineOutput | readonly EngineOutput[], readonly EngineOutput[]> {
    const { config, options, secrets, log } = this.#access;
    const { signal } = this.#run;
    for (const name of this.#granted.missing)
      yield {
        type: 'notice',
        severity: 'warning',
        code: 'TOOL_UNAVAILABLE',
        message: `The tool ${name} is not available: the model continues without it`,
      };
    const toolCalls = new ToolCalls({
      run: this.#run,
      granted: this.#granted,
      options,
      secrets,
      log,
      keep: this.#keep,
      asksAlways: config.permission === 'ask',
    });
    if (this.#run.attempt > 1) {
      if (this.#conversation.isAnswered) return [];
      yield* this.#resume(toolCalls);
    }
    for (let step = 1; ; step += 1) {
      yield* this.#fitContext();
      const last = yield* this.#answer();
      const notice = noticeOf(last);
      const outputs = notice ? [...last.outputs, notice] : last.outputs;
      if (last.calls.length === 0) return outputs;
      yield outputs;
      if (step === config.maxSteps) {
        yield last.calls.map(({ call }) => ({
          type: 'tool-result' as const,
          call,
          error: 'The run reached its limit of steps. This call was not made.',
        }));
        throw new RuntimeError(
          'LIMIT_REACHED',
          `The run reached its limit of ${step} steps (config.maxSteps)`,
          {
            details: { limit: 'maxSteps', value: step },
          },
        );
      }
      for await (const outputs of toolCalls.results(last.calls)) yield this.#added(outputs);
      signal.throwIfAborted();
    }
  }

  /**
   * Calls the model. If the provider refuses the request because it is too long, summarizes earlier runs once and asks
   * again, provided that the Worker is configured so.
   */
  async *#answer(): AsyncGenerator<EngineOutput | readonly EngineOutput[], ModelStep> {
    try {
      return yield* this.#callModel();
    } catch (error) {
      if (!isTooLong(error) || this.#hasShown || !this.#canSummarize()) throw error;
      yield { type: 'step-finish', finish: 'error' };
      yield* this.#summarize(this.#size.of(this.#request()));
    }
    return yield* this.#callModel();
  }

  async *#callModel(): AsyncGenerator<EngineOutput | readonly EngineOutput[], ModelStep> {
    const { config } = this.#access;
    const { tools } = this.#granted;
    const nameOf = (name: string): string => tools.get(name)?.name ?? name.replace(/[^\w.-]/g, '_');
    const request = this.#request();
    const messages = await this.#files.loaded(request.messages);
    const stream = modelStream(this.#access, { ...request, messages }, this.#run.signal);
    const outputs = modelStep(config.model, stream, nameOf, this.#keep);
    this.#hasShown = false;
    try {
      for (;;) {
        const next = await outputs.next();
        if (next.done) {
          const { content, usage } = next.value;
          if (usage && config.context) this.#size.counted(request, usage.inputTokens);
          this.#conversation.addAnswer(this.#run.runId, content);
          return next.value;
        }
        if ('type' in next.value)
          this.#hasShown ||= next.value.type === 'text' || next.value.type === 'reasoning';
        yield next.value;
      }
    } finally {
      await outputs.return(NO_STEP);
    }
  }

  /** Gives every open call of a run that was interrupted its result. */
  async *#resume(toolCalls: ToolCalls): Outputs {
    const { openCalls, signal } = this.#run;
    const isOpen = ({ call }: { readonly call: string }): boolean =>
      openCalls.some((open) => open.call === call);
    const calls = this.#conversation.calls.filter(isOpen);
    for await (const outputs of toolCalls.resumed(calls, openCalls)) yield this.#added(outputs);
    signal.throwIfAborted();
  }

  /** Adds the result of a call to the conversation. */
  #added(outputs: ToolOutputs): ToolOutputs {
    const { type: _, ...part } = outputs[0];
    this.#addToConversation('tool', part.call, [{ type: 'tool-result', ...part }]);
    return outputs;
  }

  /** Returns the next request, with its files by reference. */
  #request(): ModelRequest {
    return {
      system: this.#access.config.system,
      messages: this.#files.selected(this.#conversation.messages()),
      tools: toolDefinitions(this.#granted),
    };
  }

  /** Adds parts of this run to the conversation, in the form in which the log returns them to the next run. */
  #addToConversation(role: TranscriptItem['role'], id: string, parts: TranscriptItem['parts']): void {
    const { runId } = this.#run;
    this.#conversation.add({ seq: 0, id, role, parts, run: runId, time: '' });
  }

  /** Summarizes earlier runs if the next request exceeds the configured context. @throws CONTEXT_LIMIT it still does */
  async *#fitContext(): Outputs {
    const { context } = this.#access.config;
    if (!context) return;
    const { maxTokens } = context;
    const size = this.#size.of(this.#request());
    if (size <= maxTokens) return;
    if (this.#canSummarize()) {
      yield* this.#summarize(size);
      if (this.#size.of(this.#request()) <= maxTokens) return;
    }
    throw new RuntimeError(
      'CONTEXT_LIMIT',
      `The conversation has about ${size} tokens, and the limit of the Worker is ${maxTokens} (config.context.maxTokens)`,
      { details: { estimatedTokens: size, maxTokens } },
    );
  }

  #canSummarize(): boolean {
    const { context } = this.#access.config;
    const { messages } = this.#conversation.earlierThan(this.#run.runId);
    return context?.whenFull === 'summarize' && messages.length > 0;
  }

  /** Replaces all earlier runs with a summary. `size` is that of a request which is too long. */
  async *#summarize(size: number): Outputs {
    const { runId, signal } = this.#run;
    const maxTokens = Math.min(size, this.#access.config.context?.maxTokens ?? size);
    const summary = yield* compact(this.#access, this.#conversation.earlierThan(runId), maxTokens, signal);
    this.#conversation.replaceEarlier(summary, runId);
    this.#size.forget();
  }
}
