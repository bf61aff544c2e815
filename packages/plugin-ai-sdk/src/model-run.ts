import {
  type EngineContext,
  type EngineOutput,
  type Run,
  RuntimeError,
  type TranscriptItem,
} from '@worker-runtime/core';
import type { Notice } from '@worker-runtime/core/plugin-kit';
import { compact } from './conversation/compaction.ts';
import { requestTokens } from './conversation/context-size.ts';
import { Conversation } from './conversation/conversation.ts';
import { type ModelStep, modelStep } from './model/model-step.ts';
import { type ModelAccess, modelStream } from './model/model-stream.ts';
import { ToolCalls } from './tools/tool-calls.ts';
import { type GrantedTools, toolDefinitions } from './tools/toolbox.ts';

type Outputs = AsyncGenerator<EngineOutput | readonly EngineOutput[], void>;

/** The notices for finish reasons of an incomplete answer. */
const FINISH_NOTICES: Readonly<Record<string, Notice>> = {
  length: {
    type: 'notice',
    severity: 'warning',
    code: 'OUTPUT_LIMIT',
    message: 'The answer is incomplete: the model reached its output limit',
  },
  'content-filter': {
    type: 'notice',
    severity: 'warning',
    code: 'CONTENT_FILTER',
    message: 'The provider filtered the answer',
  },
};

/** One run. Calls the model and executes the tool calls that it requests, until it requests none. */
export class ModelRun {
  readonly #run: Run;
  readonly #access: ModelAccess;
  readonly #granted: GrantedTools;
  readonly #conversation: Conversation;

  private constructor(run: Run, access: ModelAccess, granted: GrantedTools, conversation: Conversation) {
    this.#run = run;
    this.#access = access;
    this.#granted = granted;
    this.#conversation = conversation;
  }

  /** Reads the conversation from the log, which takes time in proportion to its length, as the request itself does. */
  static async begin(
    run: Run,
    context: EngineContext,
    access: ModelAccess,
    granted: GrantedTools,
  ): Promise<ModelRun> {
    return new ModelRun(run, access, granted, await Conversation.read(context.history(), run.runId));
  }

  /** @throws as `modelStream` · LIMIT_REACHED the run exceeds `maxSteps` · CONTEXT_LIMIT */
  async *outputs(): Outputs {
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
      asksAlways: config.permission === 'ask',
    });
    let last: ModelStep | null = null;
    for (let step = 1; ; step += 1) {
      yield* this.#fitContext(last);
      last = yield* this.#callModel();
      const notice = FINISH_NOTICES[last.finish];
      if (notice) yield notice;
      if (last.calls.length === 0) return;
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
      for await (const result of toolCalls.results(last.calls)) {
        const { type: _, ...part } = result;
        this.#addToConversation('tool', result.call, [{ type: 'tool-result', ...part }]);
        yield result;
      }
      signal.throwIfAborted();
    }
  }

  async *#callModel(): AsyncGenerator<EngineOutput | readonly EngineOutput[], ModelStep> {
    const { config } = this.#access;
    const { tools } = this.#granted;
    const nameOf = (name: string): string => tools.get(name)?.name ?? name.replace(/[^\w.-]/g, '_');
    const parts = modelStream(
      this.#access,
      {
        system: config.system,
        messages: this.#conversation.messages(),
        tools: toolDefinitions(this.#granted),
      },
      this.#run.signal,
    );
    let text = '';
    const outputs = modelStep(config.model, parts, nameOf);
    try {
      for (;;) {
        const next = await outputs.next();
        if (next.done) {
          this.#addToConversation('assistant', '', [
            { type: 'text', text },
            ...next.value.calls.map(
              ({ call, name, input }) => ({ type: 'tool-call', call, name: nameOf(name), input }) as const,
            ),
          ]);
          return next.value;
        }
        if ('type' in next.value && next.value.type === 'text') text += next.value.text;
        yield next.value;
      }
    } finally {
      await outputs.return({ calls: [], finish: 'other', usage: null });
    }
  }

  /** Adds parts of this run to the conversation, in the form in which the log returns them to the next run. */
  #addToConversation(role: TranscriptItem['role'], id: string, parts: TranscriptItem['parts']): void {
    const { runId } = this.#run;
    this.#conversation.add({ seq: 0, id, role, parts, run: runId, time: '' });
  }

  /** Summarizes earlier runs if the next request exceeds the configured context. @throws CONTEXT_LIMIT it still does */
  async *#fitContext(last: ModelStep | null): Outputs {
    const { context, system } = this.#access.config;
    if (!context) return;
    const { maxTokens, whenFull } = context;
    const tools = toolDefinitions(this.#granted);
    const counted = last?.usage ? last.usage.inputTokens + last.usage.outputTokens : 0;
    const estimate = (): number => requestTokens(system, this.#conversation.messages(), tools);
    const size = Math.max(counted, estimate());
    if (size <= maxTokens) return;
    const { runId, signal } = this.#run;
    const earlier = this.#conversation.earlierThan(runId);
    if (whenFull === 'summarize' && earlier.messages.length > 0) {
      const summary = yield* compact(this.#access, earlier, maxTokens, signal);
      this.#conversation.replaceEarlier(summary, runId);
      if (estimate() <= maxTokens) return;
    }
    throw new RuntimeError(
      'CONTEXT_LIMIT',
      `The conversation has about ${size} tokens, and the limit of the Worker is ${maxTokens} (config.context.maxTokens)`,
      { details: { estimatedTokens: size, maxTokens } },
    );
  }
}
