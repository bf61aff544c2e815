import {
  type EngineContext,
  type EngineOutput,
  type Notice,
  type Run,
  RuntimeError,
  type TranscriptItem,
} from '@worker-runtime/core';
import { compact } from './conversation/compaction.ts';
import { requestTokens } from './conversation/context-size.ts';
import { Conversation } from './conversation/conversation.ts';
import { type ModelStep, modelStep } from './model/model-step.ts';
import { type ModelAccess, modelStream } from './model/model-stream.ts';
import { ToolCalls } from './tools/tool-calls.ts';
import { type Grants, toldTools } from './tools/toolbox.ts';

type Outputs = AsyncGenerator<EngineOutput | readonly EngineOutput[], void>;

/** Why an answer ended where people would not expect it to. */
const REMARKS: Readonly<Record<string, Notice>> = {
  length: {
    type: 'notice',
    severity: 'warning',
    code: 'OUTPUT_LIMIT',
    message: 'The answer is cut off: the model reached the most that it may write at once',
  },
  'content-filter': {
    type: 'notice',
    severity: 'warning',
    code: 'CONTENT_FILTER',
    message: 'The provider filtered the answer',
  },
};

/** One run: the model is asked, its calls are made, and it is asked again, until it asks for nothing more. */
export class ModelRun {
  readonly #run: Run;
  readonly #access: ModelAccess;
  readonly #grants: Grants;
  readonly #conversation: Conversation;

  private constructor(run: Run, access: ModelAccess, grants: Grants, conversation: Conversation) {
    this.#run = run;
    this.#access = access;
    this.#grants = grants;
    this.#conversation = conversation;
  }

  /** Reads the conversation from the log: O(its length), as the request that follows is. */
  static async begin(
    run: Run,
    context: EngineContext,
    access: ModelAccess,
    grants: Grants,
  ): Promise<ModelRun> {
    return new ModelRun(run, access, grants, await Conversation.read(context.history(), run.runId));
  }

  /** @throws as `modelStream` · LIMIT_REACHED the run takes more steps than it may · CONTEXT_LIMIT */
  async *outputs(): Outputs {
    const { config, options, secrets, log } = this.#access;
    const { signal } = this.#run;
    for (const name of this.#grants.missing)
      yield {
        type: 'notice',
        severity: 'warning',
        code: 'TOOL_UNAVAILABLE',
        message: `The tool ${name} is not there now: the model goes on without it`,
      };
    const calling = new ToolCalls({
      run: this.#run,
      grants: this.#grants,
      options,
      secrets,
      log,
      asksAlways: config.permission === 'ask',
    });
    let last: ModelStep | null = null;
    for (let step = 1; ; step += 1) {
      yield* this.#fit(last);
      last = yield* this.#ask();
      const remark = REMARKS[last.finish];
      if (remark) yield remark;
      if (last.calls.length === 0) return;
      if (step === config.maxSteps) {
        yield last.calls.map(({ call }) => ({
          type: 'tool-result' as const,
          call,
          error: 'The run took as many steps as it may. This call was not made.',
        }));
        throw new RuntimeError('LIMIT_REACHED', `The run took as many steps as it may: ${step}`, {
          details: { limit: 'maxSteps', value: step },
        });
      }
      for await (const result of calling.results(last.calls)) {
        const { type: _, ...part } = result;
        this.#say('tool', result.call, [{ type: 'tool-result', ...part }]);
        yield result;
      }
      signal.throwIfAborted();
    }
  }

  async *#ask(): AsyncGenerator<EngineOutput | readonly EngineOutput[], ModelStep> {
    const { config } = this.#access;
    const { tools } = this.#grants;
    const nameOf = (name: string): string => tools.get(name)?.name ?? name.replace(/[^\w.-]/g, '_');
    const parts = modelStream(
      this.#access,
      { system: config.system, messages: this.#conversation.messages(), tools: toldTools(this.#grants) },
      this.#run.signal,
    );
    let text = '';
    const outputs = modelStep(config.model, parts, nameOf);
    try {
      for (;;) {
        const next = await outputs.next();
        if (next.done) {
          this.#say('assistant', '', [
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

  /** What was said in this run, as the log will give it to the next one. */
  #say(role: TranscriptItem['role'], id: string, parts: TranscriptItem['parts']): void {
    const { runId } = this.#run;
    this.#conversation.add({ seq: 0, id, role, parts, run: runId, time: '' });
  }

  /** Sees to it that the next request is within the configured context. @throws CONTEXT_LIMIT it cannot be */
  async *#fit(last: ModelStep | null): Outputs {
    const { context, system } = this.#access.config;
    if (!context) return;
    const { maxTokens, whenFull } = context;
    const tools = toldTools(this.#grants);
    const counted = last?.usage ? last.usage.inputTokens + last.usage.outputTokens : 0;
    const estimate = (): number => requestTokens(system, this.#conversation.messages(), tools);
    const size = Math.max(counted, estimate());
    if (size <= maxTokens) return;
    const { runId, signal } = this.#run;
    const earlier = this.#conversation.earlierThan(runId);
    if (whenFull === 'summarize' && earlier.messages.length > 0) {
      const summary = yield* compact(this.#access, earlier, maxTokens, signal);
      this.#conversation.compacted(summary, runId);
      if (estimate() <= maxTokens) return;
    }
    throw new RuntimeError(
      'CONTEXT_LIMIT',
      `The conversation takes about ${size} tokens, and the Worker's limit is ${maxTokens}`,
      { details: { estimatedTokens: size, maxTokens } },
    );
  }
}
