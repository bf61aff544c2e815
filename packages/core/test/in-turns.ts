import type { TestFn } from 'ava';
import { Turns } from '../src/testing/turns.ts';

/**
 * Lets the tests of this process take turns, because all of them together would delay each other beyond their time limits. Call it with ava's
 * `test` in a file that imports many other files with tests, and with a lower number if most of them start programs.
 */
export const inTurns = (test: TestFn, atOnce = 16): void => {
  const turns = new Turns(atOnce);
  const ends = new WeakMap<object, () => void>();
  test.beforeEach(async (t) => {
    ends.set(t.context as object, await turns.take());
  });
  test.afterEach.always((t) => ends.get(t.context as object)?.());
};
