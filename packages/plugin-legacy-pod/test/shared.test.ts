/** A pod has any number of clients, all equal: what the others do with it, a Worker has to bear. */
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Observation, Runtime, RuntimeError } from '@worker-runtime/core';
import test, { type ExecutionContext } from 'ava';
import type { FakeScript } from './fake-pod/script.ts';
import {
  finishedRuns,
  idOf,
  isGone,
  observeUntil,
  PodScene,
  runsFinished,
  transcriptOf,
  until,
} from './pod-scene.ts';

const LONG = [{ text: 'working on it now' }, { hang: true }] as const;

/** A Worker, and another client of its pod. */
const shared = async (t: ExecutionContext, script: FakeScript) => {
  const scene = await PodScene.open({ script });
  t.teardown(() => scene.close());
  const { runtime } = await scene.start();
  const workerId = idOf(await scene.create(runtime));
  const [name = ''] = await scene.names();
  const other = await scene.attach(name);
  const says = (text: string) =>
    other.send({ method: 'run', params: { input: [{ kind: 'text', content: text }] } });
  return { scene, runtime, workerId, name, other, says };
};

const isText = (one: Observation): boolean =>
  one.type === 'delta' || (one.type === 'in-flight' && one.messages.length > 0);

const begun = (runtime: Runtime, workerId: string) =>
  observeUntil(runtime, workerId, (_, all) => all.some(isText));

const endsOf = async (runtime: Runtime, workerId: string) =>
  finishedRuns((await runtime.events(workerId, { limit: 1_000 })).items).map(({ data }) => data);

const noticesOf = async (runtime: Runtime, workerId: string) =>
  (await runtime.events(workerId, { limit: 1_000 })).items.flatMap((event) =>
    event.type === 'diagnostic.recorded' ? [event.data.code] : [],
  );

test('P3: a run that another client cancels ends as cancelled, and says by whom', async (t) => {
  const { runtime, workerId, other } = await shared(t, { runs: { long: LONG } });
  await runtime.sendInput(workerId, { text: 'long' });
  await begun(runtime, workerId);
  other.send({ method: 'cancel' });
  await runsFinished(runtime, workerId, 1);
  t.deepEqual(await endsOf(runtime, workerId), [
    { outcome: 'cancelled', reason: 'cancelled by another client of the pod' },
  ]);
  await runtime.sendInput(workerId, { text: 'again' }, { waitMs: 10_000 });
  t.deepEqual(await transcriptOf(runtime, workerId), [
    'user: long',
    'assistant: working on it now',
    'user: again',
    'assistant: echo: again',
  ]);
});

test('P3: a run that another client takes back before it said anything is cancelled', async (t) => {
  const { runtime, workerId, other } = await shared(t, { runs: { silent: [{ hang: true }] } });
  await runtime.sendInput(workerId, { text: 'silent' });
  await observeUntil(runtime, workerId, (events) => events.some(({ type }) => type === 'step.started'));
  other.send({ method: 'cancel' });
  await runsFinished(runtime, workerId, 1);
  t.deepEqual(await endsOf(runtime, workerId), [
    { outcome: 'cancelled', reason: 'rolled back by another client of the pod' },
  ]);
});

test('P3: a pause that another client abandons ends the run as cancelled', async (t) => {
  const { runtime, workerId, other } = await shared(t, { runs: { long: LONG } });
  await runtime.sendInput(workerId, { text: 'long' });
  await begun(runtime, workerId);
  other.send({ method: 'pause' });
  await until(async () => (await runtime.getWorker(workerId)).status === 'waiting');
  other.send({ method: 'cancel' });
  await runsFinished(runtime, workerId, 1);
  t.deepEqual(await endsOf(runtime, workerId), [
    { outcome: 'cancelled', reason: 'abandoned by another client of the pod' },
  ]);
  t.deepEqual((await runtime.listRequests(workerId)).items, []);
});

test('P9: an error that another client gets is not taken for the answer to an input', async (t) => {
  const { runtime, workerId } = await shared(t, {
    switches: { refusesOthersBeforeRun: true, compactsBeforeRunMs: 300 },
  });
  // the second one is committed some time after it was taken
  for (const text of ['one', 'two']) {
    const { run } = await runtime.sendInput(workerId, { text }, { waitMs: 10_000 });
    t.is(run?.outcome, 'completed', JSON.stringify(run?.error));
  }
  const said = ['user: one', 'assistant: echo: one', 'user: two', 'assistant: echo: two'];
  t.deepEqual(await transcriptOf(runtime, workerId), said);
});

test('P10: what another client rewinds stays said, and what is said next is said once', async (t) => {
  const { scene, runtime, workerId, name, other } = await shared(t, {});
  for (const text of ['one', 'two']) await runtime.sendInput(workerId, { text }, { waitMs: 10_000 });
  const { entries } = await scene.snapshotOf(name);
  const segment = await scene.segmentOf(name);
  const at = entries.findLastIndex(({ kind }) => kind === 'user_input');
  const rewind = (expected: number) => {
    const target = { segment_id: segment, user_input_entry_index: at };
    return other.send({ method: 'rewind_to', params: { target, expected_head_entries: expected } });
  };
  // of a log that went on meanwhile it is refused
  rewind(1);
  other.send({ method: 'list_rewind_targets' });
  rewind(entries.length);
  await until(async () => (await scene.snapshotOf(name)).entries.length === at - 1);
  await runtime.sendInput(workerId, { text: 'three' }, { waitMs: 10_000 });
  t.deepEqual(await transcriptOf(runtime, workerId), [
    'user: one',
    'assistant: echo: one',
    'user: two',
    'assistant: echo: two',
    'user: three',
    'assistant: echo: three',
  ]);
  t.true((await noticesOf(runtime, workerId)).includes('POD_REWOUND'));
});

