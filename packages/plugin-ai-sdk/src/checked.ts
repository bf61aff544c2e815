import { type JsonObject, RuntimeError } from '@worker-runtime/core';
import type { z } from 'zod';

interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

const issueOf = ({ issues }: z.ZodError): Issue => {
  const [first] = issues;
  if (!first) return { path: [], message: 'does not fit' };
  if (first.code !== 'unrecognized_keys') return first;
  return { path: [...first.path, ...first.keys.slice(0, 1)], message: 'does not exist' };
};

/** @throws INVALID_REQUEST naming the option that does not fit */
export const checkedOptions = <T>(schema: z.ZodType<T>, options: unknown): T => {
  const { data, error } = schema.safeParse(options);
  if (!error) return data;
  const { path, message } = issueOf(error);
  const option = path.join('.');
  throw new RuntimeError('INVALID_REQUEST', `The option ai-sdk.${option}: ${message}`, {
    details: { option },
  });
};

/** @throws CONFIG_UNSUPPORTED with a JSON pointer to what does not fit */
export const checkedConfig = <T>(schema: z.ZodType<T>, config: JsonObject): T => {
  const { data, error } = schema.safeParse(config);
  if (!error) return data;
  const { path, message } = issueOf(error);
  const pointer = `/config${path.map((part) => `/${String(part)}`).join('')}`;
  throw new RuntimeError('CONFIG_UNSUPPORTED', `${pointer}: ${message}`, {
    details: { issues: [{ pointer, message }] },
  });
};
