import { once } from 'node:events';
import { chmod, chown, cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { memoryStore } from '@worker-runtime/core';
import test, { type ExecutionContext } from 'ava';
import {
  finishedRuns,
  observeUntil,
  PodScene,
  runsFinished,
  type SceneOptions,
  transcriptOf,
  until,
} from './pod-scene.ts';

const DATA = fileURLToPath(new URL('fixtures/tree/data', import.meta.url));
const CORRUPT = fileURLToPath(new URL('fixtures/corrupt', import.meta.url));

const open = async (t: ExecutionContext, options: SceneOptions = {}): Promise<PodScene> => {
  const scene = await PodScene.open(options);
  t.teardown(() => scene.close());
  return scene;
};

/** Copies the data of the samples into the scene, with the scene's workspace. */
const copySamples = async (scene: PodScene): Promise<void> => {
  await cp(DATA, scene.dataDir, { recursive: true });
  for (const name of await readdir(join(DATA, 'pods'))) {
    const path = join(scene.dataDir, 'pods', name, 'metadata.json');
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.replaceAll('"/home/dev/src/demo"', JSON.stringify(scene.workspace)));
  }
};

test('the list has each pod in one state, with a diagnostic if something is wrong', async (t) => {
  const scene = await open(t);
  await copySamples(scene);
  const pods = join(scene.dataDir, 'pods');
  await mkdir(join(pods, 'torn'));
  await writeFile(join(pods, 'torn', 'metadata.json'), '{"pod_name": "to');
  for (const kind of await readdir(CORRUPT)) {
    const name = kind.replace('.jsonl', '');
    const segment = `019efea6-0000-7000-8000-00000000000${String((await readdir(CORRUPT)).indexOf(kind))}`;
    const session = '019efea6-0000-7000-8000-000000000000';
    await mkdir(join(scene.dataDir, 'sessions', session), { recursive: true });
    await cp(join(CORRUPT, kind), join(scene.dataDir, 'sessions', session, `${segment}.jsonl`));
    await mkdir(join(pods, name));
    await writeFile(
      join(pods, name, 'metadata.json'),
      JSON.stringify({ pod_name: name, active: { session_id: session, segment_id: segment } }),
    );
  }
  await scene.startPod('alive');
  // The process of this pod runs, but its socket is missing.
  const starting = await scene.startPod('booting', join(scene.root, 'data'));
  await rm(join(scene.runtimeDir, 'booting', 'sock'));
  const { legacy } = await scene.start();
  const found = await legacy.list();
  const states = found.map(({ state, diagnostic }) => `${state} ${diagnostic?.code ?? ''}`.trim()).sort();
  t.deepEqual(states, [
    'corrupt POD_LOG_CORRUPT',
    'corrupt POD_LOG_CORRUPT',
    'corrupt POD_LOG_CORRUPT',
    'corrupt POD_LOG_CORRUPT',
    'corrupt POD_METADATA_CORRUPT',
    'live',
    'not-restorable POD_NEVER_RAN',
    'not-restorable POD_NEVER_RAN',
    'not-restorable POD_NO_SESSION',
    'starting POD_NOT_ANSWERING',
    'stopped',
    'stopped',
  ]);
  const messages = found.flatMap(({ diagnostic }) => (diagnostic ? [diagnostic.message] : []));
  t.true(messages.some((message) => /^Line 4 \(byte \d+\)/.test(message)));
  t.is(new Set(found.map(({ ref }) => ref)).size, found.length);
  t.deepEqual(
    (await legacy.list()).map(({ ref }) => ref),
    found.map(({ ref }) => ref),
  );
  const shown = JSON.stringify(found);
  for (const secret of ['demo', 'alive', 'booting', 'torn', scene.root, '019efea'])
    t.false(shown.includes(secret), secret);
  // as a number of its own: the random part of an id may contain the same digits
  t.notRegex(shown, new RegExp(`\\b${starting.pid}\\b`));
});

