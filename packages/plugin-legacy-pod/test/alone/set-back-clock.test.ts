import test from 'ava';
import { idOf, isGone, PodScene, type SceneOptions, until } from '../pod-scene.ts';

const begun = Date.now();
/** From here on the clock of this process runs backwards, as one that is set back again and again. */
Date.now = () => begun - Math.floor(performance.now());

const open = async (t: { teardown: (end: () => Promise<void>) => void }, options: SceneOptions) => {
  const scene = await PodScene.open(options);
  t.teardown(() => scene.close());
  return scene;
};

test('P11: a pod that is never ready is refused in time, although the clock is set back', async (t) => {
  const scene = await open(t, { script: { switches: { neverReady: true } }, options: { readyMs: 1_000 } });
  const { runtime } = await scene.start();
  const error = await t.throwsAsync(scene.create(runtime), { code: 'ENGINE_UNAVAILABLE' });
  t.is(error?.message, 'The pod was not ready in time');
});

test('P2: a pod that ignores everything is killed in time, although the clock is set back', async (t) => {
  const scene = await open(t, {
    script: { switches: { ignoresEverything: true } },
    options: { shutdownMs: 300, interruptMs: 200 },
  });
  const { runtime } = await scene.start();
  const workerId = idOf(await scene.create(runtime));
  const [pid = 0] = await scene.pids();
  await runtime.stopWorker(workerId);
  await until(() => isGone(pid));
  t.pass();
});

test('P12: a pod that runs and does not answer is refused in time, although the clock is set back', async (t) => {
  const scene = await open(t, {});
  const { runtime, store } = await scene.start();
  const workerId = idOf(await scene.create(runtime));
  const [pid = 0] = await scene.pids();
  await runtime.stop();
  process.kill(pid, 'SIGSTOP');
  t.teardown(() => void process.kill(pid, 'SIGCONT'));
  const next = await scene.start(store, { readyMs: 500, snapshotMs: 200 });
  const error = await t.throwsAsync(next.runtime.sendInput(workerId, { text: 'hello' }), {
    code: 'ENGINE_UNAVAILABLE',
  });
  t.is(error?.message, 'The process of the pod runs but does not answer');
});
