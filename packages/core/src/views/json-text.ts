import type { WorkerEvent } from '../contracts/event.ts';
import type { JsonValue } from '../contracts/json.ts';

/** A value of more levels has no indentation, which takes the number of its parts times their levels. */
const INDENTED_LEVELS = 32;

const isWithin = (value: unknown, levels: number): boolean =>
  typeof value !== 'object' ||
  value === null ||
  (levels > 0 && Object.values(value).every((part) => isWithin(part, levels - 1)));

/** Returns a value or an event as JSON for people: with a line for each part, or in one line if it is nested deeper than 32 levels. */
export const jsonText = (value: JsonValue | WorkerEvent): string =>
  isWithin(value, INDENTED_LEVELS) ? JSON.stringify(value, null, 2) : JSON.stringify(value);
