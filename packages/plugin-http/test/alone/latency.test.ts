import { memoryStore } from '@worker-runtime/core';
import { faultyStore } from '@worker-runtime/core/testing';
import test from 'ava';
import { isProblem, type Served, serve } from '../served.ts';

const ROUNDS = 60;
const COMMIT_MS = 1_500;
const READS = [
  'workers/bob',
  'workers',
  '/v1/runtimes/self',
  'workers/bob/events',
  'workers/bob/overview',
  '/readyz',
];

/** Returns the 95th percentile of the duration, in milliseconds. */
const p95 = async (act: () => Promise<void>): Promise<number> => {
  const durations: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    await act();
    durations.push(performance.now() - start);
  }
  return durations.sort((a, b) => a - b)[Math.floor(ROUNDS * 0.95)] as number;
};

const reads =
  ({ call }: Served) =>
  async (): Promise<void> => {
    for (const path of READS) if ((await call(path)).status !== 200) throw new Error(path);
  };

const runsBob =
  ({ call }: Served) =>
  async (): Promise<void> => {
    const sent = { method: 'POST', body: { text: 'say hi' }, headers: { prefer: 'wait=20' } };
    if ((await call('workers/bob/inputs', sent)).status !== 200) throw new Error('bob does not answer');
  };

/**
 * True if a request did not wait for the engine or the disk. The limit is generous, since machines differ and are shared:
 * a request that waited would take for ever (the engine) or as long as a commit (the disk).
 */
const isUnchanged = (alone: number, loaded: number): boolean =>
  loaded <= Math.max(COMMIT_MS - 500, 5 * alone);

test('P22: while an engine hangs, the runtime and other Workers respond as fast as before', async (t) => {
  t.timeout(120_000);
  const served = await serve(t);
  for (const workerId of ['ada', 'bob']) await served.runtime.createWorker({ engine: 'puppet', workerId });
  await runsBob(served)();
  const [readAlone, ranAlone] = [await p95(reads(served)), await p95(runsBob(served))];
  await served.call('workers/ada/inputs', { method: 'POST', body: { text: 'hang' } });
  const stuck = served.call('workers/ada/inputs', {
    method: 'POST',
    body: { text: 'later', whenBusy: 'queue' },
    headers: { prefer: 'wait=60' },
  });
  const [read, ran] = [await p95(reads(served)), await p95(runsBob(served))];
  t.log(
    `reads ${readAlone.toFixed(1)} → ${read.toFixed(1)} ms, runs ${ranAlone.toFixed(1)} → ${ran.toFixed(1)} ms`,
  );
  t.true(isUnchanged(readAlone, read));
  t.true(isUnchanged(ranAlone, ran));
  await served.call('workers/ada/stop', { method: 'POST' });
  t.is((await stuck).status, 200);
});

test('P22: while the disk stalls, commands fail in time with a code, and reads respond as fast as before', async (t) => {
  t.timeout(120_000);
  const store = faultyStore(memoryStore());
  const served = await serve(t, {
    plugins: [{ name: 'store', apply: (host) => host.useStore(store) }],
    limits: { commitTimeoutMs: COMMIT_MS },
  });
  for (const workerId of ['ada', 'bob']) await served.runtime.createWorker({ engine: 'puppet', workerId });
  await runsBob(served)();
  const alone = await p95(reads(served));
  const stall = store.stall('append');
  const refused = served.call('workers/ada/inputs', { method: 'POST', body: { text: 'say hi' } });
  await stall.reached;
  const loaded = await p95(reads(served));
  t.log(`reads ${alone.toFixed(1)} → ${loaded.toFixed(1)} ms`);
  t.true(isUnchanged(alone, loaded));
  isProblem(t, await refused, 503, 'STORE_UNAVAILABLE');
  stall.release('lost');
  await runsBob(served)();
});
