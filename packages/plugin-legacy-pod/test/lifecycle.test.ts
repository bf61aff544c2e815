import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Observation, Runtime } from '@worker-runtime/core';
import test, { type ExecutionContext } from 'ava';
import {
  finishedRuns,
  idOf,
  isGone,
  observeUntil,
  PodScene,
  runsFinished,
  type SceneOptions,
  transcriptOf,
  until,
} from './pod-scene.ts';

const open = async (t: ExecutionContext, options: SceneOptions = {}): Promise<PodScene> => {
  const scene = await PodScene.open(options);
  t.teardown(() => scene.close());
  return scene;
};

const isText = (one: Observation): boolean =>
  one.type === 'delta' || (one.type === 'in-flight' && one.messages.length > 0);

const untilText = (runtime: Runtime, workerId: string) =>
  observeUntil(runtime, workerId, (_, all) => all.some(isText));

const LONG = [{ text: 'working on it now' }, { hang: true }] as const;

test('P1, P2: a pod that ignores everything is detached at the deadline, and killed afterwards', async (t) => {
  const scene = await open(t, {
    script: { runs: { long: LONG }, switches: { ignoresEverything: true } },
    options: { shutdownMs: 900, interruptMs: 200 },
    stopDeadlineMs: 400,
  });
  const { runtime } = await scene.start();
  const workerId = idOf(await scene.create(runtime));
  await runtime.sendInput(workerId, { text: 'long' });
  await untilText(runtime, workerId);
  const [pid = 0] = await scene.pids();
  t.deepEqual(await runtime.stopWorker(workerId), { changed: true, status: 'stopped', outcome: 'detached' });
  t.deepEqual(await runtime.stopWorker(workerId), { changed: false, status: 'stopped', outcome: 'detached' });
  t.true((await runtime.diagnostics()).items.some(({ code }) => code === 'EXECUTION_DETACHED'));
  await until(() => isGone(pid));
  t.is((await runtime.events(workerId, { after: 'start' })).items.at(-1)?.type, 'worker.stopped');
});

test('P3: a pod that ignores a cancel is ended, and its Worker continues the same conversation', async (t) => {
  const scene = await open(t, {
    script: { runs: { long: LONG, recall: [{ recall: true }] }, switches: { ignoresEverything: true } },
    options: { shutdownMs: 100, interruptMs: 100 },
    stopDeadlineMs: 300,
  });
  const { runtime } = await scene.start();
  const workerId = idOf(await scene.create(runtime));
  await runtime.sendInput(workerId, { text: 'first' }, { waitMs: 10_000 });
  await runtime.sendInput(workerId, { text: 'long' });
  await untilText(runtime, workerId);
  t.deepEqual(await runtime.cancelRun(workerId), { changed: true, status: 'idle' });
  const { run } = await runtime.sendInput(workerId, { text: 'recall' }, { waitMs: 10_000 });
  t.is(run?.outcome, 'completed');
  t.is((await transcriptOf(runtime, workerId)).at(-1), 'assistant: first');
});

test('a pod that does not end in time gets SIGINT, and its registry row is removed', async (t) => {
  const scene = await open(t, {
    script: { switches: { slowShutdownMs: 60_000, losesShutdownEvent: true } },
    options: { shutdownMs: 150 },
  });
  const { runtime } = await scene.start();
  const workerId = idOf(await scene.create(runtime));
  t.is((await runtime.stopWorker(workerId)).outcome, 'graceful');
  t.deepEqual(await scene.pids(), []);
  const { allocations } = JSON.parse(await readFile(join(scene.runtimeDir, 'pods.json'), 'utf8')) as {
    readonly allocations: readonly unknown[];
  };
  t.deepEqual(allocations, []);
});

