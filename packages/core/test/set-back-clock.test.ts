import test from 'ava';
import type { Clock } from '../src/contracts/clock.ts';
import { engine } from '../src/contracts/engine.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { Runtime } from '../src/runtime/runtime.ts';
import { steadyClock } from '../src/steady-clock.ts';
import { faultyStore } from '../src/testing/faulty-store.ts';
import { type ManualClock, manualClock } from '../src/testing/manual-clock.ts';
import { codeOf } from './fixtures/rig.ts';

const HOUR_MS = 3_600_000;

/** A clock that a test sets, as an operator or the network sets that of a machine. Its timers are not affected. */
class SetClock implements Clock {
  readonly manual: ManualClock = manualClock();
  #shiftMs = 0;

  now(): number {
    return this.manual.now() + this.#shiftMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    return this.manual.after(delayMs, callback);
  }

  setBack(ms: number): void {
    this.#shiftMs -= ms;
  }
}

const waiting = engine('waiting', async function* ({ signal }) {
  yield { type: 'text', text: 'begun' };
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
});

const start = async (clock: Clock) => {
  const store = faultyStore(memoryStore());
  const limits = {
    commitTimeoutMs: 1_000,
    shutdownDeadlineMs: 5_000,
    runTimeoutMs: 60_000,
    storeOutageMs: 2_000,
  };
  const runtime = await Runtime.start({ engines: [waiting], store, clock, limits });
  await runtime.createWorker({ engine: 'waiting', workerId: 'w' });
  return { runtime, store };
};

test('P14: a store that does not answer refuses a command in time, also if the clock is set back in between', async (t) => {
  const clock = new SetClock();
  const { runtime, store } = await start(clock);
  const stall = store.stall(({ method }) => method === 'append' || method === 'head');
  const refused = codeOf(runtime.sendInput('w', { text: 'go' }));
  await clock.manual.advance(500);
  clock.setBack(HOUR_MS);
  await clock.manual.advance(1_500);
  t.is(await refused, 'STORE_UNAVAILABLE');
  stall.release('lost');
  const stopped = runtime.stop();
  await clock.manual.advance(5_000);
  await stopped;
});

test('P1: the deadline of a run passes, also if the clock is set back in between', async (t) => {
  const clock = new SetClock();
  const { runtime } = await start(clock);
  const { runId } = await runtime.sendInput('w', { text: 'go' });
  clock.setBack(HOUR_MS);
  await clock.manual.advance(60_000);
  t.is((await runtime.getRun('w', runId)).error?.code, 'RUN_DEADLINE');
  const stopped = runtime.stop();
  await clock.manual.advance(5_000);
  await stopped;
});

test('P1: a stop ends in time, also if the clock is set back in between', async (t) => {
  const clock = new SetClock();
  const { runtime, store } = await start(clock);
  const stall = store.stall('close');
  let isStopped = false;
  const stopped = runtime.stop().then(() => {
    isStopped = true;
  });
  clock.setBack(HOUR_MS);
  await clock.manual.advance(5_000);
  t.true(isStopped);
  stall.release('done');
  await stopped;
});

test('the steady time of a clock grows as the clock and its timers do, and does not go back with it', async (t) => {
  const clock = new SetClock();
  const steady = steadyClock(clock);
  const begun = steady.steadyMs();
  await clock.manual.advance(100);
  t.is(steady.steadyMs() - begun, 100);
  clock.setBack(HOUR_MS);
  t.is(steady.steadyMs() - begun, 100);
  await clock.manual.advance(50);
  t.is(steady.steadyMs() - begun, 150);
  steady.after(200, () => {});
  await clock.manual.advance(150);
  clock.setBack(HOUR_MS);
  await clock.manual.advance(50);
  t.is(steady.steadyMs() - begun, 350, 'a timer shows how much time has passed');
  t.is(steady.now(), clock.now());
});
