import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import test from 'ava';
import { AgentScene } from './agent-scene.ts';

/** Whether a process still does anything: one that nobody has asked about after its end does not. */
const isOn = (pid: number): boolean => {
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};

/** A signal takes effect a moment after it was sent. */
const isGone = async (pid: number): Promise<true> => {
  while (isOn(pid)) await new Promise((resolve) => setImmediate(resolve));
  return true;
};

const pidsOf = (record: readonly string[], word = 'start'): readonly number[] =>
  record.flatMap((line) => (line.startsWith(`${word} `) ? [Number(line.split(' ')[1])] : []));

test('P3: an agent that does not listen is ended when its run is cancelled, and started again with its session', async (t) => {
  const scene = await AgentScene.open(t, { cancelMs: 200 });
  const workerId = await scene.create();
  await scene.run(workerId, 'first');
  const runId = await scene.begun(workerId, 'deaf');
  t.deepEqual(await scene.runtime.cancelRun(workerId, { runId }), { changed: true, status: 'idle' });
  t.is((await scene.ended(workerId, runId)).outcome, 'cancelled');
  const notice = (await scene.log(workerId)).find(({ type }) => type === 'diagnostic.recorded');
  t.like(notice?.data, { code: 'AGENT_ENDED', severity: 'warning' });
  t.is((await scene.transcript(workerId)).at(-1), 'assistant (partial): I do not listen.');
  t.is((await scene.run(workerId, 'recall')).outcome, 'completed');
  t.is((await scene.transcript(workerId)).at(-1), 'assistant: The first was: first');
  t.is((await scene.runtime.getWorker(workerId)).execution.generation, 2);
  const [first = 0, second = 0] = pidsOf(scene.record());
  t.true(await isGone(first));
  t.true(isOn(second));
});

test('P1: agents that ignore everything are stopped within the deadline, with all that they started', async (t) => {
  const scene = await AgentScene.open(t, { cancelMs: 200, exitMs: 200 });
  const ids = await Promise.all([scene.create(), scene.create()]);
  for (const id of ids) await scene.run(id, 'child');
  await Promise.all(ids.map((id) => scene.begun(id, 'deaf')));
  const outcomes = await Promise.all(ids.map((id) => scene.runtime.stopWorker(id)));
  t.deepEqual(
    outcomes.map(({ status, outcome }) => [status, outcome]),
    [
      ['stopped', 'graceful'],
      ['stopped', 'graceful'],
    ],
  );
  const pids = [...pidsOf(scene.record()), ...pidsOf(scene.record(), 'child')];
  t.is(pids.length, 4);
  for (const pid of pids) t.true(await isGone(pid));
});

test('an agent that listens leaves by itself when its input is closed', async (t) => {
  const scene = await AgentScene.open(t, { exitMs: 20_000 });
  const workerId = await scene.create();
  await scene.run(workerId, 'hello');
  await scene.runtime.stopWorker(workerId);
  t.is(scene.record().at(-1), 'left');
});

test('P12: an agent that dies in a run fails it with what was said, and the next input starts it anew', async (t) => {
  const scene = await AgentScene.open(t);
  const workerId = await scene.create();
  await scene.run(workerId, 'first');
  const end = await scene.run(workerId, 'crash');
  t.is(end.outcome, 'failed');
  t.is(end.error?.code, 'EXECUTION_LOST');
  t.is((await scene.run(workerId, 'recall')).outcome, 'completed');
  const lines = await scene.transcript(workerId);
  t.is(lines.at(-1), 'assistant: The first was: first');
  t.is(lines.filter((line) => line.startsWith('call explode')).length, 1, 'nothing is done twice');
  t.is(scene.record().filter((line) => line === 'crash').length, 1);
  t.is((await scene.runtime.getWorker(workerId)).execution.generation, 2);
});

test('P22: an agent that ends and leaves what cannot be removed ends nobody else', async (t) => {
  const scene = await AgentScene.open(t);
  const workerId = await scene.create();
  await scene.run(workerId, 'bury');
  const place =
    scene
      .record()
      .find((line) => line.startsWith('new '))
      ?.slice('new '.length) ?? '';
  t.regex(place, /\/worker-\w{16}$/);
  t.teardown(() => execFileSync('rm', ['-r', place]));
  for (const pid of pidsOf(scene.record())) process.kill(pid, 'SIGKILL');
  const isSaid = (): boolean => scene.logged.some((line) => line.includes('could not be removed'));
  while (!isSaid()) await new Promise((resolve) => setImmediate(resolve));
  t.is((await scene.run(workerId, 'hello')).outcome, 'completed');
});

