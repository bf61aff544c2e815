import { invalidRequest, type RequestIssue } from '../contracts/runtime-error.ts';

/*
 * Shapes check values that come from outside, such as requests, and collect every fault with its JSON pointer. Shapes
 * do not convert values; `options.ts` reads the options of plugins, which may be text.
 */

/** Checks a value and adds what is wrong with it to `issues`. `pointer` is the JSON pointer of the value. */
export type Shape = (value: unknown, pointer: string, issues: RequestIssue[]) => void;

const add = (issues: RequestIssue[], pointer: string, message: string): void =>
  void issues.push({ pointer, message });

/** True if a value is an object and not an array. */
export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const escaped = (key: string): string => key.slice(0, 100).replaceAll('~', '~0').replaceAll('/', '~1');

const ILL_FORMED = 'must be well-formed Unicode';

/** Accepts a string of well-formed Unicode, within the given numbers of characters. */
export const stringOf =
  ({
    min = 0,
    max = Number.POSITIVE_INFINITY,
    pattern,
  }: {
    readonly min?: number;
    readonly max?: number;
    readonly pattern?: RegExp;
  } = {}): Shape =>
  (value, pointer, issues) => {
    if (typeof value !== 'string') add(issues, pointer, 'must be a string');
    else if (value.length < min)
      add(issues, pointer, min === 1 ? 'must not be empty' : `must have at least ${min} characters`);
    else if (value.length > max) add(issues, pointer, `must have at most ${max} characters`);
    else if (pattern && !pattern.test(value)) add(issues, pointer, `must match ${pattern.source}`);
    else if (!value.isWellFormed()) add(issues, pointer, ILL_FORMED);
  };

/** Accepts one of the given strings. */
export const choiceOf =
  (...choices: readonly string[]): Shape =>
  (value, pointer, issues) => {
    if (!choices.includes(value as string)) add(issues, pointer, `must be one of: ${choices.join(', ')}`);
  };

/** Accepts a whole number from `min` to `max`. */
export const wholeNumberFrom =
  (min: number, max: number): Shape =>
  (value, pointer, issues) => {
    if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max) {
      add(issues, pointer, `must be a whole number from ${min} to ${max}`);
    }
  };

/** Accepts null, and what the shape accepts. */
export const nullOr =
  (shape: Shape): Shape =>
  (value, pointer, issues) => {
    if (value !== null) shape(value, pointer, issues);
  };

/** Accepts an array of `min` to `max` items. */
export const listOf =
  (item: Shape, { min = 0, max }: { readonly min?: number; readonly max: number }): Shape =>
  (value, pointer, issues) => {
    if (!Array.isArray(value)) return add(issues, pointer, 'must be an array');
    if (value.length < min) add(issues, pointer, `must have at least ${min} items`);
    if (value.length > max) return add(issues, pointer, `must have at most ${max} items`);
    for (const [index, member] of value.entries()) item(member, `${pointer}/${index}`, issues);
  };

/** Accepts an object of any keys, at most `max` of them. */
export const recordOf =
  (key: Shape, member: Shape, max: number): Shape =>
  (value, pointer, issues) => {
    if (!isObject(value)) return add(issues, pointer, 'must be an object');
    const entries = Object.entries(value);
    if (entries.length > max) return add(issues, pointer, `must have at most ${max} members`);
    for (const [name, inner] of entries) {
      key(name, `${pointer}/${escaped(name)}`, issues);
      member(inner, `${pointer}/${escaped(name)}`, issues);
    }
  };

/** Accepts any value. */
export const anything: Shape = () => {};

const MAX_DEPTH = 100;

/** Accepts every value that JSON preserves, nested at most `MAX_DEPTH` levels deep. */
export const json: Shape = (value, pointer, issues) => {
  const walk = (inner: unknown, at: string, depth: number): void => {
    if (depth > MAX_DEPTH) add(issues, at, 'is nested too deeply');
    else if (Array.isArray(inner)) {
      for (const [index, member] of inner.entries()) walk(member, `${at}/${index}`, depth + 1);
    } else if (isObject(inner)) {
      for (const [name, member] of Object.entries(inner)) {
        if (!name.isWellFormed()) add(issues, at, ILL_FORMED);
        if (member !== undefined) walk(member, `${at}/${escaped(name)}`, depth + 1);
      }
    } else if (typeof inner === 'string') {
      if (!inner.isWellFormed()) add(issues, at, ILL_FORMED);
    } else if (typeof inner === 'number') {
      if (!Number.isFinite(inner)) add(issues, at, 'must be a finite number');
    } else if (inner !== null && typeof inner !== 'boolean') add(issues, at, 'must be JSON');
  };
  walk(value, pointer, 0);
};

/** Accepts an object that JSON preserves. */
export const jsonObject: Shape = (value, pointer, issues) =>
  isObject(value) ? json(value, pointer, issues) : add(issues, pointer, 'must be an object');

/**
 * Accepts an object of known fields. Fields are optional unless they are `required`, and a field that is `undefined`
 * counts as absent. Unknown fields are refused.
 */
export const objectOf =
  (fields: Readonly<Record<string, Shape>>, required: readonly string[] = []): Shape =>
  (value, pointer, issues) => {
    if (!isObject(value)) return add(issues, pointer, 'must be an object');
    for (const [name, member] of Object.entries(value)) {
      const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
      if (!field) add(issues, `${pointer}/${escaped(name)}`, 'is not a known field');
      else if (member !== undefined) field(member, `${pointer}/${name}`, issues);
    }
    for (const name of required)
      if (value[name] === undefined) add(issues, `${pointer}/${name}`, 'is required');
  };

/** Returns what is wrong with a value. `pointer` is the JSON pointer of the value in the request. */
export const issuesOf = (shape: Shape, value: unknown, pointer = ''): readonly RequestIssue[] => {
  const issues: RequestIssue[] = [];
  shape(value, pointer, issues);
  return issues;
};

/** @throws INVALID_REQUEST the value does not fit; `details.issues` lists the faults by JSON pointer */
export const assertShape = (shape: Shape, value: unknown, pointer = ''): void => {
  const [first, ...others] = issuesOf(shape, value, pointer);
  if (first) throw invalidRequest([first, ...others]);
};
