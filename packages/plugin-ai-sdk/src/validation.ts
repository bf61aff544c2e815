import { type JsonObject, RuntimeError } from '@worker-runtime/core';
import type { z } from 'zod';

interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** The most issues to list in a message. The details list all of them. */
const MAX_LISTED = 3;

/** Returns the issues of an error. Reports each missing and each unknown key by its own path. */
const issuesOf = ({ issues }: z.ZodError): readonly Issue[] =>
  issues.flatMap((issue): readonly Issue[] => {
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => ({ path: [...issue.path, key], message: 'does not exist' }));
    if (issue.code === 'invalid_type' && issue.message.endsWith('received undefined'))
      return [{ path: issue.path, message: 'is missing' }];
    return [issue];
  });

/** Parses the options of the plugin. @throws INVALID_REQUEST with the invalid options */
export const parseOptions = <T>(schema: z.ZodType<T>, options: unknown): T => {
  const { data, error } = schema.safeParse(options);
  if (!error) return data;
  const issues = issuesOf(error);
  const listed = issues
    .slice(0, MAX_LISTED)
    .map(({ path, message }) => `${['ai-sdk', ...path].join('.')}: ${message}`);
  throw new RuntimeError('INVALID_REQUEST', `The option ${listed.join('; ')}`, {
    details: { option: issues[0]?.path.join('.') ?? '' },
  });
};

/**
 * Parses the configuration of a Worker, or the part of it at `pointer`.
 * @throws CONFIG_UNSUPPORTED with JSON pointers to the invalid keys
 */
export const parseConfig = <T>(schema: z.ZodType<T>, config: JsonObject, pointer = '/config'): T => {
  const { data, error } = schema.safeParse(config);
  if (!error) return data;
  const issues = issuesOf(error).map(({ path, message }) => ({
    pointer: `${pointer}${path.map((part) => `/${String(part)}`).join('')}`,
    message,
  }));
  const message = issues
    .slice(0, MAX_LISTED)
    .map((issue) => `${issue.pointer}: ${issue.message}`)
    .join('; ');
  throw new RuntimeError('CONFIG_UNSUPPORTED', message, { details: { issues } });
};
