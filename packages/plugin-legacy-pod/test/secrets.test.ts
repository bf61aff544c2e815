import { mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Observation } from '@worker-runtime/core';
import test from 'ava';
import { idOf, PodScene, runsFinished, transcriptOf, until } from './pod-scene.ts';

const NAME = 'canary-pod';

const streamedIn = (frames: readonly Observation[]): string =>
  frames.map((one) => (one.type === 'delta' ? one.text : '')).join('');

test('P19: nothing private of a pod is in any answer, event, error or frame', async (t) => {
  const scene = await PodScene.open();
  t.teardown(() => scene.close());
  const socket = join(scene.runtimeDir, NAME, 'sock');
  const leak = [
    `pod ${NAME} listens on ${socket} (pid {{pid}})`,
    `session {{session}} in ${scene.dataDir}/sessions/{{session}}/{{segment}}.jsonl`,
    `the workspace is ${scene.workspace}/src and the runtime ${scene.runtimeDir}`,
  ].join(', ');
  await scene.setScript({
    seed: 11,
    alerts: [`alert: ${leak}`.replaceAll('{{', '').replaceAll('}}', '')],
    runs: {
      leak: [
        { thinking: `thinking of ${leak}` },
        {
          tool: 'SpawnPod',
          input: { path: socket, pid: 4_141_592_653, [scene.dataDir]: NAME },
          summary: leak,
          output: leak,
        },
        { alert: `alert: ${leak}` },
        { tool: 'Bash', input: leak, output: leak, isError: true },
        { text: `I say: ${leak}` },
      ],
      fail: [{ text: leak }, { error: `API error (status: 500): ${leak}` }],
      partial: [{ partial: `${leak} and more words behind it` }, { hang: true }],
    },
  });
  await scene.startPod(NAME);
  const [pid = 0] = await scene.pids();
  const first = await scene.attach(NAME);
  first.send({ method: 'run', params: { input: [{ kind: 'text', content: `before: ${socket}` }] } });
  await until(async () => JSON.stringify((await scene.snapshotOf(NAME)).entries).includes('run_completed'));
  const { runtime, legacy } = await scene.start();
  const seen: unknown[] = [];
  seen.push(await legacy.list());
  const [pod] = await legacy.list();
  const { worker } = await runtime.createWorker({ engine: 'legacy-pod', config: { adopt: pod?.ref ?? '' } });
  const { workerId } = worker;
  const frames: Observation[] = [];
  const observed = (async () => {
    for await (const one of runtime.observe(workerId, { after: 'start' })) frames.push(one);
  })();
  const watched = (async () => {
    for await (const one of runtime.watch()) seen.push(one);
  })();
  await runsFinished(runtime, workerId, 1);
  await until(async () => (await runtime.getWorker(workerId)).status === 'idle');
  for (const text of ['leak', 'fail'])
    seen.push(await runtime.sendInput(workerId, { text }, { waitMs: 10_000 }));
  first.send({ method: 'notify', params: { message: `notified: ${socket}` } });
  await runsFinished(runtime, workerId, 4);
  await until(async () => (await runtime.getWorker(workerId)).status === 'idle');
  seen.push(await runtime.sendInput(workerId, { text: 'partial' }));
  await until(() => streamedIn(frames).includes('more words'));
  seen.push(await runtime.cancelRun(workerId));
  seen.push(await legacy.list());
  const errors = [
    runtime.createWorker({ engine: 'legacy-pod', config: { adopt: pod?.ref ?? '' } }),
    runtime.createWorker({ engine: 'legacy-pod', config: { workspace: scene.workspace } }),
    runtime.createWorker({ engine: 'legacy-pod', config: { workspace: join(scene.root, 'none') } }),
    runtime.createWorker({
      engine: 'legacy-pod',
      config: { workspace: scene.root, role: 'reviewer', profile: socket, x: 1 },
    }),
  ];
  for (const attempt of errors) {
    const { code, message, details } = (await t.throwsAsync(attempt)) as Error & Record<string, unknown>;
    seen.push({ code, message, details });
  }
  const events = await runtime.events(workerId, { after: 'start', limit: 1_000 });
  const segment = String(
    (
      JSON.parse(await readFile(join(scene.dataDir, 'pods', NAME, 'metadata.json'), 'utf8')) as {
        readonly active: { readonly segment_id: string };
      }
    ).active.segment_id,
  );
  const session = String(
    (
      JSON.parse(await readFile(join(scene.dataDir, 'pods', NAME, 'metadata.json'), 'utf8')) as {
        readonly active: { readonly session_id: string };
      }
    ).active.session_id,
  );
  process.kill(-pid, 'SIGKILL');
  await until(async () => !(await runtime.getWorker(workerId)).execution.connected);
  seen.push(
    events,
    await runtime.transcript(workerId, { limit: 1_000 }),
    await runtime.overview(workerId),
    await runtime.getWorker(workerId),
    await runtime.listWorkers(),
    await runtime.summary(),
    await runtime.diagnostics(),
    await runtime.stopWorker(workerId),
  );
  seen.push(frames);
  await runtime.stop();
  await Promise.allSettled([observed, watched]);
  const shown = JSON.stringify(seen);
  t.true(shown.includes('I say: '));
  t.true(shown.includes('[workspace]/src'));
  for (const [name, secret] of Object.entries({
    name: NAME,
    root: scene.root,
    socket: '/sock',
    session,
    segment,
    'process id': `pid ${pid}`,
    'the number of a key `pid`': '4141592653',
    'the signature of a model': 'SIG-SECRET',
  }))
    t.false(
      shown.includes(secret),
      `${name}: ${shown.slice(Math.max(0, shown.indexOf(secret) - 200), shown.indexOf(secret) + 100)}`,
    );
  // Joined deltas must not reveal a secret either.
  const streamed = streamedIn(frames);
  for (const secret of [NAME, scene.root, session]) t.false(streamed.includes(secret));
});

