import test from 'ava';
import { manualClock } from '../src/testing/manual-clock.ts';

test('the time changes only by advance', async (t) => {
  const clock = manualClock(1_000);
  t.is(clock.now(), 1_000);
  await clock.advance(0);
  t.is(clock.now(), 1_000);
  await clock.advance(250);
  t.is(clock.now(), 1_250);
});

test('clocks without a given start begin at the same time', (t) => {
  t.is(manualClock().now(), manualClock().now());
});

test('timers are called in order of due time, then of creation, each at its due time', async (t) => {
  const clock = manualClock(0);
  const called: [string, number][] = [];
  for (const [name, delay] of [
    ['c', 30],
    ['a', 10],
    ['b', 20],
    ['a too', 10],
    ['late', 31],
  ] as const) {
    clock.after(delay, () => called.push([name, clock.now()]));
  }
  t.is(clock.timers, 5);
  await clock.advance(30);
  t.deepEqual(called, [
    ['a', 10],
    ['a too', 10],
    ['b', 20],
    ['c', 30],
  ]);
  t.is(clock.timers, 1);
  await clock.advance(1);
  t.deepEqual(called.at(-1), ['late', 31]);
  t.is(clock.timers, 0);
});

test('a timer is called once', async (t) => {
  const clock = manualClock();
  let calls = 0;
  clock.after(5, () => {
    calls += 1;
  });
  await clock.advance(5);
  await clock.advance(5);
  t.is(calls, 1);
});

test('a cancelled timer is not called, even if it was due at the same time', async (t) => {
  const clock = manualClock();
  const called: string[] = [];
  clock.after(10, () => {
    called.push('first');
    cancelSecond();
  });
  const cancelSecond = clock.after(10, () => called.push('second'));
  const cancelThird = clock.after(20, () => called.push('third'));
  cancelThird();
  cancelThird();
  await clock.advance(100);
  t.deepEqual(called, ['first']);
  t.is(clock.timers, 0);
});

test('one advance runs the work that waits for a timer, and the timers that this work sets', async (t) => {
  const clock = manualClock(0);
  const times: number[] = [];
  const pause = (ms: number): Promise<void> => new Promise((resolve) => void clock.after(ms, resolve));
  const work = async (): Promise<void> => {
    for (let round = 0; round < 3; round += 1) {
      await pause(10);
      for (let turn = 0; turn < 4; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      times.push(clock.now());
    }
  };
  const done = work();
  await clock.advance(100);
  await done;
  t.deepEqual(times, [10, 20, 30]);
  t.is(clock.now(), 100);
});

test('advance rejects with the error of a callback, and the time stays at that timer', async (t) => {
  const clock = manualClock(0);
  clock.after(10, () => {
    throw new TypeError('from a callback');
  });
  await t.throwsAsync(clock.advance(50), { message: 'from a callback' });
  t.is(clock.now(), 10);
});

test('a negative advance is refused', async (t) => {
  await t.throwsAsync(manualClock().advance(-1), { instanceOf: RangeError });
});