test('P10: a conversation that goes on in a fork of its segment is not said again', async (t) => {
  const { scene, runtime, workerId, name } = await shared(t, { switches: { forksBeforeRun: true } });
  await runtime.sendInput(workerId, { text: 'one' }, { waitMs: 10_000 });
  const before = await scene.segmentOf(name);
  await runtime.sendInput(workerId, { text: 'two' }, { waitMs: 10_000 });
  t.not(await scene.segmentOf(name), before);
  const said = ['user: one', 'assistant: echo: one', 'user: two', 'assistant: echo: two'];
  t.deepEqual(await transcriptOf(runtime, workerId), said);
  // whoever adopts it later finds it once, too
  await runtime.stopWorker(workerId);
  await runtime.deleteWorker(workerId);
  const again = await scene.start();
  const [pod] = await again.legacy.list();
  const adopted = idOf(
    await again.runtime.createWorker({ engine: 'legacy-pod', config: { adopt: pod?.ref ?? '' } }),
  );
  await runsFinished(again.runtime, adopted, 2);
  t.deepEqual(await transcriptOf(again.runtime, adopted), said);
});

test('P19: a file that another client attaches is named in the input alone', async (t) => {
  const { scene, runtime, workerId, other } = await shared(t, {});
  await writeFile(join(scene.workspace, 'notes.txt'), 'CANARY of a file');
  const input = [
    { kind: 'text', content: 'read ' },
    { kind: 'file_ref', path: 'notes.txt' },
    { kind: 'file_ref', path: 'missing.txt' },
  ];
  other.send({ method: 'run', params: { input } });
  await runsFinished(runtime, workerId, 1);
  t.deepEqual(await transcriptOf(runtime, workerId), [
    'user: read @notes.txt@missing.txt',
    'assistant: echo: read @notes.txt@missing.txt',
  ]);
  await until(async () => (await noticesOf(runtime, workerId)).includes('POD_ATTACHMENT'));
  const all = JSON.stringify((await runtime.events(workerId, { limit: 1_000 })).items);
  t.false(all.includes('CANARY'));
  t.false(all.includes(scene.root));
});

test('P19: what other clients ask a pod besides shows nowhere', async (t) => {
  const { scene, runtime, workerId, name, other } = await shared(t, {});
  await writeFile(join(scene.workspace, 'src.txt'), '');
  await runtime.sendInput(workerId, { text: 'one' }, { waitMs: 10_000 });
  for (const method of [
    { method: 'list_completions', params: { kind: 'file', prefix: 'sr' } },
    { method: 'list_pods' },
    { method: 'register_peer', params: { name: 'CANARY-peer' } },
    { method: 'list_rewind_targets' },
    { method: 'notify', params: { message: 'for later', auto_run: false } },
    { method: 'nothing' },
    { method: 'pod_event', params: { kind: 'turn_ended', pod_name: 'CANARY-child' } },
  ])
    other.send(method);
  // the child's event makes the pod work by itself
  await runsFinished(runtime, workerId, 2);
  t.deepEqual(await transcriptOf(runtime, workerId), [
    'user: one',
    'assistant: echo: one',
    'system: for later',
    'assistant: Noted.',
  ]);
  const all = JSON.stringify([
    (await runtime.events(workerId, { limit: 1_000 })).items,
    (await runtime.diagnostics()).items,
  ]);
  for (const secret of ['CANARY', name, scene.root]) t.false(all.includes(secret), secret);
});

test('a pod that a person restored by its segment is adopted with its conversation', async (t) => {
  const { scene, runtime, workerId, name } = await shared(t, {});
  await runtime.sendInput(workerId, { text: 'one' }, { waitMs: 10_000 });
  const segment = await scene.segmentOf(name);
  const [pid = 0] = await scene.pids();
  await runtime.stopWorker(workerId);
  await until(() => isGone(pid));
  await t.throwsAsync(scene.startPod('other', scene.workspace, ['--session', randomUUID()]), {
    message: /segment not found/,
  });
  await scene.startPod('other', scene.workspace, ['--session', segment]);
  const { runtime: again, legacy } = await scene.start();
  const pod = (await legacy.list()).find(({ state }) => state === 'live');
  const adopted = idOf(await again.createWorker({ engine: 'legacy-pod', config: { adopt: pod?.ref ?? '' } }));
  // what was said before comes first: an input waits for that
  const send = () =>
    again.sendInput(adopted, { text: 'two' }, { waitMs: 10_000 }).then(
      () => true,
      (error: RuntimeError) => {
        t.is(error.code, 'WORKER_BUSY');
        return false;
      },
    );
  await until(send);
  t.deepEqual(await transcriptOf(again, adopted), [
    'user: one',
    'assistant: echo: one',
    'user: two',
    'assistant: echo: two',
  ]);
});
