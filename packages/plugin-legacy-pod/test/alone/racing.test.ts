import { setImmediate } from 'node:timers/promises';
import test from 'ava';
import { conversationItems } from '../../src/log/conversation-item.ts';
import { entriesOf } from '../../src/log/segment-chain.ts';
import { randomFrom } from '../fake-pod/random.ts';
import { finishedRuns, idOf, PodScene, transcriptOf, until } from '../pod-scene.ts';

const ROUNDS = 12;

for (const seed of [1, 2, 3, 4, 5, 6]) {
  test(`P10: each message of a pod is recorded once while clients race for the pod (seed ${seed})`, async (t) => {
    const scene = await PodScene.open({ script: { seed } });
    t.teardown(() => scene.close());
    const random = randomFrom(seed);
    const { runtime } = await scene.start();
    const workerId = idOf(await scene.create(runtime));
    const [name = ''] = await scene.names();
    const client = await scene.attach(name);
    const yieldRandomly = async (): Promise<void> => {
      for (let turns = Math.floor(random() * 30); turns > 0; turns -= 1) await setImmediate();
    };
    const otherClient = (async () => {
      for (let round = 0; round < ROUNDS; round += 1) {
        if (random() < 0.3) client.send({ method: 'notify', params: { message: `note ${round}` } });
        else
          client.send({ method: 'run', params: { input: [{ kind: 'text', content: `theirs ${round}` }] } });
        await yieldRandomly();
      }
    })();
    for (let round = 0; round < ROUNDS; round += 1) {
      await runtime
        .sendInput(workerId, { text: `mine ${round}` }, random() < 0.7 ? { waitMs: 10_000 } : {})
        .catch(() => {});
      await yieldRandomly();
    }
    await otherClient;
    const committed = async (): Promise<readonly string[]> =>
      conversationItems(entriesOf((await scene.snapshotOf(name)).entries)).flatMap((item) =>
        item.kind === 'message' ? [`assistant: ${item.text}`] : [],
      );
    const recorded = async (): Promise<readonly string[]> =>
      (await transcriptOf(runtime, workerId)).filter((line) => line.startsWith('assistant: '));
    await until(
      async () =>
        (await scene.snapshotOf(name)).status === 'idle' &&
        (await runtime.getWorker(workerId)).status === 'idle' &&
        (await recorded()).length >= (await committed()).length,
    );
    t.deepEqual(await recorded(), await committed());
    const { items } = await runtime.events(workerId, { after: 'start', limit: 1_000 });
    const codes = new Set(finishedRuns(items).map(({ data }) => data.error?.code ?? data.outcome));
    t.true(
      [...codes].every((code) => code === 'completed' || code === 'WORKER_BUSY'),
      [...codes].join(),
    );
  });
}
