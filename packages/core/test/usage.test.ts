import test, { type ExecutionContext } from 'ava';
import type { Usage } from '../src/contracts/engine.ts';
import type { RuntimeStore } from '../src/contracts/store.ts';
import type { UsageReport } from '../src/contracts/usage.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { scoped } from '../src/scope/scoped.ts';
import { manualClock } from '../src/testing/manual-clock.ts';
import { makeRig, type Rig, settle, shutDown } from './fixtures/rig.ts';

const DAY_MS = 86_400_000;

/** A Worker whose runs use tokens, on a clock that the test moves by days. */
class Place {
  readonly clock = manualClock(Date.parse('2026-01-10T23:59:00Z'));
  readonly store = memoryStore();
  rig: Rig;

  constructor(t: ExecutionContext, store: RuntimeStore = this.store) {
    this.rig = makeRig({ store, clock: this.clock });
    t.teardown(() => shutDown(this.rig));
  }

  get runtime() {
    return this.rig.runtime;
  }

  async start(): Promise<this> {
    await this.runtime.start();
    return this;
  }

  async restart(store: RuntimeStore = this.store): Promise<void> {
    await shutDown(this.rig);
    this.rig = makeRig({ store, clock: this.clock });
    await this.start();
  }

  async use(workerId: string, ...usage: readonly Omit<Usage, 'type'>[]): Promise<void> {
    if (!(await this.runtime.listWorkers()).items.some((worker) => worker.workerId === workerId))
      await this.runtime.createWorker({ workerId, engine: 'puppet' });
    await this.runtime.sendInput(workerId, { text: 'go' });
    await settle();
    const run = this.rig.puppet.last(workerId);
    for (const one of usage) run.yield({ type: 'usage', ...one });
    run.finish();
    await settle();
  }

  async nextDay(count = 1): Promise<void> {
    await this.clock.advance(count * DAY_MS);
  }
}

const daysOf = ({ days }: UsageReport) =>
  days.map(({ day, model, inputTokens }) => `${day} ${model} ${inputTokens}`);

const sumOf = (models: readonly { readonly inputTokens: number }[]): number =>
  models.reduce((sum, { inputTokens }) => sum + inputTokens, 0);

const tokens = (inputTokens: number, model?: string) => ({
  inputTokens,
  outputTokens: 0,
  ...(model !== undefined && { model }),
});

test('P63: usage is of the day of its event, and leaves a report as days pass, while nothing is lost from the sum', async (t) => {
  const place = await new Place(t).start();
  await place.use('ada', tokens(1, 'm'));
  // two minutes later it is another day
  await place.clock.advance(120_000);
  await place.use('ada', tokens(2, 'm'), tokens(4));
  t.deepEqual(daysOf(await place.runtime.usage()), ['2026-01-10 m 1', '2026-01-11 m 2', '2026-01-11 null 4']);
  const today = await place.runtime.usage({ days: 1 });
  t.deepEqual(daysOf(today), ['2026-01-11 m 2', '2026-01-11 null 4']);
  t.deepEqual(
    today.earlier.map(({ model, inputTokens }) => [model, inputTokens]),
    [['m', 1]],
  );
  for (let day = 0; day < 60; day += 1) {
    await place.nextDay();
    await place.use('ada', tokens(10, 'm'));
    const report = await place.runtime.usage();
    t.is(sumOf(report.days) + sumOf(report.earlier), 7 + 10 * (day + 1));
  }
  const report = await place.runtime.usage();
  t.is(report.days.length, 31);
  t.deepEqual([report.from, report.days[0]?.day], ['2026-02-10', '2026-02-10']);
  await place.nextDay(40);
  const later = await place.runtime.usage();
  t.deepEqual([later.days, later.workers, later.workersWithUsage], [[], [], 0]);
  t.is(sumOf(later.earlier), 607);
});

