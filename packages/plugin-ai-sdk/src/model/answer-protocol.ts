import type { JsonObject, JsonValue } from '@worker-runtime/core';

/** The part of an answer that one event carries. */
export interface AnswerPiece {
  /** The events for the AI SDK, with only the members that it reads, in the form that it accepts. */
  readonly events: readonly JsonObject[];
  readonly text?: string;
  readonly reasoning?: string;
  readonly hasCall?: boolean;
  /** The finish reason. */
  readonly finish?: string;
  /** Set by the event that ends an answer. */
  readonly isEnd?: boolean;
}

/** The events of one API of models. An instance reads one answer. */
export interface AnswerProtocol {
  /** Returns the piece in an event, or null if it carries no part of an answer. */
  read(event: JsonObject): AnswerPiece | null;
  /** Returns the error in an event, or null. */
  errorIn(name: string, event: JsonObject): JsonValue;
  /** Returns the events that finish an answer whose server gave no reason. */
  finish(hasCalls: boolean): readonly JsonObject[];
  /** Returns the events that end a finished answer. */
  end(): readonly JsonObject[];
  /** Returns the event with which the AI SDK reports a failure. */
  failure(): JsonObject;
}

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Returns the error that both APIs send, or null. */
export const reportedError = (name: string, event: JsonObject): JsonValue => {
  const { error } = event;
  const isEmpty =
    error === undefined ||
    error === null ||
    error === '' ||
    error === false ||
    (isObject(error) && Object.keys(error).length === 0);
  if (!isEmpty) return error;
  return name === 'error' || event.type === 'error' || event.object === 'error' ? event : null;
};

/** Returns the numbers of a usage record, also those of the records in it. Other values are left out. */
export const numbersIn = (usage: JsonValue | undefined): JsonObject | null => {
  if (!isObject(usage)) return null;
  const entries = Object.entries(usage).flatMap(([key, value]): [string, JsonValue][] => {
    if (typeof value === 'number' && Number.isFinite(value)) return [[key, value]];
    const inner = isObject(value) ? numbersIn(value) : null;
    return inner ? [[key, inner]] : [];
  });
  return entries.length === 0 ? null : Object.fromEntries(entries);
};

/** Returns an object without the members that are undefined. */
export const defined = (members: Readonly<Record<string, JsonValue | undefined>>): JsonObject =>
  Object.fromEntries(
    Object.entries(members).filter((entry): entry is [string, JsonValue] => entry[1] !== undefined),
  );
