import { RuntimeError } from '../../contracts/runtime-error.ts';
import type { RuntimeStore } from '../../contracts/store.ts';
import { storedLogs } from '../stored-logs.ts';
import type { Contract } from './contract.ts';
import type { LogModel } from './log-model.ts';
import type { StoreScene } from './scene.ts';

const LIMITS = { count: 10, bytes: 1_000, direction: 'forward' } as const;

/** Every call of a store but `open` and `close`. */
const callsOf = (store: RuntimeStore, model: LogModel) => ({
  create: () => store.create('log_late', { workerId: 'late', record: null }, model.batch(['late'])),
  append: () => store.append('log_a', model.head, model.batch(['late'])),
  head: () => store.head('log_a'),
  read: () => store.read('log_a', model.position(1), LIMITS),
  record: () => store.record('log_a'),
  keys: () => store.keys('log_a'),
  remove: () => store.remove('log_a'),
  putBlob: () => store.putBlob('log_a', 'b', new Uint8Array(1)),
  blob: () => store.blob('log_a', 'b'),
  putPluginState: () => store.putPluginState('late', new Uint8Array(1)),
  pluginState: () => store.pluginState('late'),
  putBundle: () => store.putBundle({ digest: 'ab12', body: new Uint8Array(1) }),
  bundle: () => store.bundle('ab12'),
  bundles: () => store.bundles(),
});

/** Returns the code of the RuntimeError that a call fails with; null if the call succeeds. */
const codeOf = async (call: Promise<unknown>): Promise<string | null> => {
  try {
    await call;
    return null;
  } catch (error) {
    return error instanceof RuntimeError ? error.code : String(error);
  }
};

/** Lets another owner open the location while the store of the scene is open. Returns the store of each owner. */
const takeOver = async (scene: StoreScene): Promise<{ first: RuntimeStore; second: RuntimeStore }> => {
  const { store: first, harness } = scene;
  if (!harness.takeOver)
    throw new TypeError('The harness has no takeOver(): name the capability "takeover" in `lacks`');
  const second = await harness.takeOver();
  const { host } = scene;
  const opened = await second.open({ ...host, lost: () => scene.t.fail('the second owner lost the store') });
  scene.t.is(opened.runtimeId, scene.runtimeId);
  scene.t.deepEqual((await storedLogs(opened)).map(({ log }) => log).sort(), [...scene.models.keys()].sort());
  return { first, second };
};

/** Tests of a store that another owner has taken over while it was open. */
export const losingTests = (contract: Contract): void => {
  contract(
    'P15, P51: a store acknowledges nothing after another owner has opened it, and reports its loss',
    async (t, scene) => {
      const model = await scene.begin('log_a', ['one']);
      const { first, second } = await takeOver(scene);
      // The store may find its loss only after the write. Then this append is in doubt.
      const code = await codeOf(first.append('log_a', model.head, model.batch(['late'])));
      t.true(code === 'STORE_LOST' || code === 'STORE_UNAVAILABLE', `the first append: ${code}`);
      t.deepEqual(
        scene.losses.map((loss) => loss.code),
        ['STORE_LOST'],
        'the host is informed once, before the first refusal',
      );
      for (const [name, call] of Object.entries(callsOf(first, model)))
        await scene.refuses('STORE_LOST', name, call);
      t.is(scene.losses.length, 1);
      t.is(await second.pluginState('late'), null, 'a late state does not replace that of the second owner');

      // What the first owner wrote late is void for good, and its close does not disturb the second owner.
      t.deepEqual(await second.head('log_a'), model.head);
      const next = model.batch(['of the second owner']);
      await second.append('log_a', model.head, next);
      model.add(next);
      await scene.close();
      const last = model.batch(['after the first owner has closed']);
      await second.append('log_a', model.head, last);
      model.add(last);
      await second.close();
      await scene.open();
      await scene.checkListing();
      await scene.checkAll();
    },
    'takeover',
  );

  contract(
    'P15, P51: a store that was taken over while writes were in progress acknowledges only what its next owner has',
    async (t, scene) => {
      for (let index = 0; index < 5; index += 1) await scene.begin(`log_${index}`, ['created']);
      const acknowledged = new Set<string>();
      const { store } = scene;
      const writes = [...scene.models].map(async ([log, model]) => {
        const batch = model.batch(['in progress', 'at the takeover']);
        if ((await codeOf(store.append(log, model.head, batch))) === null) acknowledged.add(log);
        return { log, model, batch };
      });
      if (!scene.harness.takeOver) throw new TypeError('The harness has no takeOver()');
      const second = await scene.harness.takeOver();
      await storedLogs(second.open(scene.host));
      for (const { log, model, batch } of await Promise.all(writes)) {
        const head = await second.head(log);
        const isThere = head.seq > model.head.seq;
        if (acknowledged.has(log)) t.true(isThere, `${log}: the next owner has the acknowledged lines`);
        if (isThere) model.add(batch);
        t.deepEqual(head, model.head, `${log}: all lines of the batch or none`);
      }
      await scene.close();
      await second.close();
      await scene.open();
      await scene.checkAll();
    },
    'takeover',
  );
};
