import type { JsonObject, JsonValue } from '@worker-runtime/core';

/*
 * These functions read records of another program. A field that is missing or has another type reads as its empty
 * value, so that one malformed record never prevents the reading of the others.
 */

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const objectAt = (from: JsonObject, key: string): JsonObject | null => {
  const value = from[key];
  return isObject(value) ? value : null;
};

export const objectsAt = (from: JsonObject, key: string): readonly JsonObject[] => {
  const value = from[key];
  return Array.isArray(value) ? value.filter(isObject) : [];
};

export const textAt = (from: JsonObject, key: string): string => {
  const value = from[key];
  return typeof value === 'string' ? value : '';
};

export const textOrNullAt = (from: JsonObject, key: string): string | null => {
  const value = from[key];
  return typeof value === 'string' ? value : null;
};

export const numberAt = (from: JsonObject, key: string): number => {
  const value = from[key];
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
};

/** Parses a text as a JSON object. Returns null if it is not one. */
export const parseObject = (text: string): JsonObject | null => {
  try {
    const value = JSON.parse(text) as JsonValue;
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
};