test('a stopped pod is adopted with its whole conversation, and continues it', async (t) => {
  const scene = await open(t);
  await copySamples(scene);
  await rm(join(scene.dataDir, 'pods', 'child'), { recursive: true });
  const { runtime, legacy, store } = await scene.start();
  const [stopped] = (await legacy.list()).filter(({ state }) => state === 'stopped');
  const adopt = { engine: 'legacy-pod', config: { adopt: stopped?.ref ?? '' } };
  await t.throwsAsync(runtime.createWorker({ ...adopt, initialInput: { text: 'x' } }), {
    code: 'INVALID_REQUEST',
  });
  const { worker } = await runtime.createWorker(adopt);
  const { workerId } = worker;
  await runsFinished(runtime, workerId, 4);
  const before = [
    'user: Hello',
    'assistant: Hello World',
    'user: read @src/main.rs',
    'thinks: **Inspecting the file**',
    'call Read',
    'result "     1\\tfn main() {}\\n"',
    'assistant: It is an empty main function.',
    'user: run the long job',
    'call Bash',
    'result "[Interrupted by user]"',
    'system: turn finished',
    'assistant: Noted.',
  ];
  t.deepEqual(await transcriptOf(runtime, workerId), before);
  await until(async () => (await runtime.getWorker(workerId)).status === 'idle');
  const { run } = await runtime.sendInput(workerId, { text: 'more' }, { waitMs: 10_000 });
  t.is(run?.outcome, 'completed', JSON.stringify(run?.error));
  const after = [...before, 'user: more', 'assistant: echo: more'];
  t.deepEqual(await transcriptOf(runtime, workerId), after);
  t.is((await legacy.list()).find(({ ref }) => ref === stopped?.ref)?.workerId, workerId);
  const twice = await t.throwsAsync(runtime.createWorker(adopt), { code: 'CLAIM_CONFLICT' });
  t.false(JSON.stringify(twice).includes('demo'));
  // The pod keeps running when the runtime ends, and recorded items are not copied again.
  const [pid] = await scene.pids();
  await runtime.stop();
  const again = await scene.start(store);
  await until(async () => (await again.runtime.getWorker(workerId)).execution.connected);
  t.deepEqual(await scene.pids(), [pid]);
  await again.runtime.sendInput(workerId, { text: 'last' }, { waitMs: 10_000 });
  t.deepEqual(await transcriptOf(again.runtime, workerId), [...after, 'user: last', 'assistant: echo: last']);
  t.is((await again.runtime.stopWorker(workerId)).outcome, 'graceful');
  await again.runtime.resumeWorker(workerId);
  await again.runtime.sendInput(workerId, { text: 'resumed' }, { waitMs: 10_000 });
  t.deepEqual((await transcriptOf(again.runtime, workerId)).slice(after.length + 2), [
    'user: resumed',
    'assistant: echo: resumed',
  ]);
});

test('a running pod is adopted while it writes a message', async (t) => {
  const scene = await open(t, { script: { seed: 3 } });
  await scene.setScript({
    runs: {
      long: [
        { thinking: 'hm' },
        { text: 'first half,' },
        { gate: scene.gate('a') },
        { text: ' second half' },
      ],
    },
  });
  await scene.startPod('runner');
  const client = await scene.attach('runner');
  client.send({ method: 'run', params: { input: [{ kind: 'text', content: 'hello' }] } });
  const { runtime, legacy } = await scene.start();
  await until(async () =>
    (await legacy.list()).some(({ preview, status }) => preview === 'hello' && status === 'idle'),
  );
  client.send({ method: 'run', params: { input: [{ kind: 'text', content: 'long' }] } });
  await until(async () => (await legacy.list()).some(({ status }) => status === 'running'));
  const [pod] = await legacy.list();
  const { worker } = await runtime.createWorker({ engine: 'legacy-pod', config: { adopt: pod?.ref ?? '' } });
  const { workerId } = worker;
  await observeUntil(runtime, workerId, (_, all) =>
    all.some(
      (one) => (one.type === 'delta' || one.type === 'in-flight') && JSON.stringify(one).includes('half,'),
    ),
  );
  await scene.openGate('a');
  const { events } = await runsFinished(runtime, workerId, 2);
  t.deepEqual(
    finishedRuns(events).map(({ data }) => data.outcome),
    ['completed', 'completed'],
  );
  t.deepEqual(await transcriptOf(runtime, workerId), [
    'user: hello',
    'assistant: echo: hello',
    'user: long',
    'thinks: hm',
    'assistant: first half,',
    'assistant:  second half',
  ]);
});

test('an invalid adoption or config is refused, and no Worker is created', async (t) => {
  const scene = await open(t);
  await copySamples(scene);
  const { runtime, legacy } = await scene.start();
  const found = await legacy.list();
  for (const { ref, state } of found) {
    if (state === 'stopped') continue;
    await t.throwsAsync(runtime.createWorker({ engine: 'legacy-pod', config: { adopt: ref } }), {
      code: 'CONFIG_UNSUPPORTED',
    });
  }
  for (const config of [
    { adopt: 'pod_00000000000000000000000000000000' },
    { adopt: 'demo' },
    { adopt: '../../etc' },
    { adopt: '-x' },
    {},
    { workspace: 'relative' },
    { workspace: join(scene.root, 'nowhere') },
    { workspace: scene.workspace, role: 'boss' },
    { workspace: scene.workspace, profile: '--flag' },
    { workspace: scene.workspace, unknown: 1 },
    { pod: { name: 'demo', workspace: '/', cwd: '/' } },
  ])
    await t.throwsAsync(runtime.createWorker({ engine: 'legacy-pod', config }), {
      code: 'CONFIG_UNSUPPORTED',
    });
  await t.throwsAsync(
    runtime.createWorker({ engine: 'legacy-pod', profile: 'x', config: { workspace: scene.workspace } }),
    { code: 'PROFILE_INVALID' },
  );
  t.deepEqual((await runtime.listWorkers()).items, []);
});

