import { invalidRequest } from './remote-error.ts';

/** Checks the names of the options of a call: a misspelt one would have no effect. @throws INVALID_REQUEST */
export const assertKnown = (options: object, ...names: readonly string[]): void => {
  for (const name of Object.keys(options))
    if (!names.includes(name)) throw invalidRequest(`/${name}`, 'is not a known field');
};
