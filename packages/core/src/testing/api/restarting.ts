import type { TranscriptItem } from '../../contracts/transcript.ts';
import type { ScriptStep } from '../engine/script.ts';
import type { Contract } from './contract.ts';
import { createWithHistory } from './reading.ts';
import type { Scene } from './scene.ts';

const ASK: readonly ScriptStep[] = [
  { type: 'ask', question: { kind: 'question', prompt: 'Well?', options: ['yes', 'no'] } },
];
const WORK: readonly ScriptStep[] = [
  { type: 'text', text: 'half a sen' },
  { type: 'gate', gate: 'work' },
];

/** Creates one Worker in each state. The Worker's id names the state. */
const createAll = async (scene: Scene): Promise<void> => {
  scene.plays({ ask: ASK, work: WORK });
  for (const workerId of ['idle', 'stopped', 'running', 'waiting', 'queued'])
    await scene.create({ workerId });
  await scene.say('idle', 'hello');
  await scene.say('stopped', 'hello');
  await scene.api.putFile('stopped', new Uint8Array(321), { mediaType: 'text/plain' });
  await scene.api.stopWorker('stopped', { deadlineMs: 20_000 });
  await scene.api.sendInput('waiting', { text: 'ask' });
  await scene.requestOf('waiting');
  await scene.api.sendInput('running', { text: 'work' });
  await scene.api.sendInput('queued', { text: 'work' });
  await scene.api.sendInput('queued', { text: 'later', whenBusy: 'queue' });
  await scene.engine.gate('work').arrivals(2);
};

const outcomesOf = async (scene: Scene, workerId: string): Promise<readonly string[]> =>
  (await scene.only(workerId, 'run.finished')).map(({ data }) => data.outcome);

