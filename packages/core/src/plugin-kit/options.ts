import { RuntimeError } from '../contracts/runtime-error.ts';
import { choiceOf, isObject, issuesOf, type Shape, wholeNumberFrom } from './shape.ts';

/**
 * Converts the given value of an option to the value that the plugin works with. Refuses an unsuitable value with what
 * it must be: `refuse('must be an absolute path')`. The value of an absent option is `undefined`; a reader that refuses
 * `undefined` makes the option required.
 */
export type OptionReader<T> = (value: unknown, refuse: (mismatch: string) => never) => T;

/** Reads a value as it is if a shape accepts it. */
const fitting =
  <T>(shape: Shape): OptionReader<T> =>
  (value, refuse) => {
    const [issue] = issuesOf(shape, value);
    return issue ? refuse(issue.message) : (value as T);
  };

/** The longest delay of a timer, in milliseconds: a longer one would fire at once. */
const LONGEST_MS = 2_147_483_647;

/** Reads a whole number from `least` to `most`, also from digits, since flags and environment variables are text. */
export const wholeNumber = (least = 1, most = LONGEST_MS): OptionReader<number> => {
  const read = fitting<number>(wholeNumberFrom(least, most));
  return (value, refuse) =>
    read(typeof value === 'string' && /^[0-9]{1,16}$/.test(value) ? Number(value) : value, refuse);
};

/** Reads a string that is not empty. Refuses NUL characters, because they end a path or an argument early. */
export const text: OptionReader<string> = (value, refuse) =>
  typeof value === 'string' && value !== '' && !value.includes('\0')
    ? value
    : refuse('must be a non-empty string');

/** Reads a list of non-empty strings, also from one string with commas. */
export const list: OptionReader<readonly string[]> = (value, refuse) => {
  const items: unknown = typeof value === 'string' ? value.split(',').map((item) => item.trim()) : value;
  const refuseItem = (): never => refuse('must be a list of non-empty strings');
  return Array.isArray(items) ? items.map((item) => text(item, refuseItem)) : refuseItem();
};

/** Reads an object, also from its JSON text, since flags and environment variables are text. */
export const object: OptionReader<Readonly<Record<string, unknown>>> = (value, refuse) => {
  let given = value;
  try {
    if (typeof value === 'string') given = JSON.parse(value);
  } catch {
    // the text stays, which is no object
  }
  return isObject(given) ? given : refuse('must be an object, or JSON text of one');
};

/** Reads one of the given strings. */
export const oneOf = <T extends string>(...choices: readonly T[]): OptionReader<T> =>
  fitting(choiceOf(...choices));

/** Makes an option optional: without a value it is `otherwise`. */
export const optional =
  <T, const D>(read: OptionReader<T>, otherwise: D): OptionReader<T | D> =>
  (value, refuse) =>
    value === undefined ? otherwise : read(value, refuse);

/**
 * Reads the options of a plugin, with one reader for each option. Options may come from code, flags or a file. For an
 * option that holds options, call this in its reader, with the names of both: `acp.agents.coder`.
 * @throws INVALID_REQUEST an option is unknown (the message lists the known ones), missing or unsuitable
 */
export const readOptions = <T extends object>(
  plugin: string,
  options: unknown,
  readers: { readonly [K in keyof T]: OptionReader<T[K]> },
): T => {
  const known = Object.keys(readers);
  const refuse = (option: string, why: string): never => {
    throw new RuntimeError('INVALID_REQUEST', `The option ${plugin}.${option} ${why}`, {
      details: { option, known },
    });
  };
  if (!isObject(options))
    throw new RuntimeError('INVALID_REQUEST', `The options of ${plugin} must be an object`, {
      details: { known },
    });
  const given = new Map<string, unknown>(Object.entries(options));
  const others = known.length > 0 ? `the options are ${known.join(', ')}` : 'there are no options';
  for (const name of given.keys()) if (!known.includes(name)) refuse(name, `does not exist; ${others}`);
  const read = Object.entries<OptionReader<unknown>>(readers).map(([name, reader]) => {
    const value = given.get(name);
    const missing = value === undefined ? 'is missing: it ' : '';
    return [name, reader(value, (mismatch) => refuse(name, missing + mismatch))];
  });
  return Object.fromEntries(read) as T;
};
