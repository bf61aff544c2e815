import {
  type JsonObject,
  type JsonValue,
  type Logger,
  type Run,
  RuntimeError,
  type ToolResult,
} from '@worker-runtime/core';
import { boundedOutput, boundedText, type OpenCall } from '@worker-runtime/core/plugin-kit';
import { INTERRUPTED, type ModelCall } from '../model/model-step.ts';
import type { ResolvedOptions } from '../options.ts';
import type { Secrets } from '../secrets.ts';
import { beginning } from '../text-beginning.ts';
import { McpResult } from './mcp-result.ts';
import { ToolFailure } from './tool-failure.ts';
import type { GrantedTool, GrantedTools } from './toolbox.ts';

/** The most calls of one step that run at the same time. */
const MAX_CONCURRENT = 8;
const MAX_PROMPT_CHARS = 2_000;

const CANCELLED = 'The run ended before this call did. Whether it had an effect is not known.';

interface ToolCallContext {
  readonly run: Run;
  readonly granted: GrantedTools;
  readonly options: ResolvedOptions;
  readonly secrets: Secrets;
  readonly log: Logger;
  /** True if the configuration of the Worker requires permission for every call. */
  readonly asksAlways: boolean;
}

/** Makes the tool calls of one step. Each call is made at most once, and only after it is in the log. */
export class ToolCalls {
  readonly #context: ToolCallContext;
  /** The last permission request. Requests are opened one at a time, because a person answers one after the other. */
  #lastRequest: Promise<unknown> = Promise.resolve();

  constructor(context: ToolCallContext) {
    this.#context = context;
  }

  /**
   * Yields a result for each call, in the order in which the calls end, even if the run is cancelled in the meantime.
   */
  async *results(calls: readonly ModelCall[]): AsyncGenerator<ToolResult> {
    const waiting = [...calls];
    const inProgress = new Map<string, Promise<ToolResult>>();
    while (waiting.length > 0 || inProgress.size > 0) {
      for (let next = inProgress.size < MAX_CONCURRENT ? waiting.shift() : undefined; next; ) {
        inProgress.set(next.call, this.#result(next));
        next = inProgress.size < MAX_CONCURRENT ? waiting.shift() : undefined;
      }
      const result = await Promise.race(inProgress.values());
      inProgress.delete(result.call);
      yield result;
    }
  }

  /**
   * Yields a result for each open call of a run that was interrupted. A call that was certainly not made is made now, after its
   * permission; the result of any other says that its effect is not known.
   */
  async *resumed(calls: readonly ModelCall[], openCalls: readonly OpenCall[]): AsyncGenerator<ToolResult> {
    const unmade: ModelCall[] = [];
    for (const call of calls) {
      const open = openCalls.find((one) => one.call === call.call);
      if (open?.request === 'open' || (open?.request === 'none' && (await this.#asksFirst(call))))
        unmade.push(call);
      else yield { type: 'tool-result', call: call.call, error: INTERRUPTED };
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

  async #result({ call, name, input, invalid }: ModelCall): Promise<ToolResult> {
    const failed = (error: string): ToolResult => ({ type: 'tool-result', call, ...this.#bounded(error) });
    const denied = (error: string): ToolResult => ({ ...failed(error), denied: true });
    const { run, granted, secrets, log, options } = this.#context;
    const tool = granted.tools.get(name);
    if (invalid !== null || !tool) return failed(invalid ?? 'There is no such tool');
    try {
      const denial = await this.#denial(tool, call, input as JsonObject);
      if (denial !== null) return denied(denial);
      if (run.signal.aborted) return failed('The run ended before this call was made.');
      const answer = await this.#execute(tool, call, input as JsonObject);
      if (answer instanceof McpResult)
        return { type: 'tool-result', call, ...answer.output(secrets, options.toolOutputBytes) };
      // Redacted before it is cut to size: a secret that is cut in two would not be recognized.
      const clean = secrets.json(JSON.parse(JSON.stringify(answer) ?? 'null') as JsonValue);
      return { type: 'tool-result', call, ...boundedOutput(clean, options.toolOutputBytes) };
    } catch (error) {
      if (run.signal.aborted) return failed(CANCELLED);
      if (error instanceof ToolFailure) return failed(error.message);
      if (error instanceof RuntimeError) return failed(error.message);
      const detail = secrets.text(
        error instanceof Error ? `${error.message}\n${error.stack}` : String(error),
      );
      log.warn({ tool: tool.name, detail }, 'A tool failed');
      return failed('The tool failed. Whether it had an effect is not known.');
    }
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
    const prompt = `${tool.name} ${shown.length > MAX_PROMPT_CHARS ? `${beginning(shown, MAX_PROMPT_CHARS)}…` : shown}`;
    const answered = this.#lastRequest.then(() =>
      run.ask({
        kind: 'permission',
        prompt,
        call,
        options: [
          { id: 'allow', label: 'Allow', kind: 'allow-once' },
          { id: 'deny', label: 'Deny', kind: 'reject-once' },
        ],
        timeoutMs: options.permissionMs,
      }),
    );
    this.#lastRequest = answered.catch(() => {});
    const { decision, note, by } = await answered;
    if (decision === 'allow') return null;
    if (by === 'timeout') return 'Permission for this call was not given in time. It was not made.';
    if (decision === null) return 'The run ended before permission was given. The call was not made.';
    return `Permission for this call was denied. It was not made.${note === undefined ? '' : ` ${note}`}`;
  }

  /** Executes a call within `toolMs`. A function that ignores its signal keeps running, and its result is ignored. */
  #execute(tool: GrantedTool, call: string, input: JsonObject): Promise<unknown> {
    const { run, granted, options } = this.#context;
    const { caller } = granted;
    const { toolMs } = options;
    const controller = new AbortController();
    return new Promise((resolve, reject) => {
      const abort = (): void => controller.abort(run.signal.reason);
      const timeout = `The tool took more than ${toolMs} ms. Whether it had an effect is not known.`;
      const timer = setTimeout(() => controller.abort(new ToolFailure(timeout)), toolMs);
      const settled = (): void => {
        clearTimeout(timer);
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
        .then(() => tool.execute(input, { call, caller, signal: controller.signal }))
        .then(resolve, reject)
        .finally(settled);
    });
  }
}
