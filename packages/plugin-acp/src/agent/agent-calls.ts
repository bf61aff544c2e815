import { randomUUID } from 'node:crypto';
import type { ToolCall, ToolCallContent, ToolCallUpdate } from '@agentclientprotocol/sdk';
import type { EngineOutput, JsonValue, ToolResult } from '@worker-runtime/core';
import { boundedOutput, boundedText, type Redactor } from '@worker-runtime/core/plugin-kit';

interface PendingCall {
  /** Unique in the log. The call ids of agents need not be. */
  readonly call: string;
  name: string;
  input: unknown;
  content: readonly ToolCallContent[];
  rawOutput: unknown;
  isReported: boolean;
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

/**
 * Tracks the tool calls of one run and assembles each from the agent's updates. A call is reported as late as possible,
 * so that its input is known, and before any output that follows from it.
 */
export class AgentCalls {
  readonly #maxBytes: number;
  readonly #redactor: Redactor;
  readonly #pending = new Map<string, PendingCall>();

  constructor(maxBytes: number, redactor: Redactor) {
    this.#maxBytes = maxBytes;
    this.#redactor = redactor;
  }

  /** Applies an update. Returns the call once it has begun, and its result once it has ended. */
  update(update: ToolCall | ToolCallUpdate): readonly EngineOutput[] {
    const pending = this.#merge(update);
    const { status } = update;
    const hasEnded = status === 'completed' || status === 'failed';
    const outputs = hasEnded || status === 'in_progress' ? this.#report(pending) : [];
    if (!hasEnded) return outputs;
    this.#pending.delete(update.toolCallId);
    return [...outputs, this.#result(pending, status)];
  }

  /** Reports every call that is still held back, so that output that follows comes after it in the log. */
  flush(): readonly EngineOutput[] {
    return [...this.#pending.values()].flatMap((pending) => this.#report(pending));
  }

  /** Returns the prompt of a permission request, on one line, and the id of the call that it is about. */
  describe(update: ToolCallUpdate): { readonly call: string; readonly prompt: string } {
    const { call, name, input } = this.#merge(update);
    const title = this.#redactor.text(update.title ?? name);
    if (title !== name) return { call, prompt: `${name}: ${title}` };
    return { call, prompt: isEmpty(input) ? name : `${name} ${this.#redactor.stringify(input)}` };
  }

  #merge(update: ToolCall | ToolCallUpdate): PendingCall {
    const { toolCallId, name, title, kind, rawInput, rawOutput, content } = update;
    const pending = this.#pending.get(toolCallId) ?? {
      call: randomUUID().slice(0, 13),
      name: '',
      input: undefined,
      content: [],
      rawOutput: undefined,
      isReported: false,
    };
    // Agents change the title while a call runs, so the first name is kept.
    pending.name ||= this.#redactor.text(name ?? title ?? kind ?? '').slice(0, 256) || 'tool';
    if (!isEmpty(rawInput)) pending.input = rawInput;
    if (content) pending.content = content;
    if (!isEmpty(rawOutput)) pending.rawOutput = rawOutput;
    this.#pending.set(toolCallId, pending);
    return pending;
  }

  #report(pending: PendingCall): readonly EngineOutput[] {
    if (pending.isReported) return [];
    pending.isReported = true;
    const { call, name, input = {} } = pending;
    return [{ type: 'tool-call', call, name, input: this.#bounded(input).output }];
  }

  #result({ call, content, rawOutput }: PendingCall, status: 'completed' | 'failed'): ToolResult {
    const text = content.map(contentText).join('\n');
    const answer = text === '' && rawOutput !== undefined ? rawOutput : text;
    if (status === 'completed') return { type: 'tool-result', call, ...this.#bounded(answer) };
    const { text: error, ...cut } = boundedText(
      typeof answer === 'string' ? this.#redactor.text(answer) : this.#redactor.stringify(answer),
      this.#maxBytes,
    );
    return { type: 'tool-result', call, error: error || 'The tool failed', ...cut };
  }

  /** Redacts a value, then cuts it to size. In the other order, a secret that is cut in two would not be recognized. */
  #bounded(value: unknown): ReturnType<typeof boundedOutput> {
    return boundedOutput(this.#redactor.json(value as JsonValue), this.#maxBytes);
  }
}
