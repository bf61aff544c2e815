import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { AgentScene, fakeAgent, makeFolder } from '../agent-scene.ts';
import { namedStore } from '../named-store.ts';

/** True if a process still runs. A zombie does not. */
const isRunning = (pid: number): boolean => {
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};

/** Waits until a process has ended: a signal takes effect a moment after it was sent. */
const hasEnded = async (pid: number): Promise<true> => {
  while (isRunning(pid)) await new Promise((resolve) => setImmediate(resolve));
  return true;
};

const pidsOf = (record: readonly string[], word = 'start'): readonly number[] =>
  record.flatMap((line) => (line.startsWith(`${word} `) ? [Number(line.split(' ')[1])] : []));

test('P3: an agent that ignores a cancel is ended, and the next input starts it again with its session', async (t) => {
  const scene = await AgentScene.open(t, { cancelMs: 200 });
  const workerId = await scene.create();
  await scene.run(workerId, 'first');
  const runId = await scene.begin(workerId, 'deaf');
  t.deepEqual(await scene.runtime.cancelRun(workerId, { runId }), { changed: true, status: 'idle' });
  t.is((await scene.ended(workerId, runId)).outcome, 'cancelled');
  const notice = (await scene.log(workerId)).find(({ type }) => type === 'diagnostic.recorded');
  t.like(notice?.data, { code: 'AGENT_ENDED', severity: 'warning' });
  t.is((await scene.transcript(workerId)).at(-1), 'assistant (partial): I do not listen.');
  t.is((await scene.run(workerId, 'recall')).outcome, 'completed');
  t.is((await scene.transcript(workerId)).at(-1), 'assistant: The first was: first');
  t.is((await scene.runtime.getWorker(workerId)).execution.generation, 2);
  const [first = 0, second = 0] = pidsOf(scene.record());
  t.true(await hasEnded(first));
  t.true(isRunning(second));
});

test('P1: agents that ignore every signal are stopped within the deadline, with the processes that they started', async (t) => {
  const scene = await AgentScene.open(t, { cancelMs: 200, exitMs: 200 });
  const ids = await Promise.all([scene.create(), scene.create()]);
  for (const id of ids) await scene.run(id, 'child');
  await Promise.all(ids.map((id) => scene.begin(id, 'deaf')));
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
  for (const pid of pids) t.true(await hasEnded(pid));
});

test.serial(
  'P20: the pipes to an agent are closed although a process that it left behind holds them open',
  async (t) => {
    const scene = await AgentScene.open(t);
    const pipes = (): number => process.getActiveResourcesInfo().filter((name) => name === 'PipeWrap').length;
    const before = pipes();
    const workerId = await scene.create();
    t.is((await scene.run(workerId, 'daemon')).outcome, 'completed');
    const [child = 0] = pidsOf(scene.record(), 'child');
    t.teardown(() => process.kill(child, 'SIGKILL'));
    t.true(pipes() > before);
    await scene.runtime.stopWorker(workerId);
    t.true(isRunning(child));
    // the system closes them in the next turns of the event loop
    for (let turn = 0; turn < 100 && pipes() > before; turn += 1)
      await new Promise((resolve) => setImmediate(resolve));
    t.is(pipes(), before);
  },
);

test('a cooperative agent exits by itself when its input is closed', async (t) => {
  const scene = await AgentScene.open(t, { exitMs: 20_000 });
  const workerId = await scene.create();
  await scene.run(workerId, 'hello');
  await scene.runtime.stopWorker(workerId);
  t.is(scene.record().at(-1), 'left');
});

test('P12: a run fails if its agent dies, its output is kept, and the next input starts the agent again', async (t) => {
  const scene = await AgentScene.open(t);
  const workerId = await scene.create();
  await scene.run(workerId, 'first');
  const end = await scene.run(workerId, 'crash');
  t.is(end.outcome, 'failed');
  t.is(end.error?.code, 'EXECUTION_LOST');
  t.is((await scene.run(workerId, 'recall')).outcome, 'completed');
  const lines = await scene.transcript(workerId);
  t.is(lines.at(-1), 'assistant: The first was: first');
  t.is(lines.filter((line) => line.startsWith('call explode')).length, 1, 'no tool is called twice');
  t.is(scene.record().filter((line) => line === 'crash').length, 1);
  t.is((await scene.runtime.getWorker(workerId)).execution.generation, 2);
});

test('P22: files of an agent that cannot be removed do not affect other Workers', async (t) => {
  const scene = await AgentScene.open(t);
  const workerId = await scene.create();
  await scene.run(workerId, 'bury');
  const directory =
    scene
      .record()
      .find((line) => line.startsWith('new '))
      ?.slice('new '.length) ?? '';
  t.regex(directory, /\/worker-\w{16}$/);
  t.teardown(() => execFileSync('rm', ['-r', directory]));
  for (const pid of pidsOf(scene.record())) process.kill(pid, 'SIGKILL');
  await scene.logs('could not be removed');
  t.is((await scene.run(workerId, 'hello')).outcome, 'completed');
});

