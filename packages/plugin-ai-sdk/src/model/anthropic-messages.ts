import type { JsonObject, JsonValue } from '@worker-runtime/core';
import {
  type AnswerPiece,
  type AnswerProtocol,
  defined,
  isObject,
  numbersIn,
  reportedError,
} from './answer-protocol.ts';
import { finishKind } from './finish-reason.ts';

const STOP_REASONS = {
  stop: 'end_turn',
  length: 'max_tokens',
  'content-filter': 'refusal',
  'tool-calls': 'tool_use',
} as const;

/** Matches the types of blocks that are used. The results of the provider's own tools are not. */
const BLOCKS = /^(text|thinking|redacted_thinking|tool_use|server_tool_use|mcp_tool_use|compaction)$/;

/** The member with the text of a delta, and the type of the block that it belongs to. Citations are not used. */
const DELTAS: Readonly<Record<string, { readonly member: string; readonly block: string | null }>> = {
  text_delta: { member: 'text', block: 'text' },
  thinking_delta: { member: 'thinking', block: 'thinking' },
  signature_delta: { member: 'signature', block: null },
  input_json_delta: { member: 'partial_json', block: null },
  compaction_delta: { member: 'content', block: null },
};

const textOf = (value: JsonValue | undefined): string => (typeof value === 'string' ? value : '');

/** Reads an answer of the Anthropic messages API. */
export class AnthropicMessages implements AnswerProtocol {
  #hasBegun = false;
  /** The blocks that have begun and not ended. Deltas of other blocks are left out. */
  readonly #open = new Set<number>();
  readonly #left = new Set<number>();

  errorIn(name: string, event: JsonObject): JsonValue {
    return reportedError(name, event);
  }

  read(event: JsonObject): AnswerPiece | null {
    const index = typeof event.index === 'number' ? event.index : 0;
    switch (event.type) {
      case 'message':
        return this.#hasBegun ? null : this.#whole(event);
      case 'message_start':
        return this.#begin(event.message);
      case 'content_block_start':
        return isObject(event.content_block) ? this.#beginBlock(index, event.content_block) : null;
      case 'content_block_delta':
        return isObject(event.delta) ? this.#delta(index, event.delta) : null;
      case 'content_block_stop':
        return this.#open.delete(index) ? { events: [{ type: 'content_block_stop', index }] } : null;
      case 'message_delta':
        return this.#messageDelta(isObject(event.delta) ? event.delta : {}, event.usage);
      case 'message_stop':
        return { events: [], isEnd: true };
      default:
        return null;
    }
  }

  finish(hasCalls: boolean): readonly JsonObject[] {
    return this.#messageDelta({ stop_reason: hasCalls ? 'tool_use' : 'end_turn' }, {}).events;
  }

  end(): readonly JsonObject[] {
    return [{ type: 'message_stop' }];
  }

  failure(): JsonObject {
    return { type: 'error', error: { type: 'api_error', message: 'The answer failed' } };
  }

  #begin(message: JsonValue | undefined): AnswerPiece | null {
    if (this.#hasBegun) return null;
    this.#hasBegun = true;
    const { id, model, usage, content } = isObject(message) ? message : {};
    return {
      events: [
        {
          type: 'message_start',
          message: defined({
            id: typeof id === 'string' ? id : undefined,
            model: typeof model === 'string' ? model : undefined,
            // A call that was made by code of the provider is here. A whole message has its content in blocks.
            content: Array.isArray(content)
              ? content.filter((part) => isObject(part) && part.type === 'tool_use')
              : [],
            usage: { input_tokens: 0, ...numbersIn(usage) },
          }),
        },
      ],
    };
  }

  #beginBlock(index: number, block: JsonObject): AnswerPiece | null {
    if (!BLOCKS.test(textOf(block.type))) {
      this.#left.add(index);
      return null;
    }
    this.#open.add(index);
    this.#left.delete(index);
    const { type } = block;
    const member = type === 'text' || type === 'thinking' ? type : null;
    const begun = member === null ? '' : textOf(block[member]);
    const content = member === null ? block : { ...block, [member]: '' };
    const start = { type: 'content_block_start', index, content_block: content };
    const delta =
      begun === '' ? null : this.#delta(index, { type: `${member}_delta`, [member ?? '']: begun });
    return {
      ...delta,
      events: [start, ...(delta?.events ?? [])],
      hasCall: /tool_use$/.test(textOf(type)),
    };
  }

  #delta(index: number, delta: JsonObject): AnswerPiece | null {
    const type = textOf(delta.type);
    const known = Object.hasOwn(DELTAS, type) ? DELTAS[type] : undefined;
    if (!known || this.#left.has(index)) return null;
    const { member, block } = known;
    const text = textOf(delta[member]);
    const before = this.#open.has(index)
      ? []
      : block === null
        ? null
        : (this.#beginBlock(index, { type: block })?.events ?? []);
    if (before === null) return null;
    return {
      events: [...before, { type: 'content_block_delta', index, delta: { type, [member]: text } }],
      ...(block === 'text' && { text }),
      ...(block === 'thinking' && { reasoning: text }),
      ...(type === 'input_json_delta' && { hasCall: true }),
    };
  }

  #messageDelta(delta: JsonObject, usage: JsonValue | undefined): AnswerPiece {
    const given = textOf(delta.stop_reason);
    const kind = finishKind(given);
    const finish = given === '' ? undefined : kind === null || kind === 'error' ? given : STOP_REASONS[kind];
    const event = {
      type: 'message_delta',
      delta: defined({
        stop_reason: finish,
        stop_sequence: typeof delta.stop_sequence === 'string' ? delta.stop_sequence : undefined,
      }),
      usage: { output_tokens: 0, ...numbersIn(usage) },
    };
    if (finish === undefined) return { events: [event] };
    return { events: [...this.#closeBlocks(), event], finish };
  }

  #closeBlocks(): readonly JsonObject[] {
    const events = [...this.#open].map((index) => ({ type: 'content_block_stop', index }));
    this.#open.clear();
    return events;
  }

  /** Reads a whole message, which a server sends if it ignores that a stream was requested. */
  #whole(message: JsonObject): AnswerPiece {
    const blocks = Array.isArray(message.content) ? message.content.filter(isObject) : [];
    const pieces = [
      this.#begin({ ...message, content: [] }),
      ...blocks.flatMap((block, index) => [
        this.#beginBlock(index, block),
        ...(typeof block.signature === 'string'
          ? [this.#delta(index, { type: 'signature_delta', signature: block.signature })]
          : []),
      ]),
      this.#messageDelta({ ...message, stop_reason: message.stop_reason ?? 'end_turn' }, message.usage),
    ].filter((piece) => piece !== null);
    return {
      events: pieces.flatMap(({ events }) => events),
      text: pieces.map(({ text = '' }) => text).join(''),
      reasoning: pieces.map(({ reasoning = '' }) => reasoning).join(''),
      hasCall: pieces.some(({ hasCall }) => hasCall === true),
      finish: pieces.at(-1)?.finish ?? 'end_turn',
      isEnd: true,
    };
  }
}
