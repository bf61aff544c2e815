import type { Limits } from '@worker-runtime/core';
import type { JsonSchema } from './json-schema.ts';

/** The limits that the document states. Empty if the runtimes of the server may have different ones. */
export type Bounds = Partial<Limits>;

/** Returns a keyword of JSON Schema with a limit as its value; no keyword if the limit is not stated. */
export const bound = (keyword: string, limit: number | undefined): JsonSchema =>
  limit === undefined ? {} : { [keyword]: limit };

/** Describes a limit in bytes. A limit that is not stated is named: the summary of each runtime has it. */
export const atMostBytes = (bounds: Bounds, name: keyof Limits): string =>
  bounds[name] === undefined ? `at most \`limits.${name}\` bytes` : `at most ${bounds[name]} bytes`;
