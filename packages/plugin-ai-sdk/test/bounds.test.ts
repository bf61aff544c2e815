import type { Reply } from '@worker-runtime/test-environment/fake-model-server';
import test from 'ava';
import { ModelScene } from './model-scene.ts';

const MEBIBYTE = 1_048_576;

for (const type of ['openai-compatible', 'anthropic'] as const) {
  for (const [how, reply] of [
    ['never sends a word', ['hang']],
    ['sends single bytes', [{ drip: 20 }]],
    ['stops in the middle of a sentence', [{ text: 'Well, ' }, 'hang']],
  ] as const)
    test(`P22: ${type}: a run of a model that ${how} can be cancelled in time, and does not delay other Workers`, async (t) => {
      const scene = await ModelScene.open(t, { type });
      scene.server.answer = ({ last }): Reply => (last === 'stuck' ? reply : [{ text: 'Here.' }]);
      const [stuck, other] = [await scene.create(), await scene.create()];
      const { runId } = await scene.runtime.sendInput(stuck, { text: 'stuck' });
      const request = await scene.server.arrival(1);
      t.is((await scene.say(other, 'hello')).outcome, 'completed', 'while the first Worker is stuck');
      t.is((await scene.runtime.getWorker(stuck)).run?.runId, runId);
      const begun = performance.now();
      await scene.runtime.cancelRun(stuck, { runId });
      const tookMs = performance.now() - begun;
      t.true(
        tookMs < scene.runtime.limits.stopDeadlineMs,
        `cancelled before the deadline: took ${Math.round(tookMs)} ms`,
      );
      t.is((await scene.runtime.getWorker(stuck)).execution.generation, 1, 'the execution was not detached');
      await request.closed;
      t.is((await scene.say(stuck, 'hello')).outcome, 'completed');
    });

  test(`P22: ${type}: a run fails if its model is silent for too long, and keeps the output so far`, async (t) => {
    const scene = await ModelScene.open(t, { type, stallMs: 4_000 });
    scene.server.answer = () => [{ text: 'Well, ' }, { drip: 20 }];
    const workerId = await scene.create();
    const { outcome, error } = await scene.say(workerId, 'hello');
    t.deepEqual(
      [outcome, error],
      ['failed', { code: 'ENGINE_UNAVAILABLE', message: 'The model sent no output for 4000 ms' }],
    );
    await scene.server.requests[0]?.closed;
    t.is((await scene.transcript(workerId)).at(-1), 'assistant (partial): Well, ');
  });

  test(`P22: ${type}: a line of 100 MB is not buffered`, async (t) => {
    const scene = await ModelScene.open(t, { type, responseBytes: 4 * MEBIBYTE });
    scene.server.answer = () => [{ text: 'Well, ' }, { flood: 100 * MEBIBYTE, of: 'line' }];
    const workerId = await scene.create();
    const { outcome, error } = await scene.say(workerId, 'hello');
    t.deepEqual([outcome, error?.code], ['failed', 'OUTPUT_TOO_LARGE']);
    await scene.server.requests[0]?.closed;
  });

  test(`P22: ${type}: 100 MB of text end at the size limit of a message`, async (t) => {
    const scene = await ModelScene.open(t, { type });
    scene.server.answer = ({ last }) =>
      last === 'flood' ? [{ flood: 100 * MEBIBYTE, of: 'text' }] : [{ text: 'Here.' }];
    const workerId = await scene.create();
    const { outcome, error } = await scene.say(workerId, 'flood');
    t.deepEqual([outcome, error?.code], ['failed', 'OUTPUT_TOO_LARGE']);
    await scene.server.requests[0]?.closed;
    t.is((await scene.say(await scene.create(), 'hello')).outcome, 'completed');
  });
}

test('P22: an error response of 100 MB is not buffered', async (t) => {
  const scene = await ModelScene.open(t, { responseBytes: MEBIBYTE });
  scene.server.answer = () => ({ status: 500, body: 'x'.repeat(100 * MEBIBYTE) });
  const { outcome } = await scene.say(await scene.create(), 'hello');
  t.is(outcome, 'failed');
  t.true(scene.logged.every((line) => line.length < 10_000));
});
