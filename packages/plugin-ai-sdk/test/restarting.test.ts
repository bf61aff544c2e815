import type { Answer } from '@worker-runtime/test-environment/fake-model-server';
import { type Tool, tool } from 'ai';
import test from 'ava';
import { z } from 'zod';
import { ModelScene } from './model-scene.ts';

const caller: Answer = ({ lines, last }) =>
  lines.at(-1)?.startsWith('tool ') || last !== 'call'
    ? [{ text: `I see: ${last}` }]
    : [{ text: 'Let me look.' }, { call: 'look', input: {} }];

/** Returns the calls of a request that have no result. Providers refuse such a request. */
const callsWithoutResult = (lines: readonly string[]): readonly string[] => {
  const calls = lines.flatMap((line) => /^assistant calls (\S+) /.exec(line)?.[1] ?? []);
  const results = new Set(lines.flatMap((line) => /^tool (\S+):/.exec(line)?.[1] ?? []));
  return calls.filter((call) => !results.has(call));
};

for (const type of ['openai-compatible', 'anthropic'] as const) {
  test(`P12: ${type}: if the runtime ends during a run, the run is interrupted, and the next run continues from it`, async (t) => {
    const scene = await ModelScene.open(t, { type });
    scene.server.answer = () => [{ text: 'Once upon ' }, 'hang'];
    const workerId = await scene.create();
    const { runId, cursor } = await scene.runtime.sendInput(workerId, { text: 'tell' });
    await scene.shown(workerId, 'Once upon ', cursor);
    await scene.start();
    t.is((await scene.ended(workerId, runId)).outcome, 'interrupted');
    t.is((await scene.runtime.getWorker(workerId)).status, 'idle');
    scene.server.answer = () => [{ text: 'a time.' }];
    t.is((await scene.say(workerId, 'go on')).outcome, 'completed');
    t.deepEqual(scene.server.requests.at(-1)?.lines, ['user: tell', 'assistant: Once upon ', 'user: go on']);
  });

  test(`P12: ${type}: if the runtime ends during a tool call, the call is not repeated`, async (t) => {
    let calls = 0;
    let begin: () => void = () => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const look = tool({
      inputSchema: z.strictObject({}),
      execute: () => {
        calls += 1;
        begin();
        return new Promise(() => {});
      },
    }) as Tool;
    const scene = await ModelScene.open(t, { type, tools: { look } });
    scene.server.answer = caller;
    const workerId = await scene.create({}, { tools: ['look'] });
    const { runId } = await scene.runtime.sendInput(workerId, { text: 'call' });
    await begun;
    await scene.start();
    t.is((await scene.ended(workerId, runId)).outcome, 'interrupted');
    t.is((await scene.say(workerId, 'and now?')).outcome, 'completed');
    t.is(calls, 1);
    const lines = scene.server.requests.at(-1)?.lines ?? [];
    t.deepEqual(callsWithoutResult(lines), []);
    t.regex(lines.find((line) => line.startsWith('tool ')) ?? '', /Whether it had an effect is not known/);
  });

  test(`P12: ${type}: if the runtime ends while a permission is open, it can no longer be granted, and the tool is not called`, async (t) => {
    let calls = 0;
    const look = tool({
      inputSchema: z.strictObject({}),
      needsApproval: true,
      execute: async () => {
        calls += 1;
        return 'seen';
      },
    }) as Tool;
    const scene = await ModelScene.open(t, { type, tools: { look } });
    scene.server.answer = caller;
    const workerId = await scene.create({}, { tools: ['look'] });
    const { requestId, runId } = await scene.asked(workerId, 'call');
    await scene.start();
    t.is((await scene.ended(workerId, runId)).outcome, 'interrupted');
    t.deepEqual((await scene.runtime.listRequests(workerId)).items, []);
    await t.throwsAsync(scene.runtime.respond(workerId, requestId, { decision: 'allow' }), {
      code: 'REQUEST_RESOLVED',
    });
    t.is((await scene.say(workerId, 'and now?')).outcome, 'completed');
    t.true(
      (scene.server.requests.at(-1)?.lines ?? []).some((line) =>
        line.includes('ended before permission was given. The call was not made.'),
      ),
    );
    t.deepEqual(callsWithoutResult(scene.server.requests.at(-1)?.lines ?? []), []);
    // A new call of the tool opens a new request.
    const again = await scene.asked(workerId, 'call');
    await scene.runtime.respond(workerId, again.requestId, { decision: 'allow' });
    t.is((await scene.ended(workerId, again.runId)).outcome, 'completed');
    t.is(calls, 1);
  });

  test(`P54: ${type}: a permission that is open when the runtime ends can be given afterwards, and the run continues`, async (t) => {
    let calls = 0;
    const look = tool({
      inputSchema: z.strictObject({}),
      needsApproval: true,
      execute: async () => {
        calls += 1;
        return 'seen';
      },
    }) as Tool;
    const scene = await ModelScene.open(t, { type, tools: { look } });
    scene.server.answer = caller;
    const workerId = await scene.create({}, { tools: ['look'], whenInterrupted: 'continue' });
    const { requestId, runId, options } = await scene.asked(workerId, 'call');
    t.deepEqual(
      options.map(({ id, kind }) => [id, kind]),
      [
        ['allow', 'allow-once'],
        ['deny', 'reject-once'],
      ],
    );
    await scene.start();
    t.is((await scene.runtime.getWorker(workerId)).status, 'waiting');
    t.is(calls, 0);
    await scene.runtime.respond(workerId, requestId, { decision: 'allow' });
    t.is((await scene.ended(workerId, runId)).outcome, 'completed');
    t.is(calls, 1);
    t.deepEqual(await scene.transcript(workerId), [
      'user: call',
      'assistant: Let me look.',
      'call look {}',
      'result "seen"',
      'assistant: I see: seen',
    ]);
  });

  test(`P54: ${type}: a run that is interrupted during a call continues without repeating it`, async (t) => {
    let calls = 0;
    let begin: () => void = () => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const look = tool({
      inputSchema: z.strictObject({}),
      execute: () => {
        calls += 1;
        begin();
        return new Promise(() => {});
      },
    }) as Tool;
    const scene = await ModelScene.open(t, { type, tools: { look } });
    scene.server.answer = caller;
    const workerId = await scene.create({}, { tools: ['look'], whenInterrupted: 'continue' });
    const { runId } = await scene.runtime.sendInput(workerId, { text: 'call' });
    await begun;
    await scene.start();
    t.is((await scene.ended(workerId, runId)).outcome, 'completed');
    t.is(calls, 1);
    const lines = scene.server.requests.at(-1)?.lines ?? [];
    t.deepEqual(callsWithoutResult(lines), []);
    t.regex(lines.find((line) => line.startsWith('tool ')) ?? '', /Whether it had an effect is not known/);
  });

  test(`P54: ${type}: a run that is interrupted while its model answers asks the model again`, async (t) => {
    const scene = await ModelScene.open(t, { type });
    scene.server.answer = () => [{ text: 'Once upon ' }, 'hang'];
    const workerId = await scene.create({}, { whenInterrupted: 'continue' });
    const { runId, cursor } = await scene.runtime.sendInput(workerId, { text: 'tell' });
    await scene.shown(workerId, 'Once upon ', cursor);
    scene.server.answer = () => [{ text: 'a time.' }];
    await scene.start();
    t.is((await scene.ended(workerId, runId)).outcome, 'completed');
    t.deepEqual(await scene.transcript(workerId), ['user: tell', 'assistant: a time.']);
    t.deepEqual(scene.server.requests.at(-1)?.lines, ['user: tell']);
  });
}
