import { readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { idOf, PodScene, transcriptOf, until } from './pod-scene.ts';

/** Returns how many runs the logs of all pods have begun. */
const runsBegun = async ({ dataDir }: PodScene): Promise<number> => {
  const files = await readdir(join(dataDir, 'sessions'), { recursive: true, withFileTypes: true }).catch(
    () => [],
  );
  const texts = await Promise.all(
    files
      .filter((file) => file.isFile())
      .map(({ parentPath, name }) => readFile(join(parentPath, name), 'utf8')),
  );
  return texts.join('').split('"kind":"invoke"').length - 1;
};

for (const ended of ['one run ends and another begins', 'one run ends and another begins and ends'] as const)
  test(`P10: each message is recorded once if ${ended} while the link to the pod is down`, async (t) => {
    const scene = await PodScene.open();
    t.teardown(() => scene.close());
    await scene.setScript({
      runs: {
        mine: [{ gate: scene.gate('mine') }, { flood: 300 }, { text: 'of mine' }],
        '': [{ gate: scene.gate('theirs') }, { text: 'of theirs' }],
      },
    });
    const { runtime } = await scene.start();
    const workerId = idOf(await scene.create(runtime));
    const [name = ''] = await scene.names();
    const client = await scene.attach(name);
    await runtime.sendInput(workerId, { text: 'mine' });
    await until(async () => (await runsBegun(scene)) === 1);
    // the pod begins a run for this when the present run has ended
    client.send({ method: 'notify', params: { message: 'theirs' } });

    // the flood makes the pod cut off its clients, which find no socket until the other run is active
    const socket = join(scene.runtimeDir, name, 'sock');
    await rename(socket, `${socket}-away`);
    await scene.openGate('mine');
    await until(async () => (await runsBegun(scene)) === 2);
    if (ended.endsWith('ends')) {
      await scene.openGate('theirs');
      const status = join(scene.runtimeDir, name, 'status.json');
      await until(async () => (await readFile(status, 'utf8')).includes('"idle"'));
    }
    await rename(`${socket}-away`, socket);
    const answers = async (): Promise<readonly string[]> =>
      (await transcriptOf(runtime, workerId)).filter((line) => line.startsWith('assistant: '));
    // the link is up again
    await until(async () => (await answers()).includes('assistant: of mine'));
    await scene.openGate('theirs');
    await until(
      async () => (await answers()).length >= 2 && (await runtime.getWorker(workerId)).status === 'idle',
    );
    await runtime.sendInput(workerId, { text: 'next' }, { waitMs: 20_000 });
    t.deepEqual(await answers(), ['assistant: of mine', 'assistant: of theirs', 'assistant: echo: next']);
  });
