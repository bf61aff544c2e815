import { wholeNumber } from '../option-value.ts';

/** The option of a server that takes the place of the one that runs now. */
export const replaceOption = {
  replace: {
    type: 'string',
    describe:
      'wait until the server that runs now stops, then take over its port and store (default: 60 seconds)',
    coerce: (seconds: string | undefined) =>
      wholeNumber('--replace', 1, 3_600)(seconds === '' ? '60' : seconds),
  },
} as const;
