import test from 'ava';
import { TimeLimit } from '../src/journal/time-limit.ts';
import { manualClock } from '../src/testing/manual-clock.ts';

const never = new Promise<never>(() => {});

test('P23: attempts time out in the order in which they began, with one timer for all', async (t) => {
  const clock = manualClock();
  const limit = new TimeLimit(clock, 100, () => new Error('late'));
  const ends: string[] = [];
  const begin = (name: string, attempt: Promise<unknown> = never) =>
    limit.watch(
      attempt,
      () => ends.push(`${name} done`),
      (error) => ends.push(`${name} ${(error as Error).message}`),
    );
  begin('a');
  begin('quick', Promise.resolve());
  await clock.advance(60);
  begin('b');
  t.is(clock.timers, 1);
  await clock.advance(39);
  t.deepEqual(ends, ['quick done']);
  await clock.advance(1);
  t.deepEqual(ends, ['quick done', 'a late']);
  await clock.advance(60);
  t.deepEqual(ends, ['quick done', 'a late', 'b late']);
  t.is(clock.timers, 0);
});

test('P20: a closed TimeLimit has no timer', async (t) => {
  const clock = manualClock();
  const limit = new TimeLimit(clock, 100, () => new Error('late'));
  limit.watch(
    never,
    () => {},
    () => {},
  );
  limit.close();
  t.is(clock.timers, 0);
});
