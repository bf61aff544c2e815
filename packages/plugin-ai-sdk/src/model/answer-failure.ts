import type { JsonObject, JsonValue } from '@worker-runtime/core';
import { APICallError } from 'ai';
import { isObject } from './answer-protocol.ts';
import { saysTooLong } from './context-refusal.ts';

/**
 * The reason why a response with a good status is no answer: it ended `early`, it is `empty`, it is something `foreign`,
 * or the provider reports in it that it failed (`reported`) or that the request is invalid (`refused`).
 */
export type FailureKind = 'early' | 'reported' | 'refused' | 'empty' | 'foreign';

/** A response with a good status that is no answer. The AI SDK repeats the request if the failure is retryable. */
export class AnswerFailure extends APICallError {
  readonly kind: FailureKind;

  constructor(
    kind: FailureKind,
    message: string,
    more: { readonly status?: number; readonly body?: string; readonly headers?: Headers } = {},
  ) {
    const { status, body, headers } = more;
    super({
      message,
      url: '',
      requestBodyValues: {},
      ...(status !== undefined && { statusCode: status }),
      // The pause before the next attempt may be in these headers.
      ...(headers && { responseHeaders: Object.fromEntries(headers) }),
      ...(body !== undefined && { responseBody: body }),
      isRetryable: kind !== 'refused',
    });
    this.kind = kind;
  }
}

/** Matches the types of errors that a repetition of the request does not change. */
const REFUSALS =
  /invalid_?request|invalid_?argument|bad_?request|authentication|invalid_?api_?key|permission|not_?found|unsupported|context_length|request_too_large/i;

/** Returns the HTTP status that an error names, as some gateways do inside a response with status 200. */
const statusOf = (error: JsonObject): number | undefined =>
  [error.code, error.status, error.status_code, error.statusCode]
    .map(Number)
    .find((code) => Number.isInteger(code) && code >= 400 && code < 600);

/** Returns the failure for an error that a provider sent inside its answer. */
export const reportedFailure = (error: JsonValue, headers: Headers): AnswerFailure => {
  const body = JSON.stringify(error);
  const status = isObject(error) ? statusOf(error) : undefined;
  const words = isObject(error) ? JSON.stringify([error.type, error.code, error.status]) : '';
  const isRefusal =
    saysTooLong(body) ||
    (status === undefined ? REFUSALS.test(words) : status < 500 && ![408, 409, 429].includes(status));
  return new AnswerFailure(isRefusal ? 'refused' : 'reported', 'The provider reported an error', {
    ...(status !== undefined && { status }),
    body,
    headers,
  });
};
