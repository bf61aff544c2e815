import type { JsonObject } from '@worker-runtime/core';
import { usageError } from './failure.ts';

/** Reads a whole number within bounds. yargs is not used for this: it turns a typing error into NaN and continues. */
export const wholeNumber =
  (name: string, least: number, most: number) =>
  (text: string | undefined): number | undefined => {
    if (text === undefined) return undefined;
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most)
      throw usageError(`${name} must be a whole number from ${least} to ${most}, not "${text}"`);
    return value;
  };

const UNITS_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Reads a duration such as `90d`, in milliseconds. */
export const duration =
  (name: string) =>
  (text: string | undefined): number | undefined => {
    if (text === undefined) return undefined;
    const [, count, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
    if (count === undefined || unit === undefined)
      throw usageError(`${name} must be a number with s, m, h or d, such as 90d, not "${text}"`);
    return Number(count) * UNITS_MS[unit as keyof typeof UNITS_MS];
  };

/** Reads a duration such as `90d`, or the number of an event. */
export const ageOrNumber =
  (name: string) =>
  (text: string | undefined): { olderThanMs: number } | { beforeSeq: number } | undefined => {
    if (text === undefined) return undefined;
    if (/^\d+$/.test(text))
      return { beforeSeq: wholeNumber(name, 2, Number.MAX_SAFE_INTEGER)(text) as number };
    return { olderThanMs: duration(name)(text) as number };
  };

/**
 * Reads pairs of the given form, such as labels. A key with two values is refused, because one of them would have no effect.
 */
export const pairs =
  (name: string, form: 'key=value' | 'name=resource') =>
  (texts: readonly string[] | undefined): Record<string, string> | undefined => {
    if (texts === undefined) return undefined;
    const values = new Map<string, string>();
    for (const text of texts) {
      const at = text.indexOf('=');
      if (at < 1) throw usageError(`${name} must have the form ${form}, not "${text}"`);
      const [key, value] = [text.slice(0, at), text.slice(at + 1)];
      if ((values.get(key) ?? value) !== value) throw usageError(`${name} has two values for "${key}"`);
      values.set(key, value);
    }
    return Object.fromEntries(values);
  };

/** Reads a JSON object, such as the config of an engine. */
export const jsonObject =
  (name: string) =>
  (text: string | undefined): JsonObject | undefined => {
    if (text === undefined) return undefined;
    try {
      const value: unknown = JSON.parse(text);
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
    } catch {
      // the error below covers invalid JSON as well as JSON that is not an object
    }
    throw usageError(`${name} must be a JSON object such as '{"delayMs":20}'`);
  };

/**
 * Reads a value whose type is not declared. The text becomes a number or a boolean only if that value prints as the same
 * text: `0123` and `1e3` stay text.
 */
export const scalar = (text: string): string | number | boolean => {
  if (text === 'true' || text === 'false') return text === 'true';
  return String(Number(text)) === text && Number.isFinite(Number(text)) ? Number(text) : text;
};
