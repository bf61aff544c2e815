import { RuntimeError } from '@worker-runtime/core';
import type { FastifyRequest } from 'fastify';

const invalid = (name: string, message: string): RuntimeError =>
  new RuntimeError('INVALID_REQUEST', `The query parameter "${name}" ${message}`, {
    details: { issues: [{ pointer: `?${name}`, message }] },
  });

/** Refuses what is not known, instead of ignoring it. @throws INVALID_REQUEST a parameter that is not in `known` */
export const assertKnown = (values: unknown, known: readonly string[]): void => {
  for (const name of Object.keys(values as object)) {
    if (known.includes(name)) continue;
    throw new RuntimeError('INVALID_REQUEST', 'The query has an unknown parameter', {
      // a foreign name is not repeated at any length
      details: { issues: [{ pointer: `?${name.slice(0, 64)}`, message: 'is not known' }], known },
    });
  }
};

type QueryValues = Readonly<Record<string, string | string[] | undefined>>;

/** A parsed query string, read strictly. Its names were checked against the route before. */
export class Query {
  readonly #values: QueryValues;

  constructor(request: FastifyRequest) {
    this.#values = request.query as QueryValues;
  }

  /** @throws INVALID_REQUEST it is said twice */
  text(name: string): string | undefined {
    const value = this.#values[name];
    if (value === undefined || typeof value === 'string') return value;
    throw invalid(name, 'is said more than once');
  }

  all(name: string): readonly string[] {
    const value = this.#values[name];
    if (value === undefined) return [];
    return [value].flat();
  }

  /** A whole number, 1 or more, in plain digits. @throws INVALID_REQUEST anything else */
  count(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    if (!/^[1-9][0-9]{0,8}$/.test(text)) throw invalid(name, 'must be a whole number, 1 or more');
    return Number(text);
  }

  /** One of a few words. @throws INVALID_REQUEST another one; the message names them */
  oneOf<Word extends string>(name: string, words: readonly Word[]): Word | undefined {
    const text = this.text(name);
    const word = words.find((candidate) => candidate === text);
    if (text !== undefined && word === undefined) throw invalid(name, `must be one of ${words.join(', ')}`);
    return word;
  }

  /** `name=key=value`, repeated. @throws INVALID_REQUEST no `=`, or one key with two values */
  pairs(name: string): Readonly<Record<string, string>> | undefined {
    const pairs = new Map<string, string>();
    for (const text of this.all(name)) {
      const at = text.indexOf('=');
      if (at < 1) throw invalid(name, 'must be key=value');
      const key = text.slice(0, at);
      const value = text.slice(at + 1);
      if ((pairs.get(key) ?? value) !== value) throw invalid(name, 'asks for two values of one key');
      pairs.set(key, value);
    }
    return pairs.size === 0 ? undefined : Object.fromEntries(pairs);
  }
}

type Defined<T> = { readonly [K in keyof T]: Exclude<T[K], undefined> };

/** The members that are set: what was not asked for is left out, not passed on as undefined. */
export const defined = <T extends object>(values: T): Partial<Defined<T>> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<
    Defined<T>
  >;