test('P12: the runtime ends while a tool of the agent works: it is interrupted, and not done again', async (t) => {
  const scene = await AgentScene.open(t);
  const workerId = await scene.create();
  const { runId } = await scene.runtime.sendInput(workerId, { text: 'tool hang' });
  for await (const item of scene.runtime.observe(workerId, { after: 'start' }))
    if (item.type === 'event' && item.event.type === 'tool.called' && item.event.data.name === 'hang') break;
  await scene.start();
  t.is((await scene.ended(workerId, runId)).outcome, 'interrupted');
  t.is((await scene.run(workerId, 'hello')).outcome, 'completed');
  t.deepEqual(
    scene.record().filter((line) => /^(did|load)/.test(line)),
    ['did hang', 'load'],
  );
});

test('P12: the runtime ends while permission is open: nobody can give it any more, and nothing was done', async (t) => {
  const scene = await AgentScene.open(t);
  const workerId = await scene.create();
  const { requestId, runId } = await scene.asked(workerId, 'ask rm');
  await scene.start();
  t.is((await scene.ended(workerId, runId)).outcome, 'interrupted');
  await t.throwsAsync(scene.runtime.respond(workerId, requestId, { decision: 'Allow' }), {
    code: 'REQUEST_RESOLVED',
  });
  t.is((await scene.run(workerId, 'hello')).outcome, 'completed');
  t.false(scene.record().includes('did rm'));
});

test('an agent without its session is told what was said, and the log says that it had to be', async (t) => {
  const scene = await AgentScene.open(t, { traits: ['no-load'] });
  const workerId = await scene.create();
  await scene.run(workerId, 'first');
  await scene.start();
  t.is((await scene.run(workerId, 'prompt')).outcome, 'completed');
  const last = (await scene.transcript(workerId)).at(-1) ?? '';
  t.regex(last, /This conversation went on before you joined it.*user: first.*assistant: You said: first/s);
  t.regex(last, /What is said next:\n---\nprompt$/);
  const notice = (await scene.log(workerId)).find(({ type }) => type === 'diagnostic.recorded');
  t.like(notice?.data, { code: 'SESSION_LOST', severity: 'warning' });
});

for (const [trait, message] of [
  ['no-start', 'The agent could not be started'],
  ['signed-out', 'The agent wants its user to sign in, on the machine that it runs on'],
  ['mute', 'The agent could not be started'],
] as const)
  test(`an agent that does not come up (${trait}): nothing is created, and nothing stays`, async (t) => {
    const scene = await AgentScene.open(t, { traits: [trait], ...(trait === 'mute' && { startMs: 3_000 }) });
    const error = await t.throwsAsync(scene.create(), { code: 'ENGINE_UNAVAILABLE' });
    t.is(error?.message, message);
    t.deepEqual((await scene.runtime.listWorkers()).items, []);
    for (const pid of pidsOf(scene.record())) t.true(await isGone(pid));
  });

test('P7: an agent that looks for its session where it began finds it, though its Worker claims nothing', async (t) => {
  const scene = await AgentScene.open(t, { traits: ['by-place'] });
  const workerId = await scene.create();
  await scene.run(workerId, 'first');
  for (const end of ['killed', 'restarted', 'stopped'] as const) {
    if (end === 'killed') for (const pid of pidsOf(scene.record()).slice(-1)) process.kill(pid, 'SIGKILL');
    if (end === 'restarted') await scene.start();
    if (end === 'stopped') {
      await scene.runtime.stopWorker(workerId);
      await scene.runtime.resumeWorker(workerId);
    }
    // one that was just killed may still be asked
    while ((await scene.run(workerId, 'recall')).outcome === 'failed');
    t.is((await scene.transcript(workerId)).at(-1), 'assistant: The first was: first', end);
  }
  const lost = (await scene.log(workerId)).filter(({ type }) => type === 'diagnostic.recorded');
  t.deepEqual(lost, []);
});

test('a program that is not there is refused in the same way', async (t) => {
  const scene = await AgentScene.open(t, { agent: { command: '/there/is/no/such/canary' } });
  const error = await t.throwsAsync(scene.create(), { code: 'ENGINE_UNAVAILABLE' });
  t.false(JSON.stringify([error?.message, await scene.runtime.diagnostics()]).includes('canary'));
});

