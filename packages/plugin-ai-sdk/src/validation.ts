import { type JsonObject, RuntimeError } from '@worker-runtime/core';
import type { z } from 'zod';

interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** The most issues to list in a message. The details list all of them. */
const MAX_LISTED = 3;

/** The words for the types of a schema, by their names in zod. */
const TYPES: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  record: 'an object',
  object: 'an object',
};

/** The words for a bound, by what it is of. */
const bound = (origin: string, side: 'at least' | 'at most', value: unknown): string => {
  const unit = { string: ' characters', array: ' items' }[origin];
  if (unit !== undefined && side === 'at least' && value === 1) return 'must not be empty';
  return `must ${unit === undefined ? 'be' : 'have'} ${side} ${String(value)}${unit ?? ''}`;
};

/** Says what a value must be, as all plugins do. A message of the schema itself has precedence. */
const mismatchOf: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case 'invalid_type': {
      const needed = `must be ${TYPES[issue.expected] ?? issue.expected}`;
      return issue.input === undefined ? `is missing: it ${needed}` : needed;
    }
    case 'invalid_value':
      return `must be one of: ${issue.values.join(', ')}`;
    case 'invalid_union':
      return Array.isArray(issue.options)
        ? `must be one of: ${issue.options.join(', ')}`
        : 'must be a JSON value';
    case 'invalid_key':
      return issue.issues[0]?.message;
    case 'too_small':
      return bound(issue.origin, 'at least', issue.minimum);
    case 'too_big':
      return bound(issue.origin, 'at most', issue.maximum);
    default:
      return undefined;
  }
};

/** Returns the issues of an error. Reports each unknown key by its own path. */
const issuesOf = ({ issues }: z.ZodError): readonly Issue[] =>
  issues.flatMap((issue): readonly Issue[] =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({ path: [...issue.path, key], message: 'does not exist' }))
      : [issue],
  );

/** Parses the options of the plugin. @throws INVALID_REQUEST with the invalid options */
export const parseOptions = <T>(schema: z.ZodType<T>, options: unknown): T => {
  const { data, error } = schema.safeParse(options, { error: mismatchOf });
  if (!error) return data;
  const issues = issuesOf(error);
  const listed = issues
    .slice(0, MAX_LISTED)
    .map(({ path, message }) => `${['ai-sdk', ...path].join('.')} ${message}`);
  throw new RuntimeError('INVALID_REQUEST', `The option ${listed.join('; ')}`, {
    details: { option: issues[0]?.path.join('.') ?? '' },
  });
};

/**
 * Parses the configuration of a Worker, or the part of it at `pointer`.
 * @throws CONFIG_UNSUPPORTED with JSON pointers to the invalid keys
 */
export const parseConfig = <T>(schema: z.ZodType<T>, config: JsonObject, pointer = '/config'): T => {
  const { data, error } = schema.safeParse(config, { error: mismatchOf });
  if (!error) return data;
  const issues = issuesOf(error).map(({ path, message }) => ({
    pointer: `${pointer}${path.map((part) => `/${String(part)}`).join('')}`,
    message,
  }));
  const message = issues
    .slice(0, MAX_LISTED)
    .map((issue) => `${issue.pointer} ${issue.message}`)
    .join('; ');
  throw new RuntimeError('CONFIG_UNSUPPORTED', message, { details: { issues } });
};
