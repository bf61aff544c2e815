import type { TestFn } from 'ava';
import { Turns } from '../src/testing/turns.ts';

/** The tests of one process that run at once: all of them together would delay each other beyond their time limits. */
const AT_ONCE = 16;

/** Lets the tests of this process take turns. Call it with ava's `test` in a file that imports many other files with tests. */
export const inTurns = (test: TestFn): void => {
  const turns = new Turns(AT_ONCE);
  const ends = new WeakMap<object, () => void>();
  test.beforeEach(async (t) => {
    ends.set(t.context as object, await turns.take());
  });
  test.afterEach.always((t) => ends.get(t.context as object)?.());
};
