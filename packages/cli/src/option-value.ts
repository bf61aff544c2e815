import type { JsonObject } from '@worker-runtime/core';
import { misuse } from './failure.ts';

/** What a person typed for a number; yargs would make NaN of a slip and go on. */
export const wholeNumber =
  (name: string, least: number, most: number) =>
  (text: string | undefined): number | undefined => {
    if (text === undefined) return undefined;
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most)
      throw misuse(`${name} must be a whole number from ${least} to ${most}, not "${text}"`);
    return value;
  };

/** `key=value`, as labels are written. */
export const pairs =
  (name: string) =>
  (texts: readonly string[] | undefined): Record<string, string> | undefined =>
    texts &&
    Object.fromEntries(
      texts.map((text) => {
        const at = text.indexOf('=');
        if (at < 1) throw misuse(`${name} is written key=value, not "${text}"`);
        return [text.slice(0, at), text.slice(at + 1)];
      }),
    );

/** A JSON object, as the config of an engine is written. */
export const jsonObject =
  (name: string) =>
  (text: string | undefined): JsonObject | undefined => {
    if (text === undefined) return undefined;
    try {
      const value: unknown = JSON.parse(text);
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
    } catch {
      // said below, together with every other thing that is no object
    }
    throw misuse(`${name} must be a JSON object such as '{"delayMs":20}'`);
  };

/** Text without a declared type: a number or a boolean only where that is how it would be written back. */
export const scalar = (text: string): string | number | boolean => {
  if (text === 'true' || text === 'false') return text === 'true';
  return String(Number(text)) === text && Number.isFinite(Number(text)) ? Number(text) : text;
};
