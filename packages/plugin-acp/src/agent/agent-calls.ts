import { randomUUID } from 'node:crypto';
import type { ToolCall, ToolCallContent, ToolCallUpdate } from '@agentclientprotocol/sdk';
import { type EngineOutput, type JsonValue, RuntimeError, type ToolResult } from '@worker-runtime/core';
import { boundedOutput, boundedText, type Redactor } from '@worker-runtime/core/plugin-kit';

/** The most calls without a result, as `limits.openCalls` has it by default. At the limit, the run fails. */
const MAX_OPEN_CALLS = 1_000;

/** The most characters of calls to keep before they are reported, although their inputs may still change. */
const MAX_UNREPORTED_CHARS = 1_048_576;

/** The most characters of all calls without a result. At the limit, the run fails. */
const MAX_OPEN_CHARS = 8_388_608;

/** A call without a result. Everything in it is redacted and cut to size. */
interface OpenCall {
  /** Unique in the log. The call ids of agents need not be. */
  readonly call: string;
  name: string;
  /** The input; undefined until the agent has sent it, and again when it is in the log. */
  input: JsonValue | undefined;
  content: ReturnType<typeof boundedText> | null;
  rawOutput: ReturnType<typeof boundedOutput> | null;
  isReported: boolean;
  chars: number;
}

const isEmpty = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  (typeof value === 'object' && !Array.isArray(value) && Object.keys(value).length === 0);

const contentText = (content: ToolCallContent): string => {
  if (content.type === 'diff') return `${content.path}:\n${content.newText}`;
  if (content.type === 'terminal') return '[terminal]';
  return content.content.type === 'text' ? content.content.text : `[${content.content.type}]`;
};

const textOf = (value: JsonValue): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** The memory that a call takes, roughly. */
const charsOf = ({ input, content, rawOutput }: OpenCall): number =>
  256 +
  (input === undefined ? 0 : textOf(input).length) +
  (content?.text.length ?? 0) +
  (rawOutput === null ? 0 : textOf(rawOutput.output).length);

/**
 * Tracks the tool calls of one run and assembles each from the agent's updates. A call is reported as late as possible,
 * so that its input is known, and before any output that follows from it.
 */
export class AgentCalls {
  readonly #maxBytes: number;
  readonly #redactor: Redactor;
  readonly #open = new Map<string, OpenCall>();
  #chars = 0;
  #unreportedChars = 0;

  constructor(maxBytes: number, redactor: Redactor) {
    this.#maxBytes = maxBytes;
    this.#redactor = redactor;
  }

  /**
   * Applies an update. Returns the call once it has begun, and its result once it has ended.
   * @throws LIMIT_REACHED too many calls have no result
   */
  update(update: ToolCall | ToolCallUpdate): readonly EngineOutput[] {
    const open = this.#merge(update);
    const { status } = update;
    const hasEnded = status === 'completed' || status === 'failed';
    const outputs = hasEnded || status === 'in_progress' ? this.#report(open) : [];
    if (hasEnded) {
      this.#open.delete(update.toolCallId);
      this.#chars -= open.chars;
      return [...outputs, resultOf(open, status)];
    }
    return this.#unreportedChars > MAX_UNREPORTED_CHARS ? [...outputs, ...this.flush()] : outputs;
  }

  /** Reports every call that is still held back, so that output that follows comes after it in the log. */
  flush(): readonly EngineOutput[] {
    if (this.#unreportedChars === 0) return [];
    return [...this.#open.values()].flatMap((open) => this.#report(open));
  }

  /**
   * Returns the prompt of a permission request, on one line, and the id of the call that it is about.
   * @throws LIMIT_REACHED too many calls have no result
   */
  describe(update: ToolCallUpdate): { readonly call: string; readonly prompt: string } {
    const { call, name, input } = this.#merge(update);
    const title = this.#redactor.text(update.title ?? name);
    if (title !== name) return { call, prompt: `${name}: ${title}` };
    const shown = input ?? (isEmpty(update.rawInput) ? undefined : this.#bounded(update.rawInput).output);
    return { call, prompt: shown === undefined ? name : `${name} ${textOf(shown)}` };
  }

  #merge(update: ToolCall | ToolCallUpdate): OpenCall {
    const { toolCallId, name, title, kind, rawInput, rawOutput, content } = update;
    const open = this.#open.get(toolCallId) ?? {
      call: randomUUID().slice(0, 13),
      name: '',
      input: undefined,
      content: null,
      rawOutput: null,
      isReported: false,
      chars: 0,
    };
    // Agents change the title while a call runs, so the first name is kept.
    open.name ||= this.#redactor.text(name ?? title ?? kind ?? '').slice(0, 256) || 'tool';
    if (!open.isReported && !isEmpty(rawInput)) open.input = this.#bounded(rawInput).output;
    if (content)
      open.content = boundedText(this.#redactor.text(content.map(contentText).join('\n')), this.#maxBytes);
    if (!isEmpty(rawOutput)) open.rawOutput = this.#bounded(rawOutput);
    this.#open.set(toolCallId, open);
    this.#resize(open);
    if (this.#open.size > MAX_OPEN_CALLS || this.#chars > MAX_OPEN_CHARS)
      throw new RuntimeError('LIMIT_REACHED', 'The run has too many tool calls without a result', {
        details: { limit: 'openCalls', value: MAX_OPEN_CALLS },
      });
    return open;
  }

  #report(open: OpenCall): readonly EngineOutput[] {
    if (open.isReported) return [];
    this.#unreportedChars -= open.chars;
    open.isReported = true;
    const { call, name, input = {} } = open;
    // The log has it now.
    open.input = undefined;
    this.#resize(open);
    return [{ type: 'tool-call', call, name, input }];
  }

  #resize(open: OpenCall): void {
    const chars = charsOf(open);
    this.#chars += chars - open.chars;
    if (!open.isReported) this.#unreportedChars += chars - open.chars;
    open.chars = chars;
  }

  /** Redacts a value, then cuts it to size. In the other order, a secret that is cut in two would not be recognized. */
  #bounded(value: unknown): ReturnType<typeof boundedOutput> {
    return boundedOutput(this.#redactor.json(value as JsonValue), this.#maxBytes);
  }
}

const resultOf = ({ call, content, rawOutput }: OpenCall, status: 'completed' | 'failed'): ToolResult => {
  const isText = rawOutput === null || (content !== null && content.text !== '');
  const { text = '', ...cut } = content ?? {};
  const { output = '', ...cutOutput } = isText ? { output: text, ...cut } : rawOutput;
  if (status === 'completed') return { type: 'tool-result', call, output, ...cutOutput };
  return { type: 'tool-result', call, error: textOf(output) || 'The tool failed', ...cutOutput };
};
