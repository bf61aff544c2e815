import { tool } from 'ai';
import test from 'ava';
import { z } from 'zod';
import type { Answer } from './fake-model-server.ts';
import { ModelScene } from './model-scene.ts';

const LONG = 'All work and no play makes Jack a dull boy. '.repeat(40);

/** Summarizes a conversation if the request is one for a summary, and answers any other request. */
const summarizing: Answer = ({ lines, last }) =>
  lines[0]?.startsWith('system: You shorten a conversation')
    ? [{ text: `Jack is dull (${lines.length}).` }]
    : [{ text: last.startsWith('All work') ? 'Noted.' : `You said: ${last}` }];

test('by default, a full context fails the run before anything is sent', async (t) => {
  const scene = await ModelScene.open(t);
  scene.server.answer = summarizing;
  const workerId = await scene.create({ context: { maxTokens: 1_000 } });
  for (const expected of ['completed', 'completed', 'failed'] as const) {
    const { outcome, error } = await scene.say(workerId, LONG);
    t.is(outcome, expected);
    if (expected === 'failed') {
      t.is(error?.code, 'CONTEXT_LIMIT');
      t.regex(error?.message ?? '', /has about \d+ tokens, and the limit of the Worker is 1000/);
    }
  }
  t.is(scene.server.requests.length, 2);
});

for (const status of [400, 413])
  test(`the context limit of the model has its own error code (${status})`, async (t) => {
    const scene = await ModelScene.open(t);
    scene.server.answer = () => ({
      status,
      body: '{"error":{"message":"This model\'s maximum context length is 8192 tokens.","code":"context_length_exceeded"}}',
    });
    const { error } = await scene.say(await scene.create(), 'hello');
    t.deepEqual(error, {
      code: 'CONTEXT_LIMIT',
      message: 'The conversation exceeds the context limit of the model',
    });
  });

test('P7: if its profile says so, a conversation is summarized when its context is full, and the log records it', async (t) => {
  const scene = await ModelScene.open(t);
  scene.server.answer = summarizing;
  const workerId = await scene.create({
    context: { maxTokens: 1_000, whenFull: 'summarize' },
    system: 'Be dull.',
  });
  for (let round = 0; round < 3; round += 1) t.is((await scene.say(workerId, LONG)).outcome, 'completed');
  t.is(scene.server.requests.length, 5, 'three answers, and a summary in two pieces');
  t.regex(scene.server.requests[2]?.last ?? '', /All work and no play.*assistant: Noted\./s);
  t.regex(scene.server.requests[3]?.last ?? '', /^Summary of the conversation so far:\nJack is dull/);
  const sent = scene.server.requests[4]?.lines ?? [];
  t.is(sent.length, 4);
  t.is(sent[0], 'system: Be dull.');
  t.regex(sent[1] ?? '', /^user: <summary-of-the-conversation-so-far>\nJack is dull \(2\)\./);
  t.is(sent[2], 'assistant: [I continue from this summary.]');
  t.true(sent[3]?.startsWith('user: All work'));
  const lines = await scene.transcript(workerId);
  t.deepEqual(lines.slice(5, 7), [
    'call ai-sdk:compact {"messages":4,"estimatedTokens":893}',
    'result {"summary":"Jack is dull (2)."}',
  ]);
  t.is((await scene.runtime.overview(workerId)).usage.inputTokens, 500, 'summaries are counted');
  // The transcript keeps the whole conversation. The request begins with the summary, also after a restart.
  t.is(lines.filter((line) => line.startsWith('user: All')).length, 3);
  await scene.start();
  await scene.say(workerId, 'hello');
  const after = scene.server.requests.at(-1)?.lines ?? [];
  t.regex(after[1] ?? '', /Jack is dull/);
  t.deepEqual(after.slice(4), ['assistant: Noted.', 'user: hello']);
});

test('a conversation that is far too long is summarized in pieces, without leaving any out', async (t) => {
  const scene = await ModelScene.open(t);
  const summarized: string[] = [];
  scene.server.answer = (request) => {
    if (request.lines[0]?.startsWith('system: You shorten')) summarized.push(request.last);
    return summarizing(request);
  };
  const workerId = await scene.create({ context: { maxTokens: 100_000 } });
  for (let round = 0; round < 4; round += 1) await scene.say(workerId, `${round} ${LONG}`);
  // The same inputs, for a Worker with a smaller context.
  const { items } = await scene.runtime.transcript(workerId, { after: 'start' });
  const narrow = await scene.create({ context: { maxTokens: 2_000, whenFull: 'summarize' } });
  for (const { parts, role } of items) {
    const [part] = parts;
    if (role === 'user' && part?.type === 'text') await scene.say(narrow, part.text);
  }
  t.is((await scene.say(narrow, `${LONG}${LONG}`)).outcome, 'completed');
  t.true(summarized.length >= 2);
  for (let round = 0; round < 4; round += 1)
    t.true(
      summarized.some((text) => text.includes(`user: ${round} All work`)),
      `${round}`,
    );
});

test('a failed summary fails the run, and the next run tries again', async (t) => {
  const scene = await ModelScene.open(t);
  let isBroken = true;
  scene.server.answer = (request) =>
    isBroken && request.lines[0]?.startsWith('system: You shorten') ? { status: 500 } : summarizing(request);
  const workerId = await scene.create({ context: { maxTokens: 1_000, whenFull: 'summarize' } });
  for (let round = 0; round < 2; round += 1) await scene.say(workerId, LONG);
  t.is((await scene.say(workerId, 'go on')).outcome, 'completed');
  t.is((await scene.say(workerId, LONG)).error?.code, 'ENGINE_UNAVAILABLE');
  isBroken = false;
  t.is((await scene.say(workerId, 'hello')).outcome, 'completed');
  t.regex(scene.server.requests.at(-1)?.lines[0] ?? '', /Jack is dull/);
});

test('a run that is too long by itself fails, because there is no earlier run to summarize', async (t) => {
  const big = tool({ inputSchema: z.strictObject({}), execute: async () => LONG.repeat(4) });
  const scene = await ModelScene.open(t, { tools: { big } });
  scene.server.answer = ({ lines }) =>
    lines.at(-1)?.startsWith('tool ') ? [{ text: 'Never asked.' }] : [{ call: 'big', input: {} }];
  const workerId = await scene.create(
    { context: { maxTokens: 1_000, whenFull: 'summarize' } },
    { tools: ['big'] },
  );
  const { outcome, error } = await scene.say(workerId, 'go');
  t.deepEqual([outcome, error?.code], ['failed', 'CONTEXT_LIMIT']);
  t.is(scene.server.requests.length, 1);
});
