import { refusal } from '@worker-runtime/core/plugin-kit';

/** @throws INVALID_REQUEST always, about the part of the body at `pointer` */
export const refuse = (pointer: string, message: string): never => {
  throw refusal(pointer, message);
};
