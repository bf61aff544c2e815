import { RuntimeError } from '@worker-runtime/core';
import { refusal } from '@worker-runtime/core/plugin-kit';

/** Returns the text with which a stream reports an error: a stable code, and a sentence for people. It has no foreign message. */
export const errorText = (error: unknown): string => {
  const { code, message } = RuntimeError.from(error);
  return `${code}: ${message}`;
};

/** @throws INVALID_REQUEST always, about the part of the body at `pointer` */
export const refuse = (pointer: string, message: string): never => {
  throw refusal(pointer, message);
};