test('P12: if the runtime ends during a tool call of the agent, the run is interrupted and the call is not repeated', async (t) => {
  const scene = await AgentScene.open(t);
  const workerId = await scene.create();
  const { runId } = await scene.runtime.sendInput(workerId, { text: 'tool hang' });
  for await (const item of scene.runtime.observe(workerId, { after: 'start' }))
    if (item.type === 'event' && item.event.type === 'tool.called' && item.event.data.title === 'hang') break;
  await scene.start();
  t.is((await scene.ended(workerId, runId)).outcome, 'interrupted');
  t.is((await scene.run(workerId, 'hello')).outcome, 'completed');
  t.deepEqual(
    scene.record().filter((line) => /^(did|load)/.test(line)),
    ['did hang', 'load'],
  );
});

test('P12: if the runtime ends while a permission is open, it can no longer be granted, and the tool is not called', async (t) => {
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

test('an agent that lost its session gets the earlier conversation as text, and the log records it', async (t) => {
  const scene = await AgentScene.open(t, { traits: ['no-load'] });
  const workerId = await scene.create();
  await scene.run(workerId, 'first');
  await scene.start();
  t.is((await scene.run(workerId, 'prompt')).outcome, 'completed');
  const last = (await scene.transcript(workerId)).at(-1) ?? '';
  t.regex(last, /This conversation began before you joined it.*user: first.*assistant: You said: first/s);
  t.regex(last, /The next message:\n---\nprompt$/);
  const notice = (await scene.log(workerId)).find(({ type }) => type === 'diagnostic.recorded');
  t.like(notice?.data, { code: 'SESSION_LOST', severity: 'warning' });
});

for (const [trait, message] of [
  ['no-start', 'The agent could not be started'],
  ['signed-out', 'The agent requires its user to sign in, on the machine that the runtime runs on'],
  ['mute', 'The agent could not be started'],
] as const)
  test(`an agent that does not start (${trait}) refuses the creation and leaves no process behind`, async (t) => {
    const scene = await AgentScene.open(t, { traits: [trait], ...(trait === 'mute' && { startMs: 3_000 }) });
    const error = await t.throwsAsync(scene.create(), { code: 'ENGINE_UNAVAILABLE' });
    t.is(error?.message, message);
    t.deepEqual((await scene.runtime.listWorkers()).items, []);
    for (const pid of pidsOf(scene.record())) t.true(await hasEnded(pid));
  });

test('P7: an agent that looks for its session in its first directory finds it, although its Worker claims none', async (t) => {
  const scene = await AgentScene.open(t, { traits: ['by-directory'] });
  const workerId = await scene.create();
  await scene.run(workerId, 'first');
  for (const end of ['killed', 'restarted', 'stopped'] as const) {
    if (end === 'killed') for (const pid of pidsOf(scene.record()).slice(-1)) process.kill(pid, 'SIGKILL');
    if (end === 'restarted') await scene.start();
    if (end === 'stopped') {
      await scene.runtime.stopWorker(workerId);
      await scene.runtime.resumeWorker(workerId);
    }
    // The input may still reach the agent that was just killed.
    while ((await scene.run(workerId, 'recall')).outcome === 'failed');
    t.is((await scene.transcript(workerId)).at(-1), 'assistant: The first was: first', end);
  }
  const lost = (await scene.log(workerId)).filter(({ type }) => type === 'diagnostic.recorded');
  t.deepEqual(lost, []);
});

test('a program that does not exist refuses the creation in the same way', async (t) => {
  const scene = await AgentScene.open(t, { agent: { command: '/there/is/no/such/canary' } });
  const error = await t.throwsAsync(scene.create(), { code: 'ENGINE_UNAVAILABLE' });
  t.false(JSON.stringify([error?.message, await scene.runtime.diagnostics()]).includes('canary'));
});

test('P22: an agent that floods is not buffered without limit, can be cancelled, and does not delay other Workers', async (t) => {
  const scene = await AgentScene.open(t);
  const [loud, other] = [await scene.create(), await scene.create()];
  const runId = await scene.begin(loud, 'flood');
  t.is((await scene.run(other, 'hello')).outcome, 'completed');
  // The flood ends at the size limit of a message, unless the cancel comes first.
  await scene.runtime.cancelRun(loud, { runId });
  const { outcome, error } = await scene.ended(loud, runId);
  t.true(outcome === 'cancelled' || error?.code === 'OUTPUT_TOO_LARGE', outcome);
  t.is((await scene.run(other, 'hello')).outcome, 'completed');
  t.is((await scene.run(loud, 'hello')).outcome, 'completed');
});

test('P22: an agent that sends an endless message is ended, and the message is not buffered', async (t) => {
  const scene = await AgentScene.open(t, { messageBytes: 1_048_576 });
  const workerId = await scene.create();
  const end = await scene.run(workerId, `huge ${100 * 1_048_576}`);
  t.deepEqual([end.outcome, end.error?.code], ['failed', 'EXECUTION_LOST']);
  t.is((await scene.run(workerId, 'hello')).outcome, 'completed');
});

test('P19: secrets of an agent and the paths of its directories are replaced by labels', async (t) => {
  process.env.ACP_TEST_KEY = 'key-canary-0815';
  const scene = await AgentScene.open(t, { agent: { env: ['ACP_TEST_KEY'] }, traits: ['no-load'] });
  const claimed = await scene.create({
    claims: [{ name: 'project', resource: `fs:${scene.folder}`, mode: 'write' }],
  });
  for (const [workerId, label] of [
    [claimed, '[project]'],
    [await scene.create(), '[directory]'],
  ] as const) {
    const { requestId: request, prompt, options } = await scene.asked(workerId, 'reveal ACP_TEST_KEY');
    const shown = `[secret] in ${label}/notes.txt`;
    t.is(prompt, `Write ${shown}`);
    t.deepEqual(
      options.map(({ label }) => label),
      [`Allow ${shown}`],
    );
    await scene.runtime.respond(workerId, request, { decision: options[0]?.id ?? '' });
    await scene.ended(workerId, (await scene.log(workerId)).find(({ run }) => run)?.run ?? '');
    const lines = await scene.transcript(workerId);
    t.true(lines.includes(`assistant: ${shown} | reasoning`), lines.join('\n'));
    t.true(lines.includes(`call read ${shown} {"path":"${shown}"}`));
    t.true(lines.includes('assistant: Bye.'));
    const shownToClients = JSON.stringify([
      await scene.log(workerId),
      await scene.runtime.getWorker(workerId),
    ]);
    for (const secret of ['canary', scene.folder, 'worker-'])
      t.false(shownToClients.includes(secret), secret);
  }
  // An agent that lost its session gets the meaning of the labels.
  await scene.start();
  await scene.run(claimed, 'prompt');
  t.regex(scene.record().join('\n'), /new /);
  t.regex((await scene.transcript(claimed)).at(-1) ?? '', /\[project\] is \[project\]/);
});

test('P19: a secret at the point where the output of a tool is cut is still redacted', async (t) => {
  process.env.ACP_TEST_CUT = 'cut-canary-4711';
  const agent = { env: ['ACP_TEST_CUT'], permission: 'allow' } as const;
  const scene = await AgentScene.open(t, { agent, toolOutputBytes: 15 });
  const workerId = await scene.create();
  t.is((await scene.run(workerId, 'reveal ACP_TEST_CUT')).outcome, 'completed');
  const lines = await scene.transcript(workerId);
  t.true(lines.some((line) => line.includes('[cut: 15 of ')));
  t.false(lines.join().includes('cut-c'), lines.join('\n'));
});

test('P19: no public answer has the standard error output, the program or the directory of an agent', async (t) => {
  process.env.ACP_TEST_CANARY = 'environment-canary';
  process.env.ACP_TEST_NAMED = 'named';
  const scene = await AgentScene.open(t, { agent: { env: ['ACP_TEST_NAMED'] } });
  const workerId = await scene.create();
  for (const text of ['hello', 'fail', 'crash', 'environment']) await scene.run(workerId, text);
  const names = ((await scene.transcript(workerId)).at(-1) ?? '').split(' ');
  t.true(names.includes('ACP_TEST_NAMED') && names.includes('PATH'));
  t.false(names.includes('ACP_TEST_CANARY'), 'an agent gets only named and common variables');
  await scene.runtime.stopWorker(workerId);
  const shownToClients = JSON.stringify([
    await scene.log(workerId),
    await scene.runtime.getWorker(workerId),
    await scene.runtime.diagnostics(),
    await scene.runtime.summary(),
  ]);
  for (const secret of ['canary', scene.folder, process.execPath, 'fake-agent.mjs'])
    t.false(shownToClients.includes(secret), secret);
  t.true(scene.logged.join('\n').includes('stderr-canary-4711'), 'the operator finds it in the log');
});

for (const [kind, value] of [
  ['a quote and a backslash', 'first"quoted\\secret-4711'],
  ['a line break', '-----BEGIN KEY-----\nMIIab/4711+==\n-----END KEY-----\n'],
  ['letters beyond ASCII', 'pässwörd-4711-\u2028-ü'],
] as const)
  test(`P19: a secret with ${kind} is redacted in permission requests, failures and calls`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'acp-key-'));
    t.teardown(() => rm(folder, { recursive: true, force: true }));
    await writeFile(join(folder, 'key'), value, { mode: 0o600 });
    const scene = await AgentScene.open(t, { agent: { envFiles: { AGENT_KEY: join(folder, 'key') } } });
    const workerId = await scene.create();
    const request = await scene.asked(workerId, 'expose AGENT_KEY');
    t.regex(request.prompt, /^run \{"header":"\[secret\]/);
    await scene.runtime.respond(workerId, request.requestId, { decision: 'Allow' });
    await scene.ended(workerId, (await scene.log(workerId)).findLast(({ run }) => run)?.run ?? '');
    const shown = JSON.stringify([await scene.log(workerId), request]);
    t.notRegex(shown, /4711/);
    t.true(shown.includes('[secret]'));
  });

test('P22, P23: an agent that reads files without taking the answers has to wait, and its run can be cancelled', async (t) => {
  const scene = await AgentScene.open(t, { cancelMs: 200, exitMs: 200 });
  const file = join(scene.folder, 'large');
  await writeFile(file, 'r'.repeat(10_000_000));
  const claims = [{ name: 'project', resource: `fs:${scene.folder}`, mode: 'read' as const }];
  const [flooding, other] = [await scene.create({ claims }), await scene.create()];
  const before = process.memoryUsage();
  const { runId } = await scene.runtime.sendInput(flooding, { text: `swamp reads ${file}` });
  const hasBegun = (): boolean => scene.record().some((line) => line.startsWith('wrote '));
  while (!hasBegun()) await new Promise((resolve) => setImmediate(resolve));
  for (let round = 0; round < 20; round += 1) {
    t.is((await scene.run(other, 'hello')).outcome, 'completed');
    const { heapUsed, external } = process.memoryUsage();
    // Hundreds of these requests fit into the pipe, and each answer has 10 MB.
    const grownBytes = heapUsed + external - before.heapUsed - before.external;
    t.true(grownBytes < 300_000_000, `${grownBytes} bytes more`);
  }
  await scene.runtime.cancelRun(flooding, { runId });
  t.is((await scene.ended(flooding, runId)).outcome, 'cancelled');
  t.is((await scene.run(flooding, 'hello')).outcome, 'completed');
});

test('P22, P23: an agent with too many tool calls without a result fails its run, and other Workers continue', async (t) => {
  const scene = await AgentScene.open(t, { cancelMs: 200, exitMs: 200, toolOutputBytes: 2_048 });
  const [flooding, other] = [await scene.create(), await scene.create()];
  const { runId } = await scene.runtime.sendInput(flooding, { text: 'swamp calls' });
  t.is((await scene.run(other, 'hello')).outcome, 'completed');
  const end = await scene.ended(flooding, runId);
  t.is(end.outcome, 'failed');
  t.is(end.error?.code, 'LIMIT_REACHED');
  const [first = 0] = pidsOf(scene.record());
  t.true(await hasEnded(first));
  t.is((await scene.run(flooding, 'hello')).outcome, 'completed', 'another agent takes the next input');
});

const hasProcFs = existsSync('/proc/self/environ');

(hasProcFs ? test : test.skip)(
  'P2, P12: agents of a runtime that was killed are ended before another Worker gets their directory',
  async (t) => {
    const folder = await makeFolder();
    t.teardown(() => rm(folder, { recursive: true, force: true }));
    const neighbour = await AgentScene.open(t);
    await neighbour.create();
    const runtimeId = `runtime_${process.pid}_${Date.now()}`;
    const program = fileURLToPath(new URL('../runtime-process.ts', import.meta.url));
    const given = JSON.stringify({ runtimeId, agent: await fakeAgent(folder), folder });
    const killed = spawn(
      process.execPath,
      ['--import=tsx', '--conditions=@worker-runtime/source', program, given],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    await once(killed.stdout, 'data');
    killed.kill('SIGKILL');
    await once(killed, 'exit');
    const record = readFileSync(join(folder, 'record'), 'utf8').split('\n');
    const pids = [...pidsOf(record), ...pidsOf(record, 'child')];
    t.is(pids.length, 2);
    t.true(pids.every(isRunning), 'the agent and the process that it started outlive the runtime');
    const scene = await AgentScene.open(t, { store: namedStore(runtimeId), roots: [folder], exitMs: 100 });
    for (const pid of pids) t.false(isRunning(pid));
    t.true(scene.logged.some((line) => line.includes('Agents of an earlier process')));
    await scene.create({ claims: [{ name: 'project', resource: `fs:${folder}`, mode: 'write' }] });
    t.true(pidsOf(neighbour.record()).every(isRunning), 'agents of a runtime that lives are left alone');
  },
);
