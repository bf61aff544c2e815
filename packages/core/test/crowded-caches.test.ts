import test from 'ava';
import { engine, Runtime } from '../src/index.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { faultyStore } from '../src/testing/index.ts';

/*
 * More busy Workers than the caches of lines and keys have room for: what a Worker needs next must stay in memory, because a read of
 * the store for each input of each Worker would take longer than the work.
 */

/** Labels that make an event of about a kilobyte, another one for each number. */
const note = (at: number) => ({
  labels: Object.fromEntries(['a', 'b', 'c', 'd'].map((key) => [key, String(at).padStart(225, 'x')])),
});

const start = async (limits: object, gate: Promise<void> = Promise.resolve()) => {
  const store = faultyStore(memoryStore());
  const echo = engine('echo', async function* () {
    await gate;
    yield { type: 'message', parts: [{ type: 'text', text: 'done' }] };
  });
  const runtime = await Runtime.start({ store, engines: [echo], limits });
  const callsOf = (method: string): number => store.calls.filter((call) => call.method === method).length;
  return { runtime, callsOf };
};

test('P23: at the total of tails, the result of a run in progress is read from memory', async (t) => {
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const { runtime, callsOf } = await start({ totalTailBytes: 65_536 }, gate);
  t.teardown(() => runtime.stop());
  const create = (workerId: string) => runtime.createWorker({ engine: 'echo', workerId });
  await create('ada');
  for (let at = 0; at < 30; at += 1) await runtime.updateWorker('ada', note(at));
  const result = runtime.sendInput('ada', { text: 'go' }, { waitMs: 10_000 });
  for (let at = 0; at < 12; at += 1) {
    await create(`w${at}`);
    for (let more = 0; more < 4; more += 1) await runtime.updateWorker(`w${at}`, note(more));
  }
  open();
  t.is((await result).run?.outcome, 'completed');
  t.is(callsOf('read'), 0);
  // the older half of the tail is gone
  t.is((await runtime.events('ada', { after: 'start' })).items[0]?.seq, 1);
  t.is(callsOf('read'), 1);
});

test('P23: at the total of tails, Workers at rest do not keep their last commit, however large it is', async (t) => {
  const store = faultyStore(memoryStore());
  const tall = engine('tall', async function* () {
    yield { type: 'text', text: 'x' };
    // what is returned is committed with the end of the run
    return { type: 'message', parts: [{ type: 'text', text: 'x'.repeat(20_000) }] };
  });
  const runtime = await Runtime.start({ store, engines: [tall], limits: { totalTailBytes: 65_536 } });
  t.teardown(() => runtime.stop());
  const reads = (): number => store.calls.filter((call) => call.method === 'read').length;
  const workers = Array.from({ length: 12 }, (_, at) => `w${at}`);
  for (const workerId of workers) {
    await runtime.createWorker({ engine: 'tall', workerId });
    await runtime.sendInput(workerId, { text: 'go' }, { waitMs: 10_000 });
  }
  const earlier = reads();
  for (const workerId of workers) {
    const { items } = await runtime.events(workerId, { after: '@5' });
    t.deepEqual(
      items.map(({ type }) => type),
      ['run.finished'],
    );
  }
  const left = reads() - earlier;
  t.true(left >= 9, `only ${left} of 12 Workers have left memory`);
});

test('P9, P23: at the total of keys, a new key needs no read, and a used one is still known', async (t) => {
  const { runtime, callsOf } = await start({ totalIdempotencyKeys: 100 });
  t.teardown(() => runtime.stop());
  const workers = Array.from({ length: 20 }, (_, at) => `w${at}`);
  for (const workerId of workers) await runtime.createWorker({ engine: 'echo', workerId });
  const send = (workerId: string, key: number, text = 'go') =>
    runtime.sendInput(workerId, { text }, { idempotencyKey: `key ${key}`, waitMs: 10_000 });
  for (let key = 0; key < 20; key += 1) for (const workerId of workers) await send(workerId, key);
  t.is(callsOf('keys'), 20, 'each Worker has read its keys once');
  for (const key of [0, 7, 19]) {
    const { replayed, runId } = await send('w3', key);
    t.true(replayed);
    const { items } = await runtime.transcript('w3', { after: 'start' });
    t.is(items[2 * key]?.run, runId);
    await t.throwsAsync(send('w3', key, 'another'), { code: 'IDEMPOTENCY_MISMATCH' });
  }
  t.true(callsOf('keys') <= 26, 'a used key is looked up');
  t.is((await runtime.overview('w3')).inputs, 20);
});