test('a claim that overlaps the scope of a running pod is refused at creation', async (t) => {
  const scene = await open(t);
  await scene.startPod('writer');
  const { runtime, legacy } = await scene.start();
  const inside = join(scene.workspace, 'sub');
  await mkdir(inside);
  const error = await t.throwsAsync(
    runtime.createWorker({ engine: 'legacy-pod', config: { workspace: inside } }),
    { code: 'CLAIM_CONFLICT' },
  );
  const [pod] = await legacy.list();
  t.deepEqual(Object(error).details, { claim: 'workspace', pods: [pod?.ref] });
  // A pod that only reads claims no files.
  const reader = await runtime.createWorker({
    engine: 'legacy-pod',
    config: { workspace: inside, role: 'reviewer' },
  });
  t.deepEqual(reader.worker.claims, [{ name: 'pod', mode: 'write' }]);
  const adopted = await runtime.createWorker({ engine: 'legacy-pod', config: { adopt: pod?.ref ?? '' } });
  t.deepEqual(adopted.worker.claims.map(({ name }) => name).sort(), ['pod', 'workspace']);
  await t.throwsAsync(runtime.createWorker({ engine: 'legacy-pod', config: { workspace: inside } }), {
    code: 'CLAIM_CONFLICT',
  });
  await runtime.stopWorker(adopted.worker.workerId);
  t.is((await scene.create(runtime)).worker.status, 'idle');
});

test('a claim that overlaps the scope of a running pod is refused at resume, also for another engine', async (t) => {
  const scene = await open(t);
  const store = memoryStore();
  const { runtime } = await scene.start(store);
  const resource = `fs:${scene.workspace}`;
  const { worker } = await runtime.createWorker({
    engine: 'idle',
    claims: [{ name: 'docs', resource, mode: 'write' }],
  });
  await runtime.stopWorker(worker.workerId);
  const pod = await scene.startPod('writer');
  await t.throwsAsync(runtime.resumeWorker(worker.workerId), { code: 'CLAIM_CONFLICT' });
  t.is((await runtime.getWorker(worker.workerId)).status, 'stopped');
  pod.kill('SIGINT');
  await once(pod, 'close');
  t.is((await runtime.resumeWorker(worker.workerId)).status, 'idle');
});

test('P19: a runtime directory that another user can write is refused, and links in it are not followed', async (t) => {
  const scene = await open(t);
  await chmod(scene.runtimeDir, 0o777);
  const error = await t.throwsAsync(scene.start(), { code: 'CONFIG_UNSUPPORTED' });
  t.false(error?.message.includes(scene.root));
  await chmod(scene.runtimeDir, 0o700);
  const { runtime, legacy } = await scene.start();
  await chmod(scene.runtimeDir, 0o720);
  await t.throwsAsync(legacy.list(), { code: 'CONFIG_UNSUPPORTED' });
  await t.throwsAsync(scene.create(runtime), { code: 'CONFIG_UNSUPPORTED' });
  await chmod(scene.runtimeDir, 0o700);
  // Only the superuser can change the owner of a directory.
  if (process.getuid?.() === 0) {
    await chown(scene.runtimeDir, 65_534, 65_534);
    await t.throwsAsync(legacy.list(), { code: 'CONFIG_UNSUPPORTED' });
    await t.throwsAsync(scene.create(runtime), { code: 'CONFIG_UNSUPPORTED' });
    await chown(scene.runtimeDir, 0, 0);
  }
  await scene.startPod('real');
  await mkdir(join(scene.runtimeDir, 'linked'));
  await symlink(join(scene.runtimeDir, 'real', 'sock'), join(scene.runtimeDir, 'linked', 'sock'));
  const states = (await legacy.list()).map(({ state, diagnostic }) => diagnostic?.code ?? state);
  t.deepEqual(states.sort(), ['POD_SOCKET_UNSAFE', 'live']);
});

test('an unknown or invalid option is refused with its name', async (t) => {
  const { plugin } = await import('../src/index.ts');
  const good = { command: 'yoi', dataDir: '/d', runtimeDir: '/r' };
  t.is(plugin(good).name, 'legacy-pod');
  t.is(plugin({ ...good, readyMs: '500' }).name, 'legacy-pod');
  for (const [bad, option] of [
    [{ ...good, colour: 1 }, 'colour'],
    [{ ...good, dataDir: 'relative' }, 'dataDir'],
    [{ command: 'yoi', dataDir: '/d' }, 'runtimeDir'],
    [{ ...good, command: [] }, 'command'],
    [{ ...good, readyMs: 0 }, 'readyMs'],
  ] as const)
    t.regex(t.throws(() => plugin(bad))?.message ?? '', new RegExp(`legacy-pod\\.${option}`));
});
