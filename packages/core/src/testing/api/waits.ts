import type { WorkerWait } from '../../contracts/worker.ts';
import type { Contract } from './contract.ts';
import type { Scene } from './scene.ts';

/** Returns what a Worker waits for, as its own state, the list and a watch have it. */
const waitsOf = async (scene: Scene, workerId: string): Promise<readonly WorkerWait[]> => {
  const { waits } = await scene.api.getWorker(workerId);
  const { items } = await scene.api.listWorkers({ limit: 1_000 });
  scene.t.deepEqual(items.find((worker) => worker.workerId === workerId)?.waits, waits);
  return waits;
};

export const waitsTests = (contract: Contract): void => {
  contract('P87: a Worker says what its work waits for, and since when', async (t, scene) => {
    const workerId = await scene.createAt('model');
    const { run, updatedAt } = await scene.api.getWorker(workerId);
    const { runId = '', startedAt = '' } = run ?? {};
    t.deepEqual(await waitsOf(scene, workerId), [{ for: 'engine', since: updatedAt }]);
    await scene.api.sendInput(workerId, { text: 'later', whenBusy: 'queue' });
    // what others do with the Worker says nothing about its engine
    for (let time = updatedAt, turn = 0; time === updatedAt; turn++)
      ({ updatedAt: time } = await scene.api.updateWorker(workerId, { displayName: `name ${turn}` }));
    t.deepEqual(await waitsOf(scene, workerId), [
      { for: 'engine', since: updatedAt },
      { for: 'run', since: startedAt, runId, inputs: 1 },
    ]);
    scene.engine.gate('model').open();
    await scene.happens(workerId, 'run.finished', 2);
    t.deepEqual(await waitsOf(scene, workerId), []);

    scene.plays({
      tool: [
        { type: 'tool-call', call: 'call_1', name: 'search', input: {} },
        { type: 'gate', gate: 'tool' },
        { type: 'tool-result', call: 'call_1', output: 'found' },
      ],
      ask: [{ type: 'ask', question: { kind: 'question', prompt: 'Well?', options: ['yes', 'no'] } }],
    });
    await scene.api.sendInput(workerId, { text: 'tool' });
    await scene.engine.gate('tool').reached;
    const { time } = (await scene.only(workerId, 'tool.called'))[0] ?? {};
    await scene.api.putFile(workerId, new Uint8Array([1]), { mediaType: 'text/plain' });
    t.deepEqual(await waitsOf(scene, workerId), [{ for: 'tools', since: time, calls: ['call_1'] }]);
    scene.engine.gate('tool').open();
    await scene.happens(workerId, 'run.finished', 3);

    await scene.api.sendInput(workerId, { text: 'ask' });
    const requestId = await scene.requestOf(workerId);
    const { openedAt = '' } = (await scene.api.listRequests(workerId)).items[0] ?? {};
    t.deepEqual(await waitsOf(scene, workerId), [{ for: 'answer', since: openedAt, requestId }]);
    await scene.api.respond(workerId, requestId, { decision: 'yes' });
    await scene.happens(workerId, 'run.finished', 4);
    t.deepEqual(await waitsOf(scene, workerId), []);
  });

  contract(
    'P87: queued inputs that wait for an engine name the reason',
    async (t, scene) => {
      const workerId = await scene.createAt('work');
      await scene.api.sendInput(workerId, { text: 'later', whenBusy: 'queue' });
      scene.engine.attachScript = [{ type: 'throw', error: new Error('no') }];
      await scene.restart();
      let wait: WorkerWait | undefined;
      while (wait?.for !== 'execution' || wait.error === null) {
        [wait] = await waitsOf(scene, workerId);
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
      t.is(wait.error.code, 'ENGINE_UNAVAILABLE');
      scene.engine.attachScript = [];
    },
    'restart',
  );
};