test('P12: the run of a killed pod ends with EXECUTION_LOST, and the next input restores the pod', async (t) => {
  const scene = await open(t, { script: { runs: { long: LONG, recall: [{ recall: true }] } } });
  const { runtime } = await scene.start();
  const workerId = idOf(await scene.create(runtime));
  await runtime.sendInput(workerId, { text: 'first' }, { waitMs: 10_000 });
  await runtime.sendInput(workerId, { text: 'long' });
  await untilText(runtime, workerId);
  const [pid = 0] = await scene.pids();
  process.kill(-pid, 'SIGKILL');
  const { events } = await runsFinished(runtime, workerId, 2);
  t.is(finishedRuns(events).at(-1)?.data.error?.code, 'EXECUTION_LOST');
  await until(async () => !(await runtime.getWorker(workerId)).execution.connected);
  t.is((await runtime.getWorker(workerId)).execution.lastError?.code, 'EXECUTION_LOST');
  await runtime.sendInput(workerId, { text: 'recall' }, { waitMs: 10_000 });
  t.deepEqual((await transcriptOf(runtime, workerId)).slice(-2), ['user: recall', 'assistant: first']);
});

test('requests of other clients become runs of the Worker, in order', async (t) => {
  const scene = await open(t, { script: { alerts: ['AGENTS.md could not be read'] } });
  const { runtime } = await scene.start();
  const workerId = idOf(await scene.create(runtime));
  await runtime.sendInput(workerId, { text: 'mine' }, { waitMs: 10_000 });
  const [name = ''] = await scene.names();
  const client = await scene.attach(name);
  client.send({ method: 'run', params: { input: [{ kind: 'text', content: 'theirs' }] } });
  await runsFinished(runtime, workerId, 2);
  client.send({ method: 'notify', params: { message: 'noted' } });
  const { events } = await runsFinished(runtime, workerId, 3);
  t.deepEqual(await transcriptOf(runtime, workerId), [
    'user: mine',
    'assistant: echo: mine',
    'user: theirs',
    'assistant: echo: theirs',
    'system: noted',
    'assistant: Noted.',
  ]);
  t.deepEqual(
    events.flatMap((event) => (event.type === 'run.started' ? [event.data.origin] : [])),
    ['input', 'engine', 'engine'],
  );
  // The pod repeats an alert on every connection.
  t.is(
    events.filter((event) => event.type === 'diagnostic.recorded' && event.data.code === 'POD_ALERT').length,
    1,
  );
});

test('an input to a pod that is running for another client is refused as busy', async (t) => {
  const scene = await open(t);
  await scene.setScript({ runs: { theirs: [{ text: 'a' }, { gate: scene.gate('a') }, { text: 'b' }] } });
  const { runtime } = await scene.start();
  const workerId = idOf(await scene.create(runtime));
  const [name = ''] = await scene.names();
  const client = await scene.attach(name);
  client.send({ method: 'run', params: { input: [{ kind: 'text', content: 'theirs' }] } });
  await untilText(runtime, workerId);
  await t.throwsAsync(runtime.sendInput(workerId, { text: 'mine' }), { code: 'WORKER_BUSY' });
  await scene.openGate('a');
  await runsFinished(runtime, workerId, 1);
  t.deepEqual(await transcriptOf(runtime, workerId), ['user: theirs', 'assistant: a', 'assistant: b']);
});

test('a paused pod opens a request, and resumes or abandons the run as answered', async (t) => {
  const scene = await open(t, { script: { runs: { long: LONG, '(resumed)': [{ text: 'resumed' }] } } });
  const { runtime } = await scene.start();
  const workerId = idOf(await scene.create(runtime));
  const [name = ''] = await scene.names();
  for (const decision of ['resume', 'abandon']) {
    await runtime.sendInput(workerId, { text: 'long' });
    const client = await scene.attach(name);
    await until(async () => (await runtime.getWorker(workerId)).status === 'running');
    await observeUntil(
      runtime,
      workerId,
      (events, all) => events.at(-1)?.type !== 'run.finished' && all.some(isText),
    );
    client.send({ method: 'pause' });
    await until(async () => (await runtime.getWorker(workerId)).status === 'waiting');
    const [request] = (await runtime.listRequests(workerId)).items;
    t.deepEqual(
      request?.options.map(({ id }) => id),
      ['resume', 'abandon'],
    );
    await runtime.respond(workerId, request?.requestId ?? '', { decision });
    await until(async () => (await runtime.getWorker(workerId)).status === 'idle');
  }
  const { items } = await runtime.events(workerId, { after: 'start', limit: 1_000 });
  t.deepEqual(
    finishedRuns(items).map(({ data }) => data.outcome),
    ['completed', 'cancelled'],
  );
  t.deepEqual(await transcriptOf(runtime, workerId), [
    'user: long',
    'assistant: working on it now',
    'assistant: resumed',
    'user: long',
    'assistant: working on it now',
  ]);
});

