import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { finishedRuns, isGone, PodScene, runsFinished, transcriptOf, until } from '../pod-scene.ts';
import { recordedStore } from '../recorded-store.ts';

/** Returns a scene whose runtime was killed during a run, after the tool call. */
const killRuntime = async (t: ExecutionContext) => {
  const scene = await PodScene.open();
  t.teardown(() => scene.close());
  await scene.setScript({
    runs: {
      long: [{ text: 'let me see' }, { tool: 'Read', output: 'it', gate: scene.gate('a') }, { text: 'done' }],
      recall: [{ recall: true }],
    },
  });
  const path = join(scene.root, 'store.jsonl');
  const { command, dataDir, runtimeDir, workspace } = scene;
  const given = {
    store: path,
    options: { command, dataDir, runtimeDir, roots: [scene.root] },
    workspace,
    inputs: ['first', 'long'],
  };
  const program = fileURLToPath(new URL('../runtime-process.ts', import.meta.url));
  const child = spawn(
    process.execPath,
    ['--import=tsx', '--conditions=@worker-runtime/source', program, JSON.stringify(given)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
  return { scene, path };
};

const BEFORE = ['user: first', 'assistant: echo: first', 'user: long', 'assistant: let me see', 'call Read'];

test('P12: a pod outlives a killed runtime, is attached again, and no item is recorded twice', async (t) => {
  const { scene, path } = await killRuntime(t);
  const [pid = 0] = await scene.pids();
  t.false(isGone(pid));
  const { runtime } = await scene.start(await recordedStore(path));
  await until(async () => (await runtime.getWorker('w')).execution.connected);
  t.deepEqual(await scene.pids(), [pid]);
  await until(async () => (await runtime.getWorker('w')).status === 'running');
  await scene.openGate('a');
  const { events } = await runsFinished(runtime, 'w', 3);
  t.deepEqual(
    finishedRuns(events).map(({ data }) => data.outcome),
    ['completed', 'interrupted', 'completed'],
  );
  t.deepEqual(await transcriptOf(runtime, 'w'), [...BEFORE, 'result "it"', 'assistant: done']);
  await runtime.sendInput('w', { text: 'recall' }, { waitMs: 10_000 });
  t.deepEqual((await transcriptOf(runtime, 'w')).slice(-2), ['user: recall', 'assistant: first']);
});

test('P12: runs of a pod while no runtime was attached are recorded once afterwards', async (t) => {
  const { scene, path } = await killRuntime(t);
  const [name = ''] = await scene.names();
  await scene.openGate('a');
  const client = await scene.attach(name);
  await until(async () => {
    // The pod refuses it while the first run is active, so it is sent repeatedly.
    client.send({ method: 'run', params: { input: [{ kind: 'text', content: 'theirs' }] } });
    const log = JSON.stringify((await scene.snapshotOf(name)).entries);
    return log.includes('echo: theirs');
  });
  await until(async () => (await scene.snapshotOf(name)).status === 'idle');
  const count = JSON.stringify((await scene.snapshotOf(name)).entries).split('echo: theirs').length - 1;
  const { runtime } = await scene.start(await recordedStore(path));
  await runsFinished(runtime, 'w', 3 + count);
  t.deepEqual(await transcriptOf(runtime, 'w'), [
    ...BEFORE,
    'result "it"',
    'assistant: done',
    ...Array.from({ length: count }, () => ['user: theirs', 'assistant: echo: theirs']).flat(),
  ]);
});

test('P12: if runtime and pod were killed, the run is interrupted and the pod is restored', async (t) => {
  const { scene, path } = await killRuntime(t);
  const [pid = 0] = await scene.pids();
  process.kill(-pid, 'SIGKILL');
  await until(() => isGone(pid));
  const { runtime } = await scene.start(await recordedStore(path));
  await until(async () => (await runtime.getWorker('w')).execution.connected);
  t.notDeepEqual(await scene.pids(), [pid]);
  const { items } = await runtime.events('w', { after: 'start', limit: 1_000 });
  t.deepEqual(
    finishedRuns(items).map(({ data }) => data.outcome),
    ['completed', 'interrupted'],
  );
  t.is((await runtime.getWorker('w')).status, 'idle');
  await runtime.sendInput('w', { text: 'recall' }, { waitMs: 10_000 });
  t.deepEqual(await transcriptOf(runtime, 'w'), [...BEFORE, 'user: recall', 'assistant: first']);
});
