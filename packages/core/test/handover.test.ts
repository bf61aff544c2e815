import test from 'ava';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { codeOf, onClock, settle, startRig } from './fixtures/rig.ts';

test('P47: while a runtime is handed over, active runs end, and inputs are queued for the next process', async (t) => {
  const store = memoryStore();
  const { runtime, puppet, clock } = await startRig(t, { store });
  for (const workerId of ['busy', 'idle']) await runtime.createWorker({ workerId, engine: 'puppet' });
  await runtime.sendInput('busy', { text: 'first' });
  await settle();
  const steps: string[] = [];
  const handing = runtime.handOver({
    waitMs: 60_000,
    leaving: () => void steps.push(`leaving: ${runtime.status}`),
  });
  await settle();

  t.true((await runtime.sendInput('busy', { text: 'second', whenBusy: 'queue' })).queued);
  const held = await runtime.sendInput('idle', { text: 'held' }, { idempotencyKey: 'k' });
  t.true(held.queued);
  const retried = await runtime.sendInput('idle', { text: 'held' }, { idempotencyKey: 'k' });
  t.is(retried.runId, held.runId);
  t.true((await runtime.sendInput('idle', { text: 'again', whenBusy: 'queue' })).queued);
  const created = await runtime.createWorker({
    workerId: 'new',
    engine: 'puppet',
    initialInput: { text: 'held too' },
  });
  t.true(created.input?.queued);
  await settle();
  t.is(puppet.runs.length, 1, 'no further run starts');
  t.deepEqual(steps, []);
  const waiting = runtime.sendInput('idle', { text: 'waits', whenBusy: 'queue' }, { waitMs: 60_000 });
  const observed = (async () => {
    const items = [];
    for await (const item of runtime.observe('idle', { after: 'start' })) items.push(item);
    return items;
  })();
  await settle();

  puppet.last().say('done').finish();
  await onClock(clock, handing, 100);
  t.deepEqual(steps, ['leaving: running']);
  t.is(runtime.status, 'stopped');
  t.is(await codeOf(runtime.sendInput('idle', { text: 'late' })), 'RUNTIME_MOVED');
  t.deepEqual((await observed).at(-1), { type: 'ended', code: 'RUNTIME_MOVED' });
  t.is((await waiting).waited, 'stopping');

  const next = await startRig(t, { store });
  await settle();
  const transcript = async (workerId: string) =>
    (await next.runtime.events(workerId)).items.flatMap((event) =>
      event.type === 'run.finished' ? [event.data.outcome] : event.type === 'run.started' ? ['started'] : [],
    );
  t.deepEqual(await transcript('busy'), ['started', 'completed', 'started']);
  t.deepEqual(await transcript('idle'), ['started']);
  t.deepEqual(await transcript('new'), ['started']);
  t.is((await next.runtime.sendInput('idle', { text: 'held' }, { idempotencyKey: 'k' })).runId, held.runId);
});

test('P47: a handover waits for its time limit at most, and not for people', async (t) => {
  const { runtime, puppet, clock } = await startRig(t);
  await runtime.createWorker({ workerId: 'asking', engine: 'puppet', initialInput: { text: 'go' } });
  await settle();
  void puppet
    .last()
    .run.ask({ kind: 'permission', prompt: 'May I?', options: ['yes'] })
    .catch(() => {});
  await settle();
  t.is((await runtime.getWorker('asking')).status, 'waiting');
  const steps: string[] = [];
  const handing = runtime.handOver({ waitMs: 60_000, leaving: () => void steps.push('leaving') });
  await settle();
  t.deepEqual(steps, ['leaving']);
  await onClock(clock, handing, 100);

  const other = await startRig(t);
  await other.runtime.createWorker({ workerId: 'long', engine: 'puppet', initialInput: { text: 'go' } });
  await settle();
  const timed = other.runtime.handOver({ waitMs: 500 });
  await onClock(other.clock, timed, 100);
  t.is(other.runtime.status, 'stopped');
});

test('P44: a fenced runtime refuses every call at once, and ends its streams', async (t) => {
  const { runtime, puppet } = await startRig(t);
  await runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } });
  await settle();
  const observed = (async () => {
    const items = [];
    for await (const item of runtime.observe('w', { after: 'start' })) items.push(item);
    return items;
  })();
  await settle();
  const { signal } = puppet.last().run;
  runtime.fence();
  t.true(signal.aborted);
  t.is(runtime.failure?.code, 'RUNTIME_MOVED');
  t.is((await runtime.lost).code, 'RUNTIME_MOVED');
  t.is(await codeOf(runtime.sendInput('w', { text: 'late', whenBusy: 'queue' })), 'RUNTIME_MOVED');
  t.is(await codeOf(runtime.getWorker('w')), 'RUNTIME_MOVED');
  t.deepEqual((await observed).at(-1), { type: 'ended', code: 'RUNTIME_MOVED' });
});