test('P63: the days of a Worker are the same from its snapshot and from its whole log, also for many models', async (t) => {
  const place = await new Place(t).start();
  for (let day = 0; day < 40; day += 1) {
    await place.use('ada', ...Array.from({ length: 7 }, (_, n) => tokens(1 + n, `model-${(day + n) % 9}`)));
    await place.nextDay();
  }
  const before = await place.runtime.usage();
  // as many whole days as fit
  t.is(new Set(before.days.map(({ day }) => day)).size, 18);
  t.is(before.days.length, 18 * 7);
  t.is(sumOf(before.days) + sumOf(before.earlier), 40 * 28);
  await place.restart();
  t.deepEqual({ ...(await place.runtime.usage()), runtimeId: '' }, { ...before, runtimeId: '' });
  const unsaved = new Proxy(place.store, {
    get: (target, member) => {
      if (member === 'open')
        return async (...args: Parameters<RuntimeStore['open']>) => {
          const opened = await target.open(...args);
          const logs = [];
          for await (const log of opened.logs) logs.push({ ...log, snapshot: null });
          return { ...opened, logs };
        };
      const value: unknown = Reflect.get(target, member);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  await place.restart(unsaved);
  t.deepEqual({ ...(await place.runtime.usage()), runtimeId: '' }, { ...before, runtimeId: '' });
});

test('P63: a report of many Workers counts each, names those that used most, and lets other work continue', async (t) => {
  const place = await new Place(t).start();
  for (let n = 0; n < 250; n += 1)
    await place.use(`w${String(n).padStart(3, '0')}`, tokens(n, `m${n % 120}`));
  let turns = 0;
  let isOver = false;
  const turn = (): void => {
    turns += 1;
    if (!isOver) setImmediate(turn);
  };
  turn();
  const report = await place.runtime.usage({ limit: 3 });
  isOver = true;
  t.true(turns > 2, `${turns} turns of the event loop`);
  t.deepEqual(
    report.workers.map(({ workerId }) => workerId),
    ['w249', 'w248', 'w247'],
  );
  t.is(report.workersWithUsage, 249);
  t.is(sumOf(report.days), (249 * 250) / 2);
  // the first 100 models apart, and the others as none
  t.is(report.days.length, 101);
});

test('P31: a report has the usage of the Workers of a scope only', async (t) => {
  const place = await new Place(t).start();
  for (const [workerId, labels, used] of [
    ['a', { team: 'blue' }, 1],
    ['b', { team: 'red' }, 10],
    ['c', { team: 'blue', kind: 'bot' }, 100],
    ['d', { owner: 'ada' }, 1_000],
  ] as const) {
    await place.runtime.createWorker({ workerId, engine: 'puppet', labels });
    await place.use(workerId, tokens(used, 'm'));
  }
  const seen = async (workers: readonly Readonly<Record<string, string>>[], labels = {}) => {
    const api = scoped(place.runtime, { permissions: ['observe'], workers, stamp: {} });
    const report = await api.usage({ labels });
    return [sumOf(report.days), report.workers.map(({ workerId }) => workerId)];
  };
  t.deepEqual(await seen([{ team: 'blue' }]), [101, ['c', 'a']]);
  t.deepEqual(await seen([{ team: 'blue' }], { kind: 'bot' }), [100, ['c']]);
  t.deepEqual(await seen([{ team: 'blue' }, { kind: 'bot' }, { owner: 'ada' }]), [1_101, ['d', 'c', 'a']]);
  t.deepEqual(await seen([{ team: 'green' }]), [0, []]);
  const stranger = scoped(place.runtime, { permissions: [], workers: '*', stamp: {} });
  await t.throwsAsync(stranger.usage(), { code: 'FORBIDDEN' });
  // labels are those of now
  await place.runtime.updateWorker('b', { labels: { team: 'blue' } });
  t.deepEqual(await seen([{ team: 'blue' }]), [111, ['c', 'b', 'a']]);
});

test('P63: a clock that is set back loses no usage and no day', async (t) => {
  const place = await new Place(t).start();
  await place.nextDay(100);
  await place.use('ada', tokens(1, 'm'));
  const back = manualClock(Date.parse('2026-01-12T00:00:00Z'));
  await shutDown(place.rig);
  place.rig = makeRig({ store: place.store, clock: back });
  await place.start();
  await place.use('ada', tokens(2, 'm'));
  const then = await place.runtime.usage();
  // the events of a Worker do not go back in time, so their day is to come
  t.deepEqual([then.to, then.days, sumOf(then.earlier)], ['2026-01-12', [], 3]);
  await back.advance(98 * DAY_MS);
  t.deepEqual(daysOf(await place.runtime.usage()), ['2026-04-20 m 3']);
});
