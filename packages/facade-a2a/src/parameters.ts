import type { JsonObject } from '@worker-runtime/core';
import { isObject, refuse } from '@worker-runtime/core/plugin-kit';

export type Fields = Readonly<Record<string, unknown>>;

/** Clients of generated code send a field without a value as null or as an empty text. */
const isAbsent = (value: unknown): value is undefined | null | '' =>
  value === undefined || value === null || value === '';

export const objectAt = (value: unknown, pointer: string): Fields =>
  isObject(value) ? value : refuse(pointer, 'must be an object');

export const textAt = (value: unknown, pointer: string): string =>
  typeof value === 'string' && value !== '' ? value : refuse(pointer, 'must be a text');

/** Returns a text, or null if there is none. */
export const optionalTextAt = (value: unknown, pointer: string): string | null =>
  isAbsent(value) ? null : textAt(value, pointer);

export const flagAt = (value: unknown, pointer: string): boolean =>
  isAbsent(value) ? false : typeof value === 'boolean' ? value : refuse(pointer, 'must be true or false');

/** Returns a whole number, or null if there is none. */
export const numberAt = (value: unknown, pointer: string, min: number, max: number): number | null => {
  if (value === undefined || value === null) return null;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max) return value;
  return refuse(pointer, `must be a whole number from ${min} to ${max}`);
};

/** Returns how many messages of the history the client wants, or null for all of them. */
export const historyLengthAt = (value: unknown, pointer: string): number | null =>
  numberAt(value, pointer, 0, 2_147_483_647);

export const metadataAt = (value: unknown, pointer: string): JsonObject | null =>
  // the body was JSON
  isAbsent(value) ? null : (objectAt(value, pointer) as JsonObject);
