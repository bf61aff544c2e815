import { RuntimeError } from '../contracts/runtime-error.ts';

/**
 * Makes of what was given for an option what the plugin works with, or refuses it by saying what it must be:
 * `refuse('must be an absolute path')`. An option that was not given is undefined; what refuses that is required.
 */
export type OptionReader<T> = (value: unknown, refuse: (mismatch: string) => never) => T;

/** The longest that a timer can wait: what is larger would be due at once. */
const LONGEST_MS = 2_147_483_647;

/** Also in digits, since flags and the environment carry text. */
export const wholeNumber =
  (least = 1, most = LONGEST_MS): OptionReader<number> =>
  (value, refuse) => {
    const number = typeof value === 'string' && /^[0-9]{1,16}$/.test(value) ? Number(value) : value;
    return typeof number === 'number' && Number.isSafeInteger(number) && number >= least && number <= most
      ? number
      : refuse(`must be a whole number from ${least} to ${most}`);
  };

/** Without NUL, which ends a path or an argument before its end. */
export const text: OptionReader<string> = (value, refuse) =>
  typeof value === 'string' && value !== '' && !value.includes('\0')
    ? value
    : refuse('must be a text that is not empty');

/** Also as one text with commas. */
export const list: OptionReader<readonly string[]> = (value, refuse) => {
  const items: unknown = typeof value === 'string' ? value.split(',').map((item) => item.trim()) : value;
  const refuseItem = (): never => refuse('must be a list of texts');
  return Array.isArray(items) ? items.map((item) => text(item, refuseItem)) : refuseItem();
};

export const oneOf =
  <T extends string>(...choices: readonly T[]): OptionReader<T> =>
  (value, refuse) =>
    choices.find((choice) => choice === value) ?? refuse(`must be ${choices.join(' or ')}`);

/** An option that may be left out, and what it is then. */
export const optional =
  <T, const D>(read: OptionReader<T>, otherwise: D): OptionReader<T | D> =>
  (value, refuse) =>
    value === undefined ? otherwise : read(value, refuse);

/**
 * The options of a plugin from wherever they come, code, flags or a file, by one reader each. Options within an option
 * are read the same way, under the name of both: `acp.agents.coder`.
 * @throws INVALID_REQUEST an option that does not exist (the message names those that do), is missing or does not fit
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
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new RuntimeError('INVALID_REQUEST', `The options of ${plugin} must be an object`, {
      details: { known },
    });
  const given = new Map<string, unknown>(Object.entries(options));
  for (const name of given.keys())
    if (!known.includes(name)) refuse(name, `does not exist; there are ${known.join(', ') || 'none'}`);
  const read = Object.entries<OptionReader<unknown>>(readers).map(([name, reader]) => {
    const value = given.get(name);
    const missing = value === undefined ? 'is missing: it ' : '';
    return [name, reader(value, (mismatch) => refuse(name, missing + mismatch))];
  });
  return Object.fromEntries(read) as T;
};
