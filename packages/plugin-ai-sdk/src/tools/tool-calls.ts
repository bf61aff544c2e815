import {
  boundedOutput,
  boundedText,
  type JsonObject,
  type JsonValue,
  type Logger,
  type Run,
  RuntimeError,
  type ToolResult,
} from '@worker-runtime/core';
import type { ModelCall } from '../model/model-step.ts';
import type { ResolvedOptions } from '../options.ts';
import type { Secrets } from '../secrets.ts';
import { ToolFailure } from './mcp-server.ts';
import type { GrantedTool, Grants } from './toolbox.ts';

/** How many calls of one step are made at once. */
const AT_ONCE = 8;
const MOST_PROMPT_CHARS = 2_000;

const CANCELLED = 'The run was ended before this call was. Whether it had an effect is not known.';

interface Rules {
  readonly run: Run;
  readonly grants: Grants;
  readonly options: ResolvedOptions;
  readonly secrets: Secrets;
  readonly log: Logger;
  /** Whether the Worker's config wants permission for each call. */
  readonly asksAlways: boolean;
}

/** Makes the calls of one step. Each is made at most once, and only after it stands in the log. */
export class ToolCalls {
  readonly #rules: Rules;
  /** One permission is asked for at a time: a person answers one after the other. */
  #asked: Promise<unknown> = Promise.resolve();

  constructor(rules: Rules) {
    this.#rules = rules;
  }

  /** A result for each call, in the order in which they end; also where the run is told to end meanwhile. */
  async *results(calls: readonly ModelCall[]): AsyncGenerator<ToolResult> {
    const waiting = [...calls];
    const on = new Map<string, Promise<ToolResult>>();
    while (waiting.length > 0 || on.size > 0) {
      for (let next = on.size < AT_ONCE ? waiting.shift() : undefined; next; ) {
        on.set(next.call, this.#result(next));
        next = on.size < AT_ONCE ? waiting.shift() : undefined;
      }
      const result = await Promise.race(on.values());
      on.delete(result.call);
      yield result;
    }
  }

  async #result({ call, name, input, refusal }: ModelCall): Promise<ToolResult> {
    const failed = (error: string): ToolResult => ({ type: 'tool-result', call, ...this.#bounded(error) });
    const { run, grants, secrets, log, options } = this.#rules;
    const tool = grants.tools.get(name);
    if (refusal !== null || !tool) return failed(refusal ?? 'There is no such tool');
    try {
      const denial = await this.#denial(tool, call, input as JsonObject);
      if (denial !== null) return failed(denial);
      if (run.signal.aborted) return failed('The run was ended before this call was made.');
      const answer = await this.#inTime(tool, call, input as JsonObject);
      // before it is cut: what is left of a secret that is cut in two would not be found
      const clean = secrets.json(JSON.parse(JSON.stringify(answer) ?? 'null') as JsonValue);
      return { type: 'tool-result', call, ...boundedOutput(clean, options.toolOutputBytes) };
    } catch (error) {
      if (run.signal.aborted) return failed(CANCELLED);
      if (error instanceof ToolFailure) return failed(error.message);
      if (error instanceof RuntimeError) return failed(error.message);
      const story = secrets.text(error instanceof Error ? `${error.message}\n${error.stack}` : String(error));
      log.warn({ tool: tool.name, story }, 'A tool failed');
      return failed('The tool failed. Whether it had an effect is not known.');
    }
  }

  #bounded(error: string): { readonly error: string; readonly truncated?: true } {
    const { text, ...cut } = boundedText(
      this.#rules.secrets.text(error),
      this.#rules.options.toolOutputBytes,
    );
    return { error: text, ...cut };
  }

  /** What the model is told instead of a result; null where the call may be made. */
  async #denial(tool: GrantedTool, call: string, input: JsonObject): Promise<string | null> {
    const { run, options, secrets, asksAlways } = this.#rules;
    if (!asksAlways && !(await tool.needsPermission(input, call))) return null;
    const shown = secrets.text(JSON.stringify(input));
    const prompt = `${tool.name} ${shown.length > MOST_PROMPT_CHARS ? `${shown.slice(0, MOST_PROMPT_CHARS)}…` : shown}`;
    const answered = this.#asked.then(() =>
      run.ask({
        kind: 'permission',
        prompt,
        call,
        options: ['allow', 'deny'],
        timeoutMs: options.permissionMs,
      }),
    );
    this.#asked = answered.catch(() => {});
    const { decision, note, by } = await answered;
    if (decision === 'allow') return null;
    if (by === 'timeout') return 'Nobody gave permission for this call in time. It was not made.';
    if (decision === null) return 'The run was ended before permission was given. The call was not made.';
    return `Permission for this call was denied. It was not made.${note === undefined ? '' : ` ${note}`}`;
  }

  /** A function that ignores its signal is left alone: its answer comes too late for anybody. */
  #inTime(tool: GrantedTool, call: string, input: JsonObject): Promise<unknown> {
    const { run, options } = this.#rules;
    const { toolMs } = options;
    const over = new AbortController();
    return new Promise((resolve, reject) => {
      const end = (): void => over.abort(run.signal.reason);
      const tooLong = `The tool took more than ${toolMs} ms. Whether it had an effect is not known.`;
      const timer = setTimeout(() => over.abort(new ToolFailure(tooLong)), toolMs);
      const settled = (): void => {
        clearTimeout(timer);
        run.signal.removeEventListener('abort', end);
      };
      run.signal.addEventListener('abort', end, { once: true });
      over.signal.addEventListener(
        'abort',
        () => {
          settled();
          reject(over.signal.reason);
        },
        { once: true },
      );
      Promise.resolve()
        .then(() => tool.execute(input, call, over.signal))
        .then(resolve, reject)
        .finally(settled);
    });
  }
}
