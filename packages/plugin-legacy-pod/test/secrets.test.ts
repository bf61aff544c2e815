import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Observation } from '@worker-runtime/core';
import test from 'ava';
import { PodScene, runsFinished, until } from './pod-scene.ts';

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
          input: { path: socket, pid: 4_141, [scene.dataDir]: NAME },
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
    'the number of a key `pid`': '4141',
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
