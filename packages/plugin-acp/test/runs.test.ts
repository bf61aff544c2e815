import test from 'ava';
import { AgentScene } from './agent-scene.ts';

test('messages, thoughts and tool calls of an agent are streamed and recorded', async (t) => {
  const scene = await AgentScene.open(t);
  const workerId = await scene.create();
  t.deepEqual(await scene.run(workerId, 'think'), { outcome: 'completed' });
  t.deepEqual(await scene.run(workerId, 'tool look'), { outcome: 'completed' });
  t.deepEqual(await scene.transcript(workerId), [
    'user: think',
    'reasoning',
    'assistant: Done.',
    'user: tool look',
    'assistant: Let me look.',
    // The call has the input that the agent sent later, because a call is recorded when it begins.
    'call read {"path":"notes.txt"}',
    'result "done look"',
    'assistant: Seen.',
  ]);
  const plan = (await scene.log(workerId)).find(({ type }) => type === 'diagnostic.recorded');
  t.like(plan?.data, { code: 'PLAN', message: '[x] look\n[ ] leap' });
});

test('updates outside of a run are ignored, and a call that the agent leaves open is closed', async (t) => {
  const scene = await AgentScene.open(t);
  const workerId = await scene.create();
  t.is((await scene.run(workerId, 'leave-open')).outcome, 'completed');
  t.deepEqual((await scene.transcript(workerId)).slice(1), [
    'call open {}',
    'error The run ended before this call did. Whether it had an effect is not known.',
  ]);
});

test('invalid messages on standard output are answered as the protocol requires, and the run continues', async (t) => {
  const scene = await AgentScene.open(t);
  const workerId = await scene.create();
  t.is((await scene.run(workerId, 'garbage')).outcome, 'completed');
  t.is((await scene.transcript(workerId)).at(-1), 'assistant: Never mind.');
});

for (const [reason, outcome, more] of [
  ['max_tokens', 'completed', 'OUTPUT_LIMIT'],
  ['refusal', 'completed', 'REFUSED'],
  ['max_turn_requests', 'failed', 'LIMIT_REACHED'],
  ['cancelled', 'cancelled', 'The agent cancelled the run'],
] as const)
  test(`the stop reason ${reason} of an agent decides how its run ends`, async (t) => {
    const scene = await AgentScene.open(t);
    const workerId = await scene.create();
    const end = await scene.run(workerId, `stop ${reason}`);
    t.is(end.outcome, outcome);
    const notice = (await scene.log(workerId)).find(({ type }) => type === 'diagnostic.recorded')?.data;
    t.is(end.error?.code ?? end.reason ?? (notice as { code?: string } | undefined)?.code, more);
    t.regex((await scene.transcript(workerId)).at(-1) ?? '', /^assistant.*: Half /);
  });

test('permission is requested after the call is in the log, and each answer takes effect', async (t) => {
  const scene = await AgentScene.open(t);
  const workerId = await scene.create();
  const request = await scene.asked(workerId, 'ask rm');
  t.like(request, {
    kind: 'permission',
    prompt: 'read: Run rm',
    options: [
      { id: 'Allow', label: 'Allow', kind: 'allow-once' },
      { id: 'Always', label: 'Always', kind: 'allow-always' },
      { id: 'Reject', label: 'Reject', kind: 'reject-once' },
    ],
  });
  t.is((await scene.transcript(workerId)).at(-1), 'call read {"path":"notes.txt"}');
  t.false(scene.record().includes('did rm'));
  await scene.runtime.respond(workerId, request.requestId, { decision: 'Allow' });
  t.is((await scene.ended(workerId, request.runId)).outcome, 'completed');
  t.true(scene.record().includes('did rm'));
  const denied = await scene.asked(workerId, 'ask mv');
  await scene.runtime.respond(workerId, denied.requestId, { decision: 'Reject' });
  t.is((await scene.ended(workerId, denied.runId)).outcome, 'completed');
  t.deepEqual((await scene.transcript(workerId)).slice(-3), [
    'call read {"path":"notes.txt"}',
    'error The call was not permitted',
    'assistant: Then not.',
  ]);
  // A cancel while the request is open.
  const open = await scene.asked(workerId, 'ask cp');
  await scene.runtime.cancelRun(workerId, { runId: open.runId });
  t.is((await scene.ended(workerId, open.runId)).outcome, 'cancelled');
  t.false(scene.record().some((line) => line === 'did mv' || line === 'did cp'));
  t.is((await scene.runtime.getWorker(workerId)).execution.generation, 1);
});

test('a permission that times out is denied, and the operator may grant permissions automatically', async (t) => {
  const hasty = await AgentScene.open(t, { permissionMs: 1 });
  const workerId = await hasty.create();
  t.is((await hasty.run(workerId, 'ask rm')).outcome, 'completed');
  t.is((await hasty.transcript(workerId)).at(-1), 'assistant: Then not.');
  const trusting = await AgentScene.open(t, { agent: { permission: 'allow' } });
  const other = await trusting.create();
  t.is((await trusting.run(other, 'ask rm')).outcome, 'completed');
  t.true(trusting.record().includes('did rm'));
  t.deepEqual(
    (await trusting.log(other)).filter(({ type }) => type === 'request.opened'),
    [],
  );
});

test('the output of a tool is cut to its size limit', async (t) => {
  const scene = await AgentScene.open(t, { toolOutputBytes: 1_024 });
  const workerId = await scene.create();
  t.is((await scene.run(workerId, 'tool large')).outcome, 'completed');
  const [result] = (await scene.log(workerId)).flatMap(({ type, data }) =>
    type === 'tool.finished' && data.truncated ? [data] : [],
  );
  t.is(result?.output, `${'x'.repeat(1_024)}\n[cut: 1024 of 200000 bytes are shown]`);
});

test('a failure of the agent has a code, and its message goes only to the operator', async (t) => {
  const scene = await AgentScene.open(t);
  const workerId = await scene.create();
  t.deepEqual(await scene.run(workerId, 'fail'), {
    outcome: 'failed',
    error: { code: 'ENGINE_FAILED', message: 'The agent failed' },
  });
  t.is((await scene.run(workerId, 'hello')).outcome, 'completed', 'the agent still works');
  t.is((await scene.runtime.getWorker(workerId)).execution.generation, 1);
  t.true(scene.logged.some((line) => line.includes('An agent failed to answer a prompt')));
});
