import { randomUUID } from 'node:crypto';
import type { ToolCall, ToolCallContent, ToolCallUpdate } from '@agentclientprotocol/sdk';
import {
  boundedOutput,
  boundedText,
  type EngineOutput,
  type JsonValue,
  type Redactor,
  type ToolResult,
} from '@worker-runtime/core';

interface Known {
  /** Unique in the log, where those of agents need not be. */
  readonly call: string;
  name: string;
  input: unknown;
  content: readonly ToolCallContent[];
  rawOutput: unknown;
  isTold: boolean;
}

const isEmpty = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  (typeof value === 'object' && !Array.isArray(value) && Object.keys(value).length === 0);

const textOf = (content: ToolCallContent): string => {
  if (content.type === 'diff') return `${content.path}:\n${content.newText}`;
  if (content.type === 'terminal') return '[terminal]';
  return content.content.type === 'text' ? content.content.text : `[${content.content.type}]`;
};

/**
 * The calls of one run, pieced together from what an agent tells of them bit by bit. A call is told to the log as late
 * as possible, so that its input is known, and before anything that follows from it.
 */
export class AgentCalls {
  readonly #maxBytes: number;
  readonly #words: Redactor;
  readonly #known = new Map<string, Known>();

  constructor(maxBytes: number, words: Redactor) {
    this.#maxBytes = maxBytes;
    this.#words = words;
  }

  /** What an update makes known. */
  update(update: ToolCall | ToolCallUpdate): readonly EngineOutput[] {
    const known = this.#merge(update);
    const { status } = update;
    const isOver = status === 'completed' || status === 'failed';
    const told = isOver || status === 'in_progress' ? this.#tell(known) : [];
    if (!isOver) return told;
    this.#known.delete(update.toolCallId);
    return [...told, this.#result(known, status)];
  }

  /** Tells all that is held back: something follows that it must not stand behind. */
  flush(): readonly EngineOutput[] {
    return [...this.#known.values()].flatMap((known) => this.#tell(known));
  }

  /** What an agent asks permission for, in a line, and the call that it is about, whose input stands in the log. */
  describe(update: ToolCallUpdate): { readonly call: string; readonly prompt: string } {
    const { call, name, input } = this.#merge(update);
    const title = this.#words.text(update.title ?? name);
    if (title !== name) return { call, prompt: `${name}: ${title}` };
    return { call, prompt: isEmpty(input) ? name : `${name} ${JSON.stringify(input)}` };
  }

  #merge(update: ToolCall | ToolCallUpdate): Known {
    const { toolCallId, name, title, kind, rawInput, rawOutput, content } = update;
    const known = this.#known.get(toolCallId) ?? {
      call: randomUUID().slice(0, 13),
      name: '',
      input: undefined,
      content: [],
      rawOutput: undefined,
      isTold: false,
    };
    // a title changes while a call goes on; the first one that is known names it
    known.name ||= this.#words.text(name ?? title ?? kind ?? '').slice(0, 256) || 'tool';
    if (!isEmpty(rawInput)) known.input = rawInput;
    if (content) known.content = content;
    if (!isEmpty(rawOutput)) known.rawOutput = rawOutput;
    this.#known.set(toolCallId, known);
    return known;
  }

  #tell(known: Known): readonly EngineOutput[] {
    if (known.isTold) return [];
    known.isTold = true;
    const { call, name, input = {} } = known;
    return [{ type: 'tool-call', call, name, input: this.#bounded(input).output }];
  }

  #result({ call, content, rawOutput }: Known, status: 'completed' | 'failed'): ToolResult {
    const said = content.map(textOf).join('\n');
    const answer = said === '' && rawOutput !== undefined ? rawOutput : said;
    if (status === 'completed') return { type: 'tool-result', call, ...this.#bounded(answer) };
    const { text, ...cut } = boundedText(
      this.#words.text(typeof answer === 'string' ? answer : JSON.stringify(answer)),
      this.#maxBytes,
    );
    return { type: 'tool-result', call, error: text || 'The tool failed', ...cut };
  }

  /** Private words are taken out before it is cut: what is left of one that is cut in two would not be found. */
  #bounded(value: unknown): ReturnType<typeof boundedOutput> {
    return boundedOutput(this.#words.json(value as JsonValue), this.#maxBytes);
  }
}
