import type { JsonValue, TranscriptItem } from '@worker-runtime/core';
import type { AssistantModelMessage, ModelMessage, ToolModelMessage, ToolResultPart } from 'ai';
import { modelName } from '../model/model-name.ts';
import { COMPACT, summaryIn } from './compact-call.ts';

/** The messages of one run, in the order in which they were said. */
interface Turn {
  readonly messages: ModelMessage[];
  /** Calls without a result, by id: the name of each. */
  readonly open: Map<string, string>;
}

const INTERRUPTED =
  'This call was interrupted. Whether it had an effect is not known; it is not tried again by itself.';

/** Where nobody said anything, since many models refuse two messages of a user in a row. */
const UNANSWERED = '[There was no answer to this.]';
const SUMMARIZED = '[I go on from this summary.]';

const textOf = (item: TranscriptItem): string =>
  item.parts.map((part) => (part.type === 'text' ? part.text : '')).join('');

const resultOf = (
  call: string,
  name: string,
  result: { readonly output?: JsonValue; readonly error?: string },
): ToolResultPart => ({
  type: 'tool-result',
  toolCallId: call,
  toolName: modelName(name),
  output:
    result.error !== undefined
      ? { type: 'error-text', value: result.error }
      : typeof result.output === 'string'
        ? { type: 'text', value: result.output }
        : { type: 'json', value: (result.output ?? null) as never },
});

/**
 * What a model is told: the transcript as messages, run after run. A queued input stands in the log before the answer
 * to the one before it; here it stands after. No call is left without a result: where the log has none, because the
 * runtime ended or the run was cancelled, the model is told just that.
 */
export class Conversation {
  readonly #turns = new Map<string | null, Turn>();
  readonly #compactions = new Map<string, string | null>();
  #summary: string | null = null;

  /** All that was said up to and in this run; what is queued behind it is left out. Reads the whole log, page by page. */
  static async read(history: AsyncIterable<TranscriptItem>, runId: string): Promise<Conversation> {
    const conversation = new Conversation();
    for await (const item of history) conversation.add(item);
    let isLater = false;
    for (const run of [...conversation.#turns.keys()]) {
      if (isLater) conversation.#turns.delete(run);
      isLater ||= run === runId;
    }
    return conversation;
  }

  add(item: TranscriptItem): void {
    const { role } = item;
    const turn = this.#turn(item.run);
    if (role === 'user' || role === 'system') {
      close(turn);
      const text = textOf(item) || '(nothing)';
      // many models refuse a system message that is not the first one
      const content = role === 'user' ? text : `<system-message>\n${text}\n</system-message>`;
      turn.messages.push({ role: 'user', content });
      return;
    }
    for (const part of item.parts) {
      if (part.type === 'text') this.#say(turn, part.text);
      else if (part.type === 'tool-call') this.#call(turn, item.run, part.call, part.name, part.input);
      else if (part.type === 'tool-result') this.#result(turn, part.call, part);
    }
  }

  /** Everything before this run is now this summary. */
  compacted(summary: string, run: string | null): void {
    for (const earlier of [...this.#turns.keys()]) {
      if (earlier === run) break;
      this.#turns.delete(earlier);
    }
    this.#summary = summary;
  }

  /** What a summary would replace: the summary before it, and the messages of earlier runs. */
  earlierThan(run: string): { readonly summary: string | null; readonly messages: readonly ModelMessage[] } {
    const messages: ModelMessage[] = [];
    for (const [id, turn] of this.#turns) {
      if (id === run) break;
      close(turn);
      messages.push(...turn.messages);
    }
    return { summary: this.#summary, messages };
  }

  /** As a request carries them. */
  messages(): ModelMessage[] {
    const messages: ModelMessage[] = [];
    if (this.#summary !== null)
      messages.push({
        role: 'user',
        content: `<summary-of-the-conversation-so-far>\n${this.#summary}\n</summary-of-the-conversation-so-far>`,
      });
    for (const turn of this.#turns.values()) {
      close(turn);
      if (messages.at(-1)?.role === 'user' && turn.messages[0]?.role === 'user')
        messages.push({
          role: 'assistant',
          content: messages.length === 1 && this.#summary !== null ? SUMMARIZED : UNANSWERED,
        });
      messages.push(...turn.messages);
    }
    return messages;
  }

  #turn(run: string | null): Turn {
    let turn = this.#turns.get(run);
    if (!turn) {
      turn = { messages: [], open: new Map() };
      this.#turns.set(run, turn);
    }
    return turn;
  }

  #say(turn: Turn, text: string): void {
    // some providers refuse an empty text
    if (text.trim() === '') return;
    close(turn);
    turn.messages.push({ role: 'assistant', content: [{ type: 'text', text }] });
  }

  #call(turn: Turn, run: string | null, call: string, name: string, input: JsonValue): void {
    if (name === COMPACT) {
      this.#compactions.set(call, run);
      return;
    }
    const part = { type: 'tool-call', toolCallId: call, toolName: modelName(name), input } as const;
    const last = turn.messages.at(-1);
    if (last?.role === 'assistant')
      (last.content as Exclude<AssistantModelMessage['content'], string>).push(part);
    else turn.messages.push({ role: 'assistant', content: [part] });
    turn.open.set(call, name);
  }

  #result(turn: Turn, call: string, result: { readonly output?: JsonValue; readonly error?: string }): void {
    const run = this.#compactions.get(call);
    if (run !== undefined) {
      const summary = summaryIn(result.output);
      if (summary !== null) this.compacted(summary, run);
      return;
    }
    const name = turn.open.get(call);
    if (name !== undefined) answer(turn, call, resultOf(call, name, result));
  }
}

const answer = (turn: Turn, call: string, result: ToolResultPart): void => {
  turn.open.delete(call);
  const last = turn.messages.at(-1);
  if (last?.role === 'tool') (last as { content: ToolModelMessage['content'] }).content.push(result);
  else turn.messages.push({ role: 'tool', content: [result] });
};

const close = (turn: Turn): void => {
  for (const [call, name] of [...turn.open]) answer(turn, call, resultOf(call, name, { error: INTERRUPTED }));
};