test('P19: a pod is started only in the directories that the operator allows, after links are resolved', async (t) => {
  const scene = await PodScene.open();
  t.teardown(() => scene.close());
  const { runtime } = await scene.start();
  const at = (name: string): string => join(scene.root, name);
  await symlink('/etc', at('way-out'));
  const refusal = (key: string) => ({
    code: 'CONFIG_UNSUPPORTED',
    message: `${key} is outside the directories that the operator allows (legacy-pod.roots)`,
  });
  for (const workspace of ['/', '/etc', '/proc/self', '/dev', at('way-out'), `${scene.root}/../../etc`])
    await t.throwsAsync(
      runtime.createWorker({ engine: 'legacy-pod', config: { workspace } }),
      refusal('config.workspace'),
      workspace,
    );
  await t.throwsAsync(
    scene.create(runtime, { config: { workspace: scene.workspace, cwd: '/etc' } }),
    refusal('config.cwd'),
  );
  await t.throwsAsync(
    scene.create(runtime, { claims: [{ name: 'more', resource: 'fs:/etc', mode: 'read' }] }),
    refusal('The claim "more"'),
  );
  for (const profile of ['/tmp/mine.lua', './mine', '..', 'a\\b'])
    await t.throwsAsync(scene.create(runtime, { config: { workspace: scene.workspace, profile } }), {
      code: 'CONFIG_UNSUPPORTED',
      message: 'config.profile must be the name of a profile, not a path',
    });
  t.deepEqual(await scene.pids(), []);
  const workerId = idOf(await scene.create(runtime));
  await runtime.stopWorker(workerId);
  await mkdir(at('moved'));
  await rename(scene.workspace, join(at('moved'), 'ws'));
  await symlink('/etc', scene.workspace);
  await t.throwsAsync(runtime.resumeWorker(workerId), refusal('The directory of the pod'));
});

test('P19: without roots no pod is started, and with roots no pod outside them is adopted', async (t) => {
  const closed = await PodScene.open({ options: { roots: undefined as never } });
  t.teardown(() => closed.close());
  const first = await closed.start();
  await t.throwsAsync(closed.create(first.runtime), { code: 'CONFIG_UNSUPPORTED' });
  const scene = await PodScene.open({ options: { roots: ['/srv'] } });
  t.teardown(() => scene.close());
  await scene.startPod(NAME);
  const { runtime, legacy } = await scene.start();
  const [pod] = await legacy.list();
  await t.throwsAsync(runtime.createWorker({ engine: 'legacy-pod', config: { adopt: pod?.ref ?? '' } }), {
    code: 'CONFIG_UNSUPPORTED',
    message: 'The pod is outside the directories that the operator allows (legacy-pod.roots)',
  });
});

test('P19: a pod inherits no variable that is not named, and named ones are redacted', async (t) => {
  process.env.POD_TEST_CANARY = 'canary-of-the-runtime';
  process.env.POD_TEST_KEY = 'key-of-the-pod-4711';
  const scene = await PodScene.open();
  t.teardown(() => scene.close());
  const keyFile = join(scene.root, 'key');
  await writeFile(keyFile, 'key "of" the\\file-4712\n', { mode: 0o600 });
  await scene.setScript({
    runs: {
      leak: [{ tool: 'Bash', input: { a: 'key-of-the-pod-4711' }, output: 'xkey "of" the\\file-4712x' }],
    },
  });
  const { runtime } = await scene.start();
  const named = await PodScene.open({
    options: {
      command: scene.command,
      dataDir: scene.dataDir,
      runtimeDir: scene.runtimeDir,
      roots: [scene.root],
      env: ['POD_TEST_KEY'],
      envFiles: { POD_TEST_FILE_KEY: keyFile },
    },
  });
  t.teardown(() => named.close());
  const environmentOf = async (pid: number): Promise<string> => readFile(`/proc/${pid}/environ`, 'utf8');
  await scene.create(runtime);
  const [plain = 0] = await scene.pids();
  t.false((await environmentOf(plain)).includes('POD_TEST'));
  t.regex(await environmentOf(plain), /(^|\0)PATH=/);
  await mkdir(join(scene.root, 'other'));
  const other = await named.start();
  const workerId = idOf(
    await other.runtime.createWorker({
      engine: 'legacy-pod',
      config: { workspace: join(scene.root, 'other') },
    }),
  );
  const second = (await scene.pids()).find((pid) => pid !== plain) ?? 0;
  const environment = await environmentOf(second);
  t.true(environment.includes('POD_TEST_KEY=key-of-the-pod-4711'));
  t.true(environment.includes('POD_TEST_FILE_KEY=key "of" the'));
  t.false(environment.includes('canary-of-the-runtime'));
  await other.runtime.sendInput(workerId, { text: 'leak' }, { waitMs: 10_000 });
  t.true((await transcriptOf(other.runtime, workerId)).includes('result "x[secret]x"'));
  t.notRegex(JSON.stringify(await other.runtime.events(workerId, { after: 'start' })), /471[12]/);
});