export const restartingTests = (contract: Contract): void => {
  for (const way of ['restart', 'kill'] as const) {
    contract(
      `P12: after a ${way} every Worker has the state that follows from its log`,
      async (t, scene) => {
        await createAll(scene);
        const { runtimeId } = await scene.api.summary();
        const ids = (await scene.api.listWorkers()).items.map(({ workerId }) => workerId);
        const before = new Map(await Promise.all(ids.map(async (id) => [id, await scene.log(id)] as const)));
        const { stored } = await scene.api.getWorker('stopped');
        await scene[way]();
        t.is((await scene.api.summary()).store.fileBytes, 321);
        t.deepEqual((await scene.api.getWorker('stopped')).stored, stored);
        t.is((await scene.api.summary()).runtimeId, runtimeId);
        t.deepEqual(
          (await scene.api.listWorkers()).items.map(({ workerId }) => workerId),
          ids,
        );
        await scene.happens('queued', 'run.finished', 2);
        for (const id of ids) {
          const log = await scene.log(id);
          t.is(
            JSON.stringify(log.slice(0, before.get(id)?.length)),
            JSON.stringify(before.get(id)),
            `P7: ${id}`,
          );
        }
        t.is((await scene.api.getWorker('stopped')).status, 'stopped');
        t.deepEqual(
          await scene.typesOf('stopped'),
          before.get('stopped')?.map(({ type }) => type),
        );
        t.deepEqual(await scene.api.stopWorker('stopped'), {
          changed: false,
          status: 'stopped',
          outcome: 'graceful',
        });
        for (const id of ['idle', 'running', 'waiting']) {
          const worker = await scene.api.getWorker(id);
          t.is(worker.status, 'idle', id);
          t.is(worker.run, null);
          t.is(worker.execution.connected, false, `${id} is not connected`);
        }
        t.deepEqual(await outcomesOf(scene, 'idle'), ['completed']);
        t.deepEqual(await outcomesOf(scene, 'running'), ['interrupted']);
        t.deepEqual(await outcomesOf(scene, 'waiting'), ['interrupted']);
        t.deepEqual((await scene.api.listRequests('waiting')).items, []);
        const [resolved] = await scene.only('waiting', 'request.resolved');
        t.is(resolved?.data.by, 'restart');
        t.is(resolved?.data.decision, null);
        t.deepEqual(await outcomesOf(scene, 'queued'), ['interrupted', 'completed']);
        t.is((await scene.api.getWorker('queued')).execution.connected, true);
        if (way === 'kill') {
          t.is((await scene.api.getWorker('running')).execution.lastError?.code, 'EXECUTION_LOST');
          const codes = (await scene.api.diagnostics()).items.map(({ code, worker }) => `${code} ${worker}`);
          t.true(codes.includes('EXECUTION_LOST running'), codes.join());
        }
        for (const id of ['idle', 'running', 'waiting']) {
          await scene.say(id, 'hello');
          const { connected, generation, lastError } = (await scene.api.getWorker(id)).execution;
          t.deepEqual(
            { connected, generation, lastError },
            { connected: true, generation: 2, lastError: null },
          );
        }
        t.is((await scene.api.resumeWorker('stopped')).status, 'idle');
        await scene.say('stopped', 'hello');
      },
      way,
    );

    contract(
      `P9: acknowledged inputs, and their idempotency keys, survive a ${way}`,
      async (t, scene) => {
        const create = { engine: 'scripted', workerId: 'ada', initialInput: { text: 'first' } };
        const created = await scene.api.createWorker(create, { idempotencyKey: 'creation' });
        await scene.happens('ada', 'run.finished');
        const receipts = [];
        for (const text of ['one', 'two', 'three']) {
          receipts.push(await scene.api.sendInput('ada', { text }, { idempotencyKey: text, waitMs: 20_000 }));
        }
        await scene[way]();
        t.is((await scene.only('ada', 'input.accepted')).length, 4);
        for (const [index, text] of ['one', 'two', 'three'].entries()) {
          const again = await scene.api.sendInput('ada', { text }, { idempotencyKey: text, waitMs: 20_000 });
          t.deepEqual(again, { ...(receipts[index] as (typeof receipts)[number]), replayed: true });
          await scene.refuses('IDEMPOTENCY_MISMATCH', text, () =>
            scene.api.sendInput('ada', { text: 'other' }, { idempotencyKey: text }),
          );
        }
        const again = await scene.api.createWorker(create, { idempotencyKey: 'creation' });
        t.is(again.replayed, true);
        t.deepEqual(again.input, created.input && { ...created.input, replayed: true });
        t.is((await scene.api.listWorkers()).items.length, 1);
      },
      way,
    );

    contract(
      `P7: events, transcript, overview and history survive a ${way}`,
      async (t, scene) => {
        const workerId = await createWithHistory(scene);
        await scene.api.stopWorker(workerId);
        const read = async () => ({
          log: await scene.log(workerId),
          transcript: await scene.api.transcript(workerId),
          overview: await scene.api.overview(workerId),
          worker: await scene.api.getWorker(workerId),
        });
        const before = await read();
        await scene[way]();
        t.deepEqual(await read(), before);
        await scene.api.resumeWorker(workerId);
        const history: TranscriptItem[] = [];
        for await (const item of scene.engine.sessions.at(-1)?.context.history() ?? []) history.push(item);
        const idsOf = (items: readonly TranscriptItem[]) => items.map(({ id }) => id);
        const spoken = before.transcript.items.filter(({ parts }) => parts[0]?.type !== 'run-end');
        t.deepEqual(idsOf(history), idsOf(spoken), "the engine's history is the transcript");
      },
      way,
    );
  }

  contract(
    'P11: a creation that is in progress at a kill leaves nothing',
    async (t, scene) => {
      await scene.create({ workerId: 'other' });
      scene.engine.attachScript = [{ type: 'gate', gate: 'attach' }];
      const creating = scene.create({ workerId: 'ada' }).catch(() => {});
      await scene.engine.gate('attach').reached;
      scene.engine.attachScript = [];
      await scene.kill();
      t.deepEqual(
        (await scene.api.listWorkers()).items.map(({ workerId }) => workerId),
        ['other'],
      );
      await scene.create({ workerId: 'ada' });
      void creating;
    },
    'kill',
  );

  contract(
    'P4: when the runtime stops, a stream delivers every event and then ends with RUNTIME_STOPPING',
    async (t, scene) => {
      scene.plays({ work: WORK });
      const workerId = await scene.create();
      const viewer = scene.view(workerId, { after: 'start' });
      await scene.api.sendInput(workerId, { text: 'work' });
      await scene.engine.gate('work').reached;
      await scene.restart();
      await viewer.ended();
      t.deepEqual(viewer.items.at(-1), { type: 'ended', code: 'RUNTIME_STOPPING' });
      t.is(viewer.events.at(-1)?.event.type, 'run.finished');
      t.is(
        JSON.stringify(viewer.events.map(({ event }) => event)),
        JSON.stringify(await scene.log(workerId)),
      );
      t.is((await scene.engine.called('detach', workerId)).reason, 'shutdown');
    },
    'restart',
  );

  contract(
    'Workers hold their claims again after a restart, except stopped ones',
    async (_t, scene) => {
      const claims = [{ name: 'docs', resource: 'fs:/srv/docs', mode: 'write' }] as const;
      await scene.create({ workerId: 'holder', claims });
      await scene.create({ workerId: 'stopped', claims: [{ ...claims[0], resource: 'fs:/srv/code' }] });
      await scene.api.stopWorker('stopped');
      await scene.restart();
      await scene.refuses('CLAIM_CONFLICT', 'a claimed resource', () => scene.create({ claims }));
      await scene.create({ claims: [{ ...claims[0], resource: 'fs:/srv/code' }] });
    },
    'restart',
  );

  contract(
    'P12: an engine with attachAtStart is attached at start to every Worker that is not stopped',
    async (t, scene) => {
      scene.engine.capabilities = { ...scene.engine.capabilities, attachAtStart: true };
      for (const workerId of ['idle', 'stopped']) await scene.create({ workerId });
      await scene.api.stopWorker('stopped');
      await scene.restart();
      await scene.happens('idle', 'execution.attached', 2);
      t.deepEqual((await scene.api.getWorker('idle')).execution, {
        connected: true,
        generation: 2,
        lastError: null,
      });
      t.is((await scene.api.getWorker('stopped')).execution.connected, false);
    },
    'restart',
  );
};
