/** Stands for `node:assert`, of which yargs uses two functions: it takes as long to load as yargs itself. */
import { inspect } from 'node:util';

const compare = (isEqual: boolean, actual: unknown, expected: unknown, message?: string): void => {
  if (Object.is(actual, expected) === isEqual) return;
  throw new Error(message ?? `${inspect(actual)} must ${isEqual ? '' : 'not '}be ${inspect(expected)}`);
};

export const strictEqual = (actual: unknown, expected: unknown, message?: string): void =>
  compare(true, actual, expected, message);

export const notStrictEqual = (actual: unknown, expected: unknown, message?: string): void =>
  compare(false, actual, expected, message);
