import {
  type Answer,
  type FilePart,
  type JsonObject,
  type JsonValue,
  type Logger,
  type Question,
  type Run,
  RuntimeError,
  type ToolResult,
} from '@worker-runtime/core';
import {
  boundedOutput,
  boundedText,
  type MadeFile,
  type Notice,
  type OpenCall,
} from '@worker-runtime/core/plugin-kit';
import { INTERRUPTED, type ModelCall } from '../model/model-step.ts';
import type { ResolvedOptions } from '../options.ts';
import type { Secrets } from '../secrets.ts';
import { beginning } from '../text-beginning.ts';
import { CallTimer } from './call-timer.ts';
import { ContentResult } from './content-result.ts';
import { FORM_OPTIONS, type Form, type FormAnswer, formAnswer } from './form.ts';
import { schemaFault } from './schema-fault.ts';
import { ToolFailure } from './tool-failure.ts';
import type { GrantedTool, GrantedTools } from './toolbox.ts';

/** The most calls of one step that run at the same time. */
const MAX_CONCURRENT = 8;
const MAX_PROMPT_CHARS = 2_000;
/** The most forms that one call may show to people. */
const MAX_FORMS = 20;

const CANCELLED = 'The run ended before this call did. Whether it had an effect is not known.';

const shortened = (text: string): string =>
  text.length > MAX_PROMPT_CHARS ? `${beginning(text, MAX_PROMPT_CHARS)}…` : text;

/** The result of a call, and remarks about it. */
export type ToolOutputs = readonly [ToolResult, ...Notice[]];

interface ToolCallContext {
  readonly run: Run;
  readonly granted: GrantedTools;
  readonly options: ResolvedOptions;
  readonly secrets: Secrets;
  readonly log: Logger;
  /** Stores a file of a result. */
  readonly keep: (file: MadeFile) => Promise<FilePart | Notice>;
  /** True if the configuration of the Worker requires permission for every call. */
  readonly asksAlways: boolean;
}

/** Makes the tool calls of one step. Each call is made at most once, and only after it is in the log. */
export class ToolCalls {
  readonly #context: ToolCallContext;
  /** The last request. Requests are opened one at a time, because a person answers one after the other. */
  #lastRequest: Promise<unknown> = Promise.resolve();
  /** The timers of the calls in progress. They are paused while people are asked to fill in a form. */
  readonly #timers = new Set<CallTimer>();
  /** The forms that are open, or wait to be opened. */
  readonly #forms = new Set<AbortController>();

  constructor(context: ToolCallContext) {
    this.#context = context;
  }

