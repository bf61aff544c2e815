import type { Batch } from '../../contracts/store.ts';
import type { Contract } from './contract.ts';
import { LogModel } from './log-model.ts';
import type { StoreScene } from './scene.ts';

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Attempt {
  readonly log: string;
  readonly model: LogModel;
  readonly batch: Batch;
  isAcknowledged: boolean;
}

/** Starts a write. The attempt records whether the store acknowledges it. */
const attempt = (log: string, model: LogModel, batch: Batch, write: () => Promise<void>): Attempt => {
  const started: Attempt = { log, model, batch, isAcknowledged: false };
  write().then(
    () => {
      started.isAcknowledged = true;
    },
    // A write that a kill interrupts may fail with any error, or never settle.
    () => {},
  );
  return started;
};

const startWrites = (scene: StoreScene, round: number): readonly Attempt[] => {
  const attempts: Attempt[] = [];
  for (const [log, model] of scene.models) {
    const batch = model.batch(['one of three', 'x'.repeat(2_000), 'three of three'], true);
    attempts.push(attempt(log, model, batch, () => scene.store.append(log, model.head, batch)));
  }
  for (let index = 0; index < 5; index += 1) {
    const log = `log_${round}_${index}`;
    const begin = { workerId: `worker-of-${log}`, record: { log } };
    const model = new LogModel(begin);
    const batch = model.batch(['created', 'attached']);
    attempts.push(attempt(log, model, batch, () => scene.store.create(log, begin, batch)));
  }
  return attempts;
};

/** Checks that an interrupted write left all of its lines, or none if it was not acknowledged. Updates the model. */
const checkAttempt = (scene: StoreScene, { log, model, batch, isAcknowledged }: Attempt): void => {
  const stored = scene.listed.get(log);
  const isStored = stored !== undefined && stored.head.seq > model.head.seq;
  scene.t.true(isStored || !isAcknowledged, `${log}: an acknowledged write is stored`);
  if (!isStored) return;
  model.add(batch);
  scene.models.set(log, model);
};

/** Tests of what a store contains after its process was killed. */
export const killingTests = (contract: Contract): void => {
  contract(
    'P9: acknowledged writes survive a kill',
    async (t, scene) => {
      const { runtimeId } = scene;
      for (const log of ['log_a', 'log_b', 'log_c'])
        await scene.begin(log, ['created', 'input'], { hasKeys: true });
      await scene.store.putBundle({ digest: 'ab12', body: Buffer.from('{}') });
      await scene.store.putPluginState('plugin', Buffer.from('an earlier state'));
      await scene.reopen();
      await scene.begin('log_d', ['created after the reopen']);
      await scene.add('log_a', ['one', 'two'], true);
      await scene.add('log_d', ['x'.repeat(100_000)]);
      await scene.remove('log_c');
      await scene.store.putBundle({ digest: 'cd34', body: Buffer.from('[]') });
      for (let round = 0; round < 3; round += 1) {
        const state = Buffer.from(`state ${round}`.repeat(1 + round * 10_000));
        await scene.store.putPluginState('plugin', state);
        await scene.kill();
        await scene.open();
        t.is(scene.runtimeId, runtimeId);
        await scene.checkListing();
        await scene.checkAll();
        for (const log of scene.models.keys()) await scene.checkKeys(log);
        t.deepEqual(await scene.store.bundles(), ['ab12', 'cd34']);
        scene.checkBytes((await scene.store.pluginState('plugin')) ?? new Uint8Array(0), state, 'the state');
        await scene.add('log_a', [`after kill ${round}`], true);
      }
    },
    'kill',
  );

  contract(
    'P11: a kill while a state is replaced leaves one of the two, and never a part of one',
    async (t, scene) => {
      const stateOf = (version: number): Buffer => Buffer.from(`version ${version}\n`.repeat(20_000));
      await scene.store.putPluginState('plugin', stateOf(0));
      for (let version = 1; version <= 8; version += 1) {
        let isAcknowledged = false;
        scene.store.putPluginState('plugin', stateOf(version)).then(
          () => {
            isAcknowledged = true;
          },
          () => {},
        );
        for (let turn = 0; turn < version; turn += 1) await nextTurn();
        await scene.kill();
        await scene.open();
        const kept = Buffer.from((await scene.store.pluginState('plugin')) ?? []);
        const isNew = kept.equals(stateOf(version));
        t.true(isNew || (!isAcknowledged && kept.equals(stateOf(version - 1))), `version ${version}`);
        await scene.store.putPluginState('plugin', stateOf(version));
      }
    },
    'kill',
  );

  contract(
    'P11: a kill during writes leaves each batch and each creation complete or absent',
    async (_t, scene) => {
      for (let index = 0; index < 5; index += 1) await scene.begin(`log_${index}`, ['created']);
      for (let round = 0; round < 8; round += 1) {
        const attempts = startWrites(scene, round);
        for (let turn = 0; turn < round; turn += 1) await nextTurn();
        await scene.kill();
        await scene.open();
        for (const started of attempts) checkAttempt(scene, started);
        await scene.checkListing();
        await scene.checkAll();
        for (const log of scene.models.keys()) await scene.checkKeys(log);
      }
    },
    'kill',
  );
};
