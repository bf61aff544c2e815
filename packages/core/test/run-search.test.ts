import test from 'ava';
import type { Clock } from '../src/contracts/clock.ts';
import { engine, inputText } from '../src/contracts/engine.ts';
import type { WorkerEvent } from '../src/contracts/event.ts';
import type { RuntimeStore } from '../src/contracts/store.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { Runtime } from '../src/runtime/runtime.ts';
import { faultyStore } from '../src/testing/faulty-store.ts';
import { manualClock } from '../src/testing/manual-clock.ts';
import { codeOf, logOf } from './fixtures/rig.ts';

const message = { type: 'message', parts: [{ type: 'text', text: 'x' }] } as const;

/** Ends a run that waits. */
let release = (): void => {};

/** Answers a number with as many messages, and anything else when the test releases it. */
const counted = engine('counted', async function* ({ input, signal }) {
  const count = Number(inputText(input));
  if (Number.isNaN(count))
    await new Promise<void>((resolve) => {
      release = resolve;
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  else yield Array.from({ length: count }, () => message);
});

const start = async (store: RuntimeStore, clock?: Clock): Promise<Runtime> => {
  const runtime = new Runtime({
    plugins: [{ name: 'memory', apply: (host) => host.useStore(store) }],
    engines: [counted],
    limits: { tailBytes: 4_096 },
    ...(clock && { clock }),
  });
  await runtime.start();
  await runtime.createWorker({ workerId: 'w', engine: 'counted' });
  return runtime;
};

const runOf = async (runtime: Runtime, text: string): Promise<string> =>
  (await runtime.sendInput('w', { text }, { waitMs: 60_000 })).runId;

test('P21: an early run is found with about as many reads in a log that is ten times as long', async (t) => {
  const readsIn = async (runs: number): Promise<number> => {
    const store = faultyStore(memoryStore());
    const runtime = await start(store);
    await runOf(runtime, '500');
    const early = await runOf(runtime, '500');
    for (let at = 2; at < runs; at += 1) await runOf(runtime, '500');
    const before = store.calls.length;
    const { runId, outcome } = await runtime.getRun('w', early);
    const reads = store.calls.slice(before).filter(({ method }) => method === 'read').length;
    t.deepEqual([runId, outcome], [early, 'completed']);
    await runtime.stop();
    return reads;
  };
  const short = await readsIn(12);
  const long = await readsIn(120);
  // a log that is ten times as long is halved four times more
  t.true(short > 0 && long <= short + 6, `${short} reads in the short log, ${long} in the long one`);
});

/** The events that a search for a run leads to: its start, or the input of a run that never started. */
const firstEvents = (log: readonly WorkerEvent[]): ReadonlyMap<string, WorkerEvent> => {
  const found = new Map<string, WorkerEvent>();
  for (const event of log)
    if (event.run !== undefined && (event.type === 'run.started' || event.type === 'input.accepted'))
      found.set(event.run, event);
  return found;
};

const CLOCKS: Readonly<Record<string, (() => Clock) | undefined>> = {
  'the clock of the system': undefined,
  'a clock that is behind the ids': () => manualClock(Date.UTC(2001, 0, 1)),
  'a clock that is ahead of the ids': () => manualClock(Date.UTC(2101, 0, 1)),
};

for (const [what, clock] of Object.entries(CLOCKS))
  test.serial(
    `every run of a long log is found by its id, also one that was queued or never started, with ${what}`,
    async (t) => {
      const runtime = await start(memoryStore(), clock?.());
      for (let round = 0; round < 3; round += 1) {
        await runtime.sendInput('w', { text: 'wait' });
        const queued = await Promise.all(
          ['1200', '400', '0'].map((text) => runtime.sendInput('w', { text, whenBusy: 'queue' })),
        );
        release();
        await runtime.waitForRun('w', queued.at(-1)?.runId ?? '', { waitMs: 60_000 });
        await runtime.sendInput('w', { text: 'wait' });
        await runtime.sendInput('w', { text: 'never', whenBusy: 'queue' });
        await runtime.stopWorker('w');
        await runtime.resumeWorker('w');
      }
      const log = await logOf(runtime, 'w');
      const runs = firstEvents(log);
      t.is(runs.size, 18);
      for (const [runId, first] of runs) {
        const { cursor, status } = await runtime.getRun('w', runId);
        t.deepEqual((await runtime.events('w', { after: cursor, limit: 1 })).items, [first]);
        t.is(status, 'finished');
        t.is((await runtime.waitForRun('w', runId)).run?.runId, runId);
      }
      const { worker } = await runtime.createWorker({ workerId: 'other', engine: 'counted' });
      const other = await runtime.sendInput(worker.workerId, { text: '0' });
      t.is(await codeOf(runtime.getRun('w', other.runId)), 'RUN_NOT_FOUND');
      t.is(await codeOf(runtime.getRun('w', 'run_1')), 'RUN_NOT_FOUND');
      await runtime.stop();
    },
  );
