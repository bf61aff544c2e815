import test from 'ava';
import { idOf, PodScene, transcriptOf } from './pod-scene.ts';

test('a pod starts, runs inputs, and ends when its Worker is stopped', async (t) => {
  const scene = await PodScene.open({
    script: {
      runs: {
        work: [{ thinking: 'hm' }, { tool: 'Read', input: { a: 1 }, output: 'content' }, { text: 'done' }],
      },
    },
  });
  t.teardown(() => scene.close());
  const { runtime } = await scene.start();
  const workerId = idOf(await scene.create(runtime));
  await runtime.sendInput(workerId, { text: 'Hello' }, { waitMs: 10_000 });
  await runtime.sendInput(workerId, { text: 'work' }, { waitMs: 10_000 });
  t.deepEqual(await transcriptOf(runtime, workerId), [
    'user: Hello',
    'assistant: echo: Hello',
    'user: work',
    'thinks: hm',
    'call Read',
    'result "content"',
    'assistant: done',
  ]);
  const outcome = await runtime.stopWorker(workerId);
  t.deepEqual(outcome, { changed: true, status: 'stopped', outcome: 'graceful' });
  t.deepEqual(await scene.pids(), []);
});
