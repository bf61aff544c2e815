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

const FINISH_WORDS = {
  stop: 'stop',
  length: 'length',
  'content-filter': 'content_filter',
  'tool-calls': 'tool_calls',
} as const;

const nonEmpty = (value: JsonValue | undefined): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

const objectsIn = (value: JsonValue | undefined): readonly JsonObject[] =>
  Array.isArray(value) ? value.filter(isObject) : [];

/** Returns the text of content parts. Some servers send their reasoning as parts of the type `thinking`. */
const contentText = (content: JsonValue | undefined, type: 'text' | 'thinking'): string => {
  if (type === 'text' && (typeof content === 'string' || typeof content === 'number')) return String(content);
  return (isObject(content) ? [content] : objectsIn(content))
    .map((part) => {
      if (part.type !== type && !(type === 'text' && part.type === undefined)) return '';
      if (type === 'text') return nonEmpty(part.text) ?? '';
      return typeof part.thinking === 'string' ? part.thinking : contentText(part.thinking, 'text');
    })
    .join('');
};

/** Returns a piece of a tool call as the AI SDK accepts it. A whole message lists its calls without an index. */
const callPiece = (call: JsonObject, position: number | undefined): JsonObject | null => {
  if (!isObject(call.function)) return null;
  const { name, arguments: input } = call.function;
  const { google } = isObject(call.extra_content) ? call.extra_content : {};
  const signature = isObject(google) ? nonEmpty(google.thought_signature) : undefined;
  return defined({
    index: typeof call.index === 'number' ? call.index : position,
    id: typeof call.id === 'number' ? String(call.id) : nonEmpty(call.id),
    type: 'function',
    function: defined({
      name: typeof name === 'string' ? name : undefined,
      arguments: typeof input === 'string' ? input : isObject(input) ? JSON.stringify(input) : undefined,
    }),
    extra_content: signature === undefined ? undefined : { google: { thought_signature: signature } },
  });
};

/** Reads an answer of the chat completions API, which many servers deviate from. */
export class ChatCompletions implements AnswerProtocol {
  /** The choice that is read. A server that sends several mixes their chunks. */
  #index: JsonValue | undefined;
  #hasContent = false;

  errorIn(name: string, event: JsonObject): JsonValue {
    const [choice] = objectsIn(event.choices);
    return reportedError(name, event) ?? (choice && isObject(choice.error) ? choice.error : null);
  }

  read(event: JsonObject): AnswerPiece | null {
    const choices = objectsIn(event.choices);
    this.#index ??= choices[0]?.index;
    const choice = choices.find(({ index }) => index === undefined || index === this.#index);
    const usage = numbersIn(event.usage);
    const chunk = (choice: JsonObject | null): JsonObject =>
      defined({
        id: nonEmpty(event.id),
        created: typeof event.created === 'number' ? event.created : undefined,
        model: nonEmpty(event.model),
        choices: choice ? [choice] : [],
        usage: usage ?? undefined,
      });
    if (!choice) return usage ? { events: [chunk(null)] } : null;
    const { delta, message } = choice;
    const isWhole = !isObject(delta) && isObject(message);
    // Some servers repeat the whole message after its pieces.
    const given = isObject(delta) ? delta : isObject(message) && !this.#hasContent ? message : {};
    const text =
      contentText(given.content, 'text') || (nonEmpty(given.refusal) ?? nonEmpty(choice.text) ?? '');
    const reasoning =
      nonEmpty(given.reasoning_content) ??
      nonEmpty(given.reasoning) ??
      contentText(given.content, 'thinking');
    const calls = objectsIn(given.tool_calls).flatMap(
      (call, position) => callPiece(call, isWhole ? position : undefined) ?? [],
    );
    this.#hasContent ||= text !== '' || calls.length > 0;
    const finish = finishIn(choice) ?? (isWhole ? (calls.length > 0 ? 'tool_calls' : 'stop') : undefined);
    return {
      events: [
        chunk(
          defined({
            delta: defined({
              content: text === '' ? undefined : text,
              reasoning_content: reasoning === '' ? undefined : reasoning,
              tool_calls: calls.length > 0 ? calls : undefined,
            }),
            finish_reason: finish,
          }),
        ),
      ],
      text,
      reasoning,
      hasCall: calls.length > 0,
      ...(finish !== undefined && { finish }),
    };
  }

  finish(hasCalls: boolean): readonly JsonObject[] {
    return [{ choices: [{ delta: {}, finish_reason: hasCalls ? 'tool_calls' : 'stop' }] }];
  }

  end(): readonly JsonObject[] {
    return [];
  }

  failure(): JsonObject {
    return { error: { message: 'The answer failed' } };
  }
}

/** Returns the finish reason in the words of the API. A gateway may report the failure of its provider as a stop. */
const finishIn = ({
  finish_reason: reason,
  native_finish_reason: native,
}: JsonObject): string | undefined => {
  const given = nonEmpty(reason);
  if (given === undefined) return undefined;
  const kind = finishKind(given);
  if (kind === 'stop' && typeof native === 'string' && finishKind(native) === 'error') return native;
  return kind === null || kind === 'error' ? given : FINISH_WORDS[kind];
};