test('P3: a run that another client resumes continues, and its request is answered', async (t) => {
  const scene = await open(t, { script: { runs: { long: LONG, '(resumed)': [{ text: 'resumed' }] } } });
  const { runtime } = await scene.start();
  const workerId = idOf(await scene.create(runtime));
  const [name = ''] = await scene.names();
  const client = await scene.attach(name);
  await runtime.sendInput(workerId, { text: 'long' });
  await untilText(runtime, workerId);
  client.send({ method: 'pause' });
  await until(async () => (await runtime.getWorker(workerId)).status === 'waiting');
  client.send({ method: 'resume' });
  const { events } = await runsFinished(runtime, workerId, 1);
  t.is((await runtime.getWorker(workerId)).run, null);
  t.deepEqual(await transcriptOf(runtime, workerId), [
    'user: long',
    'assistant: working on it now',
    'assistant: resumed',
  ]);
  const resolved = events.find(({ type }) => type === 'request.resolved');
  t.like(resolved?.data, { decision: 'resume', note: 'Decided by another client of the pod' });
  t.deepEqual((await runtime.listRequests(workerId)).items, []);
});

test('the error of a failed run has a code and no text of the provider', async (t) => {
  const scene = await open(t, {
    script: {
      runs: {
        provider: [{ text: 'x' }, { error: 'API error (status: 504): https://secret.example/path' }],
        full: [{ error: 'context_length_exceeded: too large' }],
        limit: [{ text: 'enough' }, { limit: true }],
        retry: [{ retry: true }, { tool: 'Gone' }, { continuation: true }, { text: 'again' }],
      },
    },
  });
  const { runtime } = await scene.start();
  const workerId = idOf(await scene.create(runtime));
  const send = async (text: string) => (await runtime.sendInput(workerId, { text }, { waitMs: 10_000 })).run;
  t.deepEqual((await send('provider'))?.error, {
    code: 'ENGINE_FAILED',
    message: 'The model provider reported an error (status 504)',
  });
  t.is((await send('full'))?.error?.code, 'CONTEXT_LIMIT');
  t.is((await send('limit'))?.outcome, 'completed');
  t.is((await send('retry'))?.outcome, 'completed');
  t.deepEqual((await transcriptOf(runtime, workerId)).slice(-2), ['user: retry', 'assistant: again']);
});

test('a link that the pod cut off for falling behind reconnects, and no item is lost', async (t) => {
  const scene = await open(t);
  await scene.setScript({
    runs: {
      flood: [
        { flood: 2_000 },
        { gate: scene.gate('flood') },
        { tool: 'Read', output: 'it' },
        { text: 'done' },
      ],
    },
  });
  const { runtime } = await scene.start();
  const workerId = idOf(await scene.create(runtime));
  await runtime.sendInput(workerId, { text: 'flood' });
  await scene.openGate('flood');
  const { events } = await runsFinished(runtime, workerId, 1);
  t.is(finishedRuns(events)[0]?.data.outcome, 'completed');
  t.deepEqual(await transcriptOf(runtime, workerId), [
    'user: flood',
    'call Read',
    'result "it"',
    'assistant: done',
  ]);
  t.is((await runtime.getWorker(workerId)).execution.generation, 1);
});

