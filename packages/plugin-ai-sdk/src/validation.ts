import { type JsonObject, RuntimeError } from '@worker-runtime/core';
import type { z } from 'zod';

interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** How many are said in a message; all of them are in the details. */
const SAID = 3;

/** What is wrong, in words of ours: what is missing and what does not exist each by its own name. */
const issuesOf = ({ issues }: z.ZodError): readonly Issue[] =>
  issues.flatMap((issue): readonly Issue[] => {
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => ({ path: [...issue.path, key], message: 'does not exist' }));
    if (issue.code === 'invalid_type' && issue.message.endsWith('received undefined'))
      return [{ path: issue.path, message: 'is missing' }];
    return [issue];
  });

/** @throws INVALID_REQUEST naming the options that do not fit */
export const checkedOptions = <T>(schema: z.ZodType<T>, options: unknown): T => {
  const { data, error } = schema.safeParse(options);
  if (!error) return data;
  const issues = issuesOf(error);
  const said = issues
    .slice(0, SAID)
    .map(({ path, message }) => `${['ai-sdk', ...path].join('.')}: ${message}`);
  throw new RuntimeError('INVALID_REQUEST', `The option ${said.join('; ')}`, {
    details: { option: issues[0]?.path.join('.') ?? '' },
  });
};

/** @throws CONFIG_UNSUPPORTED with JSON pointers to what does not fit */
export const checkedConfig = <T>(schema: z.ZodType<T>, config: JsonObject): T => {
  const { data, error } = schema.safeParse(config);
  if (!error) return data;
  const issues = issuesOf(error).map(({ path, message }) => ({
    pointer: `/config${path.map((part) => `/${String(part)}`).join('')}`,
    message,
  }));
  const message = issues
    .slice(0, SAID)
    .map((issue) => `${issue.pointer}: ${issue.message}`)
    .join('; ');
  throw new RuntimeError('CONFIG_UNSUPPORTED', message, { details: { issues } });
};