test('P22: an agent that floods is not gathered, can be cancelled, and holds up nobody', async (t) => {
  const scene = await AgentScene.open(t);
  const [loud, other] = [await scene.create(), await scene.create()];
  const runId = await scene.begun(loud, 'flood');
  t.is((await scene.run(other, 'hello')).outcome, 'completed');
  // a flood ends at what a message may be, if nobody is faster
  await scene.runtime.cancelRun(loud, { runId });
  const { outcome, error } = await scene.ended(loud, runId);
  t.true(outcome === 'cancelled' || error?.code === 'OUTPUT_TOO_LARGE', outcome);
  t.is((await scene.run(other, 'hello')).outcome, 'completed');
  t.is((await scene.run(loud, 'hello')).outcome, 'completed');
});

test('P22: a message without an end is not gathered: the agent is ended', async (t) => {
  const scene = await AgentScene.open(t, { messageBytes: 1_048_576 });
  const workerId = await scene.create();
  const end = await scene.run(workerId, `huge ${100 * 1_048_576}`);
  t.deepEqual([end.outcome, end.error?.code], ['failed', 'EXECUTION_LOST']);
  t.is((await scene.run(workerId, 'hello')).outcome, 'completed');
});

test('P19: the secrets that an agent was given and the directories that it works in are shown by a word', async (t) => {
  process.env.ACP_TEST_KEY = 'key-canary-0815';
  const scene = await AgentScene.open(t, { agent: { env: ['ACP_TEST_KEY'] }, traits: ['no-load'] });
  const claimed = await scene.create({
    claims: [{ name: 'project', resource: `fs:${scene.folder}`, mode: 'write' }],
  });
  for (const [workerId, place] of [
    [claimed, '[project]'],
    [await scene.create(), '[directory]'],
  ] as const) {
    const { requestId: request, prompt, options } = await scene.asked(workerId, 'reveal ACP_TEST_KEY');
    const shown = `[secret] in ${place}/notes.txt`;
    t.deepEqual([prompt, options], [`Write ${shown}`, [`Allow ${shown}`]]);
    await scene.runtime.respond(workerId, request, { decision: options[0] ?? '' });
    await scene.ended(workerId, (await scene.log(workerId)).find(({ run }) => run)?.run ?? '');
    const said = await scene.transcript(workerId);
    t.true(said.includes(`assistant: ${shown} | reasoning`), said.join('\n'));
    t.true(said.includes(`call read ${shown} {"path":"${shown}"}`));
    t.true(said.includes('assistant: Bye.'));
    const known = JSON.stringify([await scene.log(workerId), await scene.runtime.getWorker(workerId)]);
    for (const secret of ['canary', scene.folder, 'worker-']) t.false(known.includes(secret), secret);
  }
  // one that could not go on with its session learns what the words mean
  await scene.start();
  await scene.run(claimed, 'prompt');
  t.regex(scene.record().join('\n'), /new /);
  t.regex((await scene.transcript(claimed)).at(-1) ?? '', /\[project\] is \[project\]/);
});

test('P19: where the output of a tool is cut, nothing is left of a secret', async (t) => {
  process.env.ACP_TEST_CUT = 'cut-canary-4711';
  const agent = { env: ['ACP_TEST_CUT'], permission: 'allow' } as const;
  const scene = await AgentScene.open(t, { agent, toolOutputBytes: 15 });
  const workerId = await scene.create();
  t.is((await scene.run(workerId, 'reveal ACP_TEST_CUT')).outcome, 'completed');
  const said = await scene.transcript(workerId);
  t.true(said.some((line) => line.includes('[cut: 15 of ')));
  t.false(said.join().includes('cut-c'), said.join('\n'));
});

test('P19: what an agent says for its operator alone, and where it is, is in no public answer', async (t) => {
  process.env.ACP_TEST_CANARY = 'environment-canary';
  process.env.ACP_TEST_NAMED = 'named';
  const scene = await AgentScene.open(t, { agent: { env: ['ACP_TEST_NAMED'] } });
  const workerId = await scene.create();
  for (const text of ['hello', 'fail', 'crash', 'environment']) await scene.run(workerId, text);
  const names = ((await scene.transcript(workerId)).at(-1) ?? '').split(' ');
  t.true(names.includes('ACP_TEST_NAMED') && names.includes('PATH'));
  t.false(names.includes('ACP_TEST_CANARY'), 'an agent gets what it is named, and little else');
  await scene.runtime.stopWorker(workerId);
  const said = JSON.stringify([
    await scene.log(workerId),
    await scene.runtime.getWorker(workerId),
    await scene.runtime.diagnostics(),
    await scene.runtime.summary(),
  ]);
  for (const secret of ['canary', scene.folder, process.execPath, 'fake-agent.mjs'])
    t.false(said.includes(secret), secret);
  t.true(scene.logged.join('\n').includes('stderr-canary-4711'), 'the operator finds it');
});