  /**
   * Yields a result for each call, in the order in which the calls end, even if the run is cancelled in the meantime. A
   * remark about a result comes with it.
   */
  async *results(calls: readonly ModelCall[]): AsyncGenerator<ToolOutputs> {
    const waiting = [...calls];
    const inProgress = new Map<string, Promise<ToolOutputs>>();
    try {
      while (waiting.length > 0 || inProgress.size > 0) {
        for (let next = inProgress.size < MAX_CONCURRENT ? waiting.shift() : undefined; next; ) {
          inProgress.set(next.call, this.#outputs(next));
          next = inProgress.size < MAX_CONCURRENT ? waiting.shift() : undefined;
        }
        const outputs = await Promise.race(inProgress.values());
        inProgress.delete(outputs[0].call);
        yield outputs;
      }
    } finally {
      for (const form of this.#forms) form.abort();
    }
  }

  /**
   * Yields a result for each open call of a run that was interrupted. A call that was certainly not made is made now, after its
   * permission; the result of any other says that its effect is not known.
   */
  async *resumed(calls: readonly ModelCall[], openCalls: readonly OpenCall[]): AsyncGenerator<ToolOutputs> {
    const unmade: ModelCall[] = [];
    for (const call of calls) {
      const open = openCalls.find((one) => one.call === call.call);
      if (open?.request === 'open' || (open?.request === 'none' && (await this.#asksFirst(call))))
        unmade.push(call);
      else yield [{ type: 'tool-result', call: call.call, error: INTERRUPTED }];
    }
    yield* this.results(unmade);
  }

  /** True if a call needs permission, and therefore was not made unless a request about it was opened. */
  async #asksFirst({ name, call, input }: ModelCall): Promise<boolean> {
    const { run, granted, asksAlways } = this.#context;
    const tool = granted.tools.get(name);
    if (!tool) return false;
    if (asksAlways) return true;
    const { caller } = granted;
    return tool.needsPermission(input as JsonObject, { call, caller, signal: run.signal }).catch(() => false);
  }

  async #outputs({ call, name, input, invalid }: ModelCall): Promise<ToolOutputs> {
    const error = (message: string): ToolResult => ({ type: 'tool-result', call, ...this.#bounded(message) });
    const failed = (message: string): ToolOutputs => [error(message)];
    const denied = (message: string): ToolOutputs => [{ ...error(message), denied: true }];
    const { run, granted, secrets, log, options } = this.#context;
    const tool = granted.tools.get(name);
    if (invalid !== null || !tool) return failed(invalid ?? 'There is no such tool');
    try {
      const denial = await this.#denial(tool, call, input as JsonObject);
      if (denial !== null) return denied(denial);
      if (run.signal.aborted) return failed('The run ended before this call was made.');
      const answer = await this.#execute(tool, call, input as JsonObject);
      if (answer instanceof ContentResult) {
        const output = answer.output(secrets, options.toolOutputBytes);
        const { files, notices } = await this.#stored(answer);
        const result = { type: 'tool-result', call, ...output, ...(files.length > 0 && { files }) } as const;
        return [result, ...notices, ...this.#remarks(tool, answer)];
      }
      // Redacted before it is cut to size: a secret that is cut in two would not be recognized.
      const clean = secrets.json(JSON.parse(JSON.stringify(answer) ?? 'null') as JsonValue);
      return [{ type: 'tool-result', call, ...boundedOutput(clean, options.toolOutputBytes) }];
    } catch (cause) {
      if (run.signal.aborted) return failed(CANCELLED);
      if (cause instanceof ToolFailure || cause instanceof RuntimeError) return failed(cause.message);
      const detail = secrets.text(
        cause instanceof Error ? `${cause.message}\n${cause.stack}` : String(cause),
      );
      log.warn({ tool: tool.name, detail }, 'A tool failed');
      return failed('The tool failed. Whether it had an effect is not known.');
    }
  }

  /** Stores the files of a result. */
  async #stored({ files: made }: ContentResult): Promise<{ files: FilePart[]; notices: Notice[] }> {
    const files: FilePart[] = [];
    const notices: Notice[] = [];
    for (const file of made) {
      const kept = await this.#context.keep(file);
      if (kept.type === 'notice') notices.push(kept);
      else files.push(kept);
    }
    return { files, notices };
  }

  /** Returns a notice about a result that differs from the output schema of its tool. */
  #remarks(tool: GrantedTool, { fault }: ContentResult): readonly Notice[] {
    if (fault === null) return [];
    const message = `The result of ${tool.name} does not fit its output schema: ${fault}`;
    this.#context.log.warn({ tool: tool.name, fault }, 'A result does not fit the output schema of its tool');
    return [{ type: 'notice', severity: 'warning', code: 'TOOL_OUTPUT_UNEXPECTED', message }];
  }

  #bounded(error: string): { readonly error: string; readonly truncated?: true } {
    const { text, ...cut } = boundedText(
      this.#context.secrets.text(error),
      this.#context.options.toolOutputBytes,
    );
    return { error: text, ...cut };
  }

  /**
   * Asks for permission if the call needs it. Returns the reason of a denial for the model, or null if it is allowed.
   */
  async #denial(tool: GrantedTool, call: string, input: JsonObject): Promise<string | null> {
    const { run, granted, options, secrets, asksAlways } = this.#context;
    const { caller } = granted;
    if (!asksAlways && !(await tool.needsPermission(input, { call, caller, signal: run.signal })))
      return null;
    const shown = secrets.stringify(input);
    const prompt = `${tool.name} ${shortened(shown)}`;
    const { decision, note, by } = await this.#ask({
      kind: 'permission',
      prompt,
      call,
      options: [
        { id: 'allow', label: 'Allow', kind: 'allow-once' },
        { id: 'deny', label: 'Deny', kind: 'reject-once' },
      ],
      timeoutMs: options.permissionMs,
    });
    if (decision === 'allow') return null;
    if (by === 'timeout') return 'Permission for this call was not given in time. It was not made.';
    if (decision === null) return 'The run ended before permission was given. The call was not made.';
    return `Permission for this call was denied. It was not made.${note === undefined ? '' : ` ${note}`}`;
  }

