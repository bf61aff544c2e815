import test from 'ava';
import { Attempt } from '../src/journal/attempt.ts';
import { steadyClock } from '../src/steady-clock.ts';
import { manualClock } from '../src/testing/manual-clock.ts';
import { TimeLimit } from '../src/time-limit.ts';

const late = (): Error => new Error('late');
const never = new Promise<never>(() => {});

test('P23: attempts time out in the order in which they began, with one timer for all', async (t) => {
  const clock = manualClock();
  const limit = new TimeLimit(steadyClock(clock), 100);
  const ends: string[] = [];
  const begin = (name: string, attempt: Promise<unknown> = never) =>
    new Attempt(
      limit,
      late,
      () => ends.push(`${name} done`),
      (error) => ends.push(`${name} ${(error as Error).message}`),
    ).watch(attempt);
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
  const limit = new TimeLimit(steadyClock(clock), 100);
  new Attempt(
    limit,
    late,
    () => {},
    () => {},
  ).watch(never);
  limit.close();
  t.is(clock.timers, 0);
});

test('the late outcome of an attempt that has timed out does not end the next one', async (t) => {
  const clock = manualClock();
  const limit = new TimeLimit(steadyClock(clock), 100);
  const ends: string[] = [];
  const attempt = new Attempt(
    limit,
    late,
    () => ends.push('done'),
    (error) => ends.push((error as Error).message),
  );
  let settle = (): void => {};
  const slow = new Promise<void>((resolve) => {
    settle = resolve;
  });
  attempt.watch(slow);
  await clock.advance(100);
  attempt.watch(never);
  settle();
  await slow;
  t.deepEqual(ends, ['late']);
  await clock.advance(100);
  attempt.watch(Promise.resolve());
  await clock.advance(1);
  t.deepEqual(ends, ['late', 'late', 'done']);
  // the timer of the limit stays until it finds no attempt
  t.is(clock.timers, 1);
  await clock.advance(100);
  t.is(clock.timers, 0);
});
