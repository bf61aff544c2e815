import type { JsonValue } from '@worker-runtime/core';
import { AnswerFailure } from './answer-failure.ts';
import { type AnswerProtocol, isObject } from './answer-protocol.ts';
import { RegularAnswer, type RequestObserver } from './regular-answer.ts';

/** Remembers that a model refuses to get its reasoning back. */
export interface ReasoningRefusals {
  isKnown(): boolean;
  learn(): void;
}

const LONE_SURROGATE = /\\u[dD][89a-fA-F]/;

const wellFormedText = (text: string): string => text.replace(/\p{Surrogate}/gu, '\ufffd');

const wellFormed = (value: JsonValue): JsonValue => {
  if (typeof value === 'string') return wellFormedText(value);
  if (Array.isArray(value)) return value.map((item) => wellFormed(item as JsonValue));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [wellFormedText(key), wellFormed(item)]),
  );
};

/**
 * Replaces lone surrogates, which providers refuse. What tools and models said may have them, and a conversation would
 * be refused for good. The encoder of JSON escapes nothing else in this way.
 */
const wellFormedBody = (body: string): string =>
  LONE_SURROGATE.test(body) ? JSON.stringify(wellFormed(JSON.parse(body) as JsonValue)) : body;

const HAS_REASONING = '"reasoning_content":';

const withoutReasoning = (body: string): string =>
  JSON.stringify(JSON.parse(body), (key, value: unknown) =>
    key === 'reasoning_content' ? undefined : value,
  );

/** True for a refusal of the reasoning itself, and false for one that asks for more of it. */
const refusesReasoning = (text: string): boolean =>
  /reasoning_content|extra (inputs|fields)|additional propert|(unknown|unrecognized|unexpected) (field|param|prop|key|arg)/i.test(
    text,
  ) && !/must be (passed|provided|included)|passed? back|missing|required/i.test(text);

/**
 * Creates the `fetch` of one request to a model, which the AI SDK calls once for each attempt. It sends well-formed
 * Unicode, and returns a regular stream that has something to show: a failure before that is thrown, so that the AI SDK
 * repeats the request. An empty answer is repeated too; that of the last attempt is returned.
 * @throws AnswerFailure
 */
export const regularFetch = (
  send: typeof fetch,
  protocol: () => AnswerProtocol,
  request: {
    readonly retries: number;
    readonly observer: RequestObserver;
    readonly refusals: ReasoningRefusals;
  },
): typeof fetch => {
  const { retries, observer, refusals } = request;
  let attempts = 0;

  const sendBody: typeof fetch = async (input, init) => {
    if (typeof init?.body !== 'string') return send(input, init);
    const body = wellFormedBody(init.body);
    if (!body.includes(HAS_REASONING)) return send(input, { ...init, body });
    if (refusals.isKnown()) return send(input, { ...init, body: withoutReasoning(body) });
    const response = await send(input, { ...init, body });
    if (response.status !== 400 && response.status !== 422) return response;
    const text = await response.text();
    const { status, statusText, headers } = response;
    if (!refusesReasoning(text)) return new Response(text, { status, statusText, headers });
    const again = await send(input, { ...init, body: withoutReasoning(body) });
    if (again.ok) refusals.learn();
    return again;
  };

  return async (input, init) => {
    attempts += 1;
    const response = await sendBody(input, init);
    observer.alive();
    if (!response.ok) return response;
    const { headers } = response;
    if (!response.body) throw new AnswerFailure('empty', 'The response has no body', { headers });
    return new RegularAnswer(response, response.body, protocol(), observer, init?.signal).begin(
      attempts <= retries,
    );
  };
};
