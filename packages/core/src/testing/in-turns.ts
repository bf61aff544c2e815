import { Turns } from './turns.ts';

type Hook = (run: (t: { readonly context: unknown }) => unknown) => void;

/** The hooks of ava's `test` that {@link inTurns} uses. */
export interface TestHooks {
  readonly beforeEach: Hook;
  readonly afterEach: { readonly always: Hook };
}

/**
 * Lets the tests of a process run `atOnce` at a time. Call it once in a file that imports other files with tests: all of them together
 * would delay each other beyond their time limits. Choose a lower number if most of them start programs.
 */
export const inTurns = ({ beforeEach, afterEach }: TestHooks, atOnce = 16): void => {
  const turns = new Turns(atOnce);
  const ends = new WeakMap<object, () => void>();
  beforeEach(async (t) => {
    ends.set(t.context as object, await turns.take());
  });
  afterEach.always((t) => ends.get(t.context as object)?.());
};