  #ask(question: Question): Promise<Answer> {
    const answered = this.#lastRequest.then(() => this.#context.run.ask(question));
    this.#lastRequest = answered.catch(() => {});
    return answered;
  }

  /** Asks people to fill in a form of a tool server. The time for calls does not run in the meantime. */
  async #askForm(call: string, form: Form): Promise<FormAnswer> {
    const { options, secrets } = this.#context;
    const { schema } = form;
    const controller = new AbortController();
    const abort = (): void => controller.abort();
    form.signal.addEventListener('abort', abort, { once: true });
    this.#forms.add(controller);
    for (const timer of this.#timers) timer.pause();
    try {
      const answer = await this.#ask({
        kind: 'question',
        prompt: shortened(secrets.text(`The tool server "${form.server}" asks: ${form.message}`)),
        ...(form.isOfOneCall && { call }),
        options: FORM_OPTIONS,
        schema: secrets.json(schema) as JsonObject,
        checkValue: (value) => schemaFault(schema, value),
        timeoutMs: options.permissionMs,
        signal: controller.signal,
      });
      return formAnswer(form, answer);
    } finally {
      form.signal.removeEventListener('abort', abort);
      this.#forms.delete(controller);
      if (this.#forms.size === 0) for (const timer of this.#timers) timer.start();
    }
  }

  /** Executes a call within `toolMs`. A function that ignores its signal keeps running, and its result is ignored. */
  #execute(tool: GrantedTool, call: string, input: JsonObject): Promise<unknown> {
    const { run, granted, options } = this.#context;
    const { caller } = granted;
    const { toolMs } = options;
    const controller = new AbortController();
    let forms = 0;
    const ask = (form: Form): Promise<FormAnswer> => {
      forms += 1;
      if (forms > MAX_FORMS) throw new RuntimeError('LIMIT_REACHED', `A call may ask ${MAX_FORMS} times`);
      return this.#askForm(call, form);
    };
    return new Promise((resolve, reject) => {
      const abort = (): void => controller.abort(run.signal.reason);
      const timeout = `The tool took more than ${toolMs} ms. Whether it had an effect is not known.`;
      const timer = new CallTimer(toolMs, () => controller.abort(new ToolFailure(timeout)));
      this.#timers.add(timer);
      if (this.#forms.size === 0) timer.start();
      const settled = (): void => {
        timer.pause();
        this.#timers.delete(timer);
        run.signal.removeEventListener('abort', abort);
      };
      run.signal.addEventListener('abort', abort, { once: true });
      controller.signal.addEventListener(
        'abort',
        () => {
          settled();
          reject(controller.signal.reason);
        },
        { once: true },
      );
      Promise.resolve()
        .then(() => tool.execute(input, { call, caller, signal: controller.signal, ask }))
        .then(resolve, reject)
        .finally(settled);
    });
  }
}
