/** Tests a Worker whose pod is used by other clients at the same time. All clients of a pod have equal rights. */
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

/** Starts a Worker and connects another client to its pod. */
const shared = async (t: ExecutionContext, script: FakeScript) => {
  const scene = await PodScene.open({ script });
  t.teardown(() => scene.close());
  const { runtime } = await scene.start();
  const workerId = idOf(await scene.create(runtime));
  const [name = ''] = await scene.names();
  const other = await scene.attach(name);
  return { scene, runtime, workerId, name, other };
};

const isText = (one: Observation): boolean =>
  one.type === 'delta' || (one.type === 'in-flight' && one.messages.length > 0);

const untilText = (runtime: Runtime, workerId: string) =>
  observeUntil(runtime, workerId, (_, all) => all.some(isText));

const endsOf = async (runtime: Runtime, workerId: string) =>
  finishedRuns((await runtime.events(workerId, { limit: 1_000 })).items).map(({ data }) => data);

const noticesOf = async (runtime: Runtime, workerId: string) =>
  (await runtime.events(workerId, { limit: 1_000 })).items.flatMap((event) =>
    event.type === 'diagnostic.recorded' ? [event.data.code] : [],
  );

test('P3: a run that another client cancels ends as cancelled, with a reason that says so', async (t) => {
  const { runtime, workerId, other } = await shared(t, { runs: { long: LONG } });
  await runtime.sendInput(workerId, { text: 'long' });
  await untilText(runtime, workerId);
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

test('P3: a run that another client cancels before any output ends as cancelled', async (t) => {
  const { runtime, workerId, other } = await shared(t, { runs: { silent: [{ hang: true }] } });
  await runtime.sendInput(workerId, { text: 'silent' });
  await observeUntil(runtime, workerId, (events) => events.some(({ type }) => type === 'step.started'));
  other.send({ method: 'cancel' });
  await runsFinished(runtime, workerId, 1);
  t.deepEqual(await endsOf(runtime, workerId), [
    { outcome: 'cancelled', reason: 'rolled back by another client of the pod' },
  ]);
});

test('P3: a paused run that another client abandons ends as cancelled', async (t) => {
  const { runtime, workerId, other } = await shared(t, { runs: { long: LONG } });
  await runtime.sendInput(workerId, { text: 'long' });
  await untilText(runtime, workerId);
  other.send({ method: 'pause' });
  await until(async () => (await runtime.getWorker(workerId)).status === 'waiting');
  other.send({ method: 'cancel' });
  await runsFinished(runtime, workerId, 1);
  t.deepEqual(await endsOf(runtime, workerId), [
    { outcome: 'cancelled', reason: 'abandoned by another client of the pod' },
  ]);
  t.deepEqual((await runtime.listRequests(workerId)).items, []);
});

test('P9: an error for another client is not taken as the answer to an input', async (t) => {
  const { runtime, workerId } = await shared(t, {
    switches: { refusesOthersBeforeRun: true, compactsBeforeRunMs: 300 },
  });
  // The compaction delays the commit of the second input.
  for (const text of ['one', 'two']) {
    const { run } = await runtime.sendInput(workerId, { text }, { waitMs: 10_000 });
    t.is(run?.outcome, 'completed', JSON.stringify(run?.error));
  }
  const expected = ['user: one', 'assistant: echo: one', 'user: two', 'assistant: echo: two'];
  t.deepEqual(await transcriptOf(runtime, workerId), expected);
});

test('P10: items that another client rewinds stay in the log, and later items are recorded once', async (t) => {
  const { scene, runtime, workerId, name, other } = await shared(t, {});
  for (const text of ['one', 'two']) await runtime.sendInput(workerId, { text }, { waitMs: 10_000 });
  const { entries } = await scene.snapshotOf(name);
  const segment = await scene.segmentOf(name);
  const at = entries.findLastIndex(({ kind }) => kind === 'user_input');
  const rewind = (expected: number) => {
    const target = { segment_id: segment, user_input_entry_index: at };
    return other.send({ method: 'rewind_to', params: { target, expected_head_entries: expected } });
  };
  // This rewind is refused, because the log has more entries than expected.
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

test('P10: a conversation that continues in a fork of its segment is not recorded again', async (t) => {
  const { scene, runtime, workerId, name } = await shared(t, { switches: { forksBeforeRun: true } });
  await runtime.sendInput(workerId, { text: 'one' }, { waitMs: 10_000 });
  const before = await scene.segmentOf(name);
  await runtime.sendInput(workerId, { text: 'two' }, { waitMs: 10_000 });
  t.not(await scene.segmentOf(name), before);
  const expected = ['user: one', 'assistant: echo: one', 'user: two', 'assistant: echo: two'];
  t.deepEqual(await transcriptOf(runtime, workerId), expected);
  // A later adoption also finds the conversation once.
  await runtime.stopWorker(workerId);
  await runtime.deleteWorker(workerId);
  const again = await scene.start();
  const [pod] = await again.legacy.list();
  const adopted = idOf(
    await again.runtime.createWorker({ engine: 'legacy-pod', config: { adopt: pod?.ref ?? '' } }),
  );
  await runsFinished(again.runtime, adopted, 2);
  t.deepEqual(await transcriptOf(again.runtime, adopted), expected);
});

test('P19: only the input names a file that another client attaches', async (t) => {
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

test('P19: other methods that other clients call are not visible', async (t) => {
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
  // The event of the child pod makes the pod begin a run.
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

test('a pod that was restored manually by its segment is adopted with its conversation', async (t) => {
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
  // An input is refused until the earlier conversation is copied.
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