test('an input that a pod loses is sent again once, and a compaction does not time out', async (t) => {
  const scene = await open(t, {
    script: {
      // The compaction takes longer than acceptMs, which allows for a busy machine.
      switches: { losesLinesOver: 5_000, compactsBeforeRunMs: 3_300 },
      runs: { work: [{ text: 'one' }, { tool: 'Read', output: 'it' }, { compact: true }, { text: 'two' }] },
    },
    options: { acceptMs: 3_000 },
  });
  const { runtime } = await scene.start();
  const workerId = idOf(await scene.create(runtime));
  const large = 'x'.repeat(6_000);
  t.is((await runtime.sendInput(workerId, { text: large }, { waitMs: 30_000 })).run?.outcome, 'completed');
  t.is((await runtime.sendInput(workerId, { text: 'work' }, { waitMs: 30_000 })).run?.outcome, 'completed');
  t.deepEqual((await transcriptOf(runtime, workerId)).slice(1), [
    `assistant: echo: ${large}`,
    'user: work',
    'assistant: one',
    'call Read',
    'result "it"',
    'assistant: two',
  ]);
});

for (const [behaviour, switches, code] of [
  ['is never ready', { neverReady: true }, 'ENGINE_UNAVAILABLE'],
  ['reports ready without a socket', { readyWithoutSocket: true }, 'ENGINE_UNAVAILABLE'],
  ['crashes when it is ready', { crashAfterReady: true }, 'ENGINE_UNAVAILABLE'],
  ['cannot start', { exitBeforeReady: 'error: invalid ticket role `boss`' }, 'CONFIG_UNSUPPORTED'],
  [
    'conflicts with another pod',
    {
      exitBeforeReady: 'error: failed to create pod x: requested scope `/a` conflicts with pod `y` rule `/a`',
    },
    'CLAIM_CONFLICT',
  ],
] as const) {
  test(`P11: a pod that ${behaviour} leaves no Worker and no process`, async (t) => {
    const scene = await open(t, {
      script: { switches },
      options: { readyMs: 'neverReady' in switches || 'readyWithoutSocket' in switches ? 3_000 : 10_000 },
    });
    const { runtime } = await scene.start();
    await t.throwsAsync(scene.create(runtime), { code });
    t.deepEqual((await runtime.listWorkers()).items, []);
    for (const pid of await scene.pids()) await until(() => isGone(pid));
    await scene.setScript({});
    t.is((await scene.create(runtime)).worker.status, 'idle');
  });
}

test('a missing program is reported as a typed error', async (t) => {
  const scene = await open(t, { options: { command: '/nowhere/yoi' } });
  const { runtime } = await scene.start();
  const error = await t.throwsAsync(scene.create(runtime), { code: 'ENGINE_UNAVAILABLE' });
  t.false(error?.message.includes('nowhere'));
});

test('pods that a pod starts become child Workers', async (t) => {
  const scene = await open(t);
  await scene.setScript({
    runs: {
      spawn: [
        { tool: 'SpawnPod', output: 'ok' },
        { spawn: 'kid', workspace: scene.workspace },
        { text: 'started' },
      ],
    },
  });
  const { runtime } = await scene.start();
  const workerId = idOf(await scene.create(runtime));
  await runtime.sendInput(workerId, { text: 'spawn' }, { waitMs: 10_000 });
  await until(async () => (await scene.pids()).length === 2);
  await until(async () => {
    // The plugin looks for child pods after each run.
    await runtime.sendInput(workerId, { text: 'more' }, { waitMs: 10_000 });
    return (await runtime.listWorkers({ parent: workerId })).items.length === 1;
  });
  const [child] = (await runtime.listWorkers({ parent: workerId })).items;
  const { run } = await runtime.sendInput(child?.workerId ?? '', { text: 'hi' }, { waitMs: 10_000 });
  t.is(run?.outcome, 'completed');
  await runtime.stopWorker(child?.workerId ?? '');
});
