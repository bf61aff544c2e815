import { type Limits, RuntimeError } from '@worker-runtime/core';
import { limitTooLarge } from '@worker-runtime/core/plugin-kit';
import type { HttpRequest } from '../message/http-request.ts';

const invalid = (name: string, message: string): RuntimeError =>
  new RuntimeError('INVALID_REQUEST', `The query parameter "${name}" ${message}`, {
    details: { issues: [{ pointer: `?${name}`, message }] },
  });

/** Refuses unknown query parameters instead of ignoring them. @throws INVALID_REQUEST a name is not in `known` */
export const assertKnown = (values: unknown, known: readonly string[]): void => {
  for (const name of Object.keys(values as object)) {
    if (known.includes(name)) continue;
    throw new RuntimeError('INVALID_REQUEST', 'The query has an unknown parameter', {
      // cut, since the client chooses the length of the name
      details: { issues: [{ pointer: `?${name.slice(0, 64)}`, message: 'is unknown' }], known },
    });
  }
};

type QueryValues = Readonly<Record<string, string | string[] | undefined>>;

/** Reads a parsed query string strictly. The gate has checked its names against the route already. */
export class Query {
  readonly #values: QueryValues;

  constructor({ query }: Pick<HttpRequest, 'query'>) {
    this.#values = query;
  }

  /** Returns a parameter. @throws INVALID_REQUEST it occurs more than once */
  text(name: string): string | undefined {
    const value = this.#values[name];
    if (value === undefined || typeof value === 'string') return value;
    throw invalid(name, 'occurs more than once');
  }

  /** Returns all values of a parameter. */
  all(name: string): readonly string[] {
    const value = this.#values[name];
    if (value === undefined) return [];
    return [value].flat();
  }

  /**
   * Returns the number of items of a page, in plain digits.
   * @throws INVALID_REQUEST not a whole number, 1 or more · LIMIT_TOO_LARGE
   */
  limit({ pageItems }: Limits): number | undefined {
    const text = this.text('limit');
    if (text === undefined) return undefined;
    if (!/^[1-9][0-9]{0,8}$/.test(text)) throw invalid('limit', 'must be a whole number, 1 or more');
    const limit = Number(text);
    if (limit > pageItems) throw limitTooLarge('pageItems', pageItems);
    return limit;
  }

  /** Returns a whole number in plain digits. @throws INVALID_REQUEST any other text */
  wholeNumber(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    if (!/^[0-9]{1,9}$/.test(text)) throw invalid(name, 'must be a whole number');
    return Number(text);
  }

  /** Returns one of the given words. @throws INVALID_REQUEST any other; the message names the words */
  oneOf<Word extends string>(name: string, words: readonly Word[]): Word | undefined {
    const text = this.text(name);
    const word = words.find((candidate) => candidate === text);
    if (text !== undefined && word === undefined) throw invalid(name, `must be one of ${words.join(', ')}`);
    return word;
  }

  /** Returns the words of a list with commas. @throws INVALID_REQUEST any other; the message names it and the words */
  listOf<Word extends string>(name: string, words: readonly Word[]): readonly Word[] | undefined {
    return this.text(name)
      ?.split(',')
      .map((text) => {
        const word = words.find((candidate) => candidate === text);
        // cut, since the client chooses the length of the text
        if (word === undefined)
          throw invalid(name, `has "${text.slice(0, 64)}", which is none of ${words.join(', ')}`);
        return word;
      });
  }

  /** Returns the pairs of a repeated `name=key=value`. @throws INVALID_REQUEST no `=`, or a key with two values */
  pairs(name: string): Readonly<Record<string, string>> | undefined {
    const pairs = new Map<string, string>();
    for (const text of this.all(name)) {
      const at = text.indexOf('=');
      if (at < 1) throw invalid(name, 'must be key=value');
      const key = text.slice(0, at);
      const value = text.slice(at + 1);
      if ((pairs.get(key) ?? value) !== value) throw invalid(name, 'has two values for one key');
      pairs.set(key, value);
    }
    return pairs.size === 0 ? undefined : Object.fromEntries(pairs);
  }
}

type Defined<T> = { readonly [K in keyof T]: Exclude<T[K], undefined> };

/** Returns the members that are not undefined: the options of core must be absent, not undefined. */
export const defined = <T extends object>(values: T): Partial<Defined<T>> => {
  const members: Partial<Defined<T>> = {};
  for (const name in values)
    if (values[name] !== undefined) members[name] = values[name] as Defined<T>[typeof name];
  return members;
};
