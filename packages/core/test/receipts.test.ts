import test from 'ava';
import { type EngineOutput, engine } from '../src/contracts/engine.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { faultyStore } from '../src/testing/faulty-store.ts';
import { codeOf, logOf, onClock, settle, startRig } from './fixtures/rig.ts';

/** The result of a run with a tool call is always read from the log. */
const LOOK: EngineOutput = { type: 'tool-call', call: 'c', name: 'look', input: {} };

test('P9, P49: an input that was committed has a receipt, although its Worker is deleted while the caller waits', async (t) => {
  const store = faultyStore(memoryStore());
  const { runtime, puppet } = await startRig(t, { store, limits: { tailBytes: 1 } });
  await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  const keyed = runtime.sendInput('w', { text: 'a' }, { waitMs: 60_000, idempotencyKey: 'k' });
  await settle();
  const plain = runtime.sendInput('w', { text: 'b', whenBusy: 'queue' }, { waitMs: 60_000 });
  await settle();
  puppet.last().yield(LOOK);
  await settle();
  const inputs = (await logOf(runtime, 'w')).filter(({ type }) => type === 'input.accepted');
  // The waiting callers read the log only after it was removed. The result of the first one is in no other place.
  const stall = store.stall('read');
  await runtime.stopWorker('w');
  await runtime.deleteWorker('w');
  stall.release('done');
  const receipts = await Promise.all([keyed, plain]);
  for (const [index, receipt] of receipts.entries())
    t.like(receipt, { seq: inputs[index]?.seq, waited: 'finished', replayed: false });
  t.is(receipts[0].run, null);
  t.deepEqual((await runtime.diagnostics()).items, [], 'a deletion is no trouble');
});

test('P9, P49: an input that was committed has a receipt, although the log cannot be read', async (t) => {
  const store = faultyStore(memoryStore());
  const { runtime, puppet } = await startRig(t, { store, limits: { tailBytes: 1 } });
  await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  store.failWhile('read', 'unavailable-lost');
  const sent = runtime.sendInput('w', { text: 'a' }, { waitMs: 60_000 });
  await settle();
  puppet.last().yield(LOOK).say('done').finish();
  const receipt = await sent;
  t.like(receipt, { seq: 3, run: null, waited: 'finished' });
  t.like((await runtime.diagnostics()).items[0], {
    code: 'STORE_UNAVAILABLE',
    details: { runId: receipt.runId },
  });
  store.heal();
  t.is((await runtime.waitForRun('w', receipt.runId)).run?.outcome, 'completed');
});

test('P9, P11: a creation that was committed has a receipt, although the log cannot be read', async (t) => {
  const store = faultyStore(memoryStore());
  // The first output of the run replaces the lines of the creation in memory.
  const eager = engine('eager', async function* () {
    yield { type: 'message', parts: [{ type: 'text', text: 'at once' }] };
  });
  const { runtime } = await startRig(t, { store, engines: [eager], limits: { tailBytes: 1 } });
  store.failWhile('read', 'unavailable-lost');
  const { input } = await runtime.createWorker({
    workerId: 'w',
    engine: 'eager',
    initialInput: { text: 'go' },
  });
  store.heal();
  const { items } = await runtime.events('w', { after: input?.cursor ?? '' });
  const accepted = items.find((event) => event.type === 'input.accepted');
  t.like(input, { seq: accepted?.seq, runId: accepted?.run, queued: false });
});

test('P3: a resume beside a stop is refused with a documented code, never with WORKER_STOPPED', async (t) => {
  const store = faultyStore(memoryStore());
  const { runtime, clock, puppet } = await startRig(t, { store });
  await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  puppet.context().lost(new TypeError('gone'));
  await settle();
  // The stop is committed after the resume has seen that the Worker is not stopped, and before it attaches.
  let reads = 0;
  const stall = store.stall(({ method }) => {
    reads += method === 'record' ? 1 : 0;
    return method === 'record' && reads === 2;
  });
  const resumed = codeOf(runtime.resumeWorker('w'));
  await stall.reached;
  await runtime.stopWorker('w');
  stall.release('done');
  t.is(await onClock(clock, resumed), 'ENGINE_UNAVAILABLE');
  t.is((await runtime.getWorker('w')).status, 'stopped');
  t.is((await runtime.resumeWorker('w')).status, 'idle');
});
