import { RuntimeError } from '@worker-runtime/core';

/** Returns the text with which a stream reports an error: a stable code, and a sentence for people. It has no foreign message. */
export const errorText = (error: unknown): string => {
  const { code, message } = RuntimeError.from(error);
  return `${code}: ${message}`;
};
