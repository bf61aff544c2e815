import { RuntimeError } from '../contracts/runtime-error.ts';

/** What is wrong with a value, and where: a JSON pointer. */
interface Issue {
  readonly pointer: string;
  readonly message: string;
}

/** Checks a value and collects what is wrong with it. */
export type Shape = (value: unknown, pointer: string, issues: Issue[]) => void;

const say = (issues: Issue[], pointer: string, message: string): void =>
  void issues.push({ pointer, message });

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const escaped = (key: string): string => key.slice(0, 100).replaceAll('~', '~0').replaceAll('/', '~1');

const LONE_SURROGATE = /\p{Surrogate}/u;

export const string =
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
    if (typeof value !== 'string') say(issues, pointer, 'must be a string');
    else if (value.length < min)
      say(issues, pointer, min === 1 ? 'must not be empty' : `must have at least ${min} characters`);
    else if (value.length > max) say(issues, pointer, `must have at most ${max} characters`);
    else if (pattern && !pattern.test(value)) say(issues, pointer, `must match ${pattern.source}`);
    else if (LONE_SURROGATE.test(value)) say(issues, pointer, 'must be well-formed Unicode');
  };

export const oneOf =
  (...options: readonly string[]): Shape =>
  (value, pointer, issues) => {
    if (!options.includes(value as string)) say(issues, pointer, `must be one of: ${options.join(', ')}`);
  };

export const wholeNumber =
  (min: number, max: number): Shape =>
  (value, pointer, issues) => {
    if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max) {
      say(issues, pointer, `must be a whole number from ${min} to ${max}`);
    }
  };

export const nullOr =
  (shape: Shape): Shape =>
  (value, pointer, issues) => {
    if (value !== null) shape(value, pointer, issues);
  };

export const list =
  (item: Shape, { min = 0, max }: { readonly min?: number; readonly max: number }): Shape =>
  (value, pointer, issues) => {
    if (!Array.isArray(value)) return say(issues, pointer, 'must be an array');
    if (value.length < min) say(issues, pointer, `must have at least ${min} items`);
    if (value.length > max) return say(issues, pointer, `must have at most ${max} items`);
    for (const [index, member] of value.entries()) item(member, `${pointer}/${index}`, issues);
  };

export const record =
  (key: Shape, member: Shape, max: number): Shape =>
  (value, pointer, issues) => {
    if (!isObject(value)) return say(issues, pointer, 'must be an object');
    const entries = Object.entries(value);
    if (entries.length > max) return say(issues, pointer, `must have at most ${max} members`);
    for (const [name, inner] of entries) {
      key(name, `${pointer}/${escaped(name)}`, issues);
      member(inner, `${pointer}/${escaped(name)}`, issues);
    }
  };

const MAX_DEPTH = 100;

/** Any JSON, but nothing that JSON would drop or change, and not nested too deeply to be walked. */
const json: Shape = (value, pointer, issues) => {
  const walk = (inner: unknown, at: string, depth: number): void => {
    if (depth > MAX_DEPTH) say(issues, at, 'is nested too deeply');
    else if (Array.isArray(inner)) {
      for (const [index, member] of inner.entries()) walk(member, `${at}/${index}`, depth + 1);
    } else if (isObject(inner)) {
      for (const [name, member] of Object.entries(inner)) {
        if (member !== undefined) walk(member, `${at}/${escaped(name)}`, depth + 1);
      }
    } else if (typeof inner === 'number') {
      if (!Number.isFinite(inner)) say(issues, at, 'must be a finite number');
    } else if (inner !== null && typeof inner !== 'string' && typeof inner !== 'boolean')
      say(issues, at, 'must be JSON');
  };
  walk(value, pointer, 0);
};

export const jsonObject: Shape = (value, pointer, issues) =>
  isObject(value) ? json(value, pointer, issues) : say(issues, pointer, 'must be an object');

/** An object of known fields; all may be left out but `required`. Unknown fields are refused, `undefined` is absent. */
export const object =
  (fields: Readonly<Record<string, Shape>>, required: readonly string[] = []): Shape =>
  (value, pointer, issues) => {
    if (!isObject(value)) return say(issues, pointer, 'must be an object');
    for (const [name, member] of Object.entries(value)) {
      const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
      if (!field) say(issues, `${pointer}/${escaped(name)}`, 'is not a known field');
      else if (member !== undefined) field(member, `${pointer}/${name}`, issues);
    }
    for (const name of required)
      if (value[name] === undefined) say(issues, `${pointer}/${name}`, 'is required');
  };

const ISSUES_SHOWN = 20;

/** `pointer` is where the value stands in the request. @throws INVALID_REQUEST with what is wrong, by JSON pointer */
export const assertShape = (shape: Shape, value: unknown, pointer = ''): void => {
  const issues: Issue[] = [];
  shape(value, pointer, issues);
  const [first] = issues;
  if (first) {
    throw new RuntimeError('INVALID_REQUEST', `${first.pointer || 'The request'} ${first.message}`, {
      details: { issues: issues.slice(0, ISSUES_SHOWN) },
    });
  }
};
