import type { Across, RegistryApi } from '../contracts/across.ts';
import type { RuntimeApi } from '../contracts/runtime-api.ts';
import type { RuntimeState } from '../contracts/runtime-entry.ts';
import { type Declare, declareOn } from './declare.ts';
import type { ScriptedEngine } from './scripted-engine.ts';
import type { TestContext, TestFunction } from './store/harness.ts';

/** A runtime that the registry under test lists. */
export interface RegistryPlace {
  readonly name: string;
  readonly runtimeId: string;
  /** The API of the runtime itself. */
  readonly api: RuntimeApi;
  /** Its engine, with the name "scripted". */
  readonly engine: ScriptedEngine;
  /** Faults that the harness can make; absent for an embedded runtime. */
  readonly faults?: {
    /** Refuses connections, and closes the open ones. */
    cut(): Promise<void>;
    /** Accepts connections and answers nothing. */
    hang(): Promise<void>;
    /** Serves another runtime at the address. Returns its API. */
    swap(): Promise<RuntimeApi>;
    /** Ends the fault. */
    restore(): Promise<void>;
  };
}

/** A registry of several runtimes, at least one of them with faults. */
export interface RegistryHarness {
  /** Its lists wait for 2.5 s at most. */
  readonly registry: RegistryApi;
  readonly places: readonly RegistryPlace[];
  dispose(): Promise<void>;
}

/** The longest `listDeadlineMs` of a harness. A loaded machine adds to it. */
const LIST_MS = 2_500;

class RegistryScene {
  readonly t: TestContext;
  readonly registry: RegistryApi;
  readonly places: readonly RegistryPlace[];

  constructor(t: TestContext, harness: RegistryHarness) {
    const { registry, places } = harness;
    this.t = t;
    this.registry = registry;
    this.places = places.toSorted((a, b) => (a.runtimeId < b.runtimeId ? -1 : 1));
    t.teardown(() => harness.dispose());
  }

  /** The runtimes with faults. */
  get remotes(): readonly Required<RegistryPlace>[] {
    return this.places.filter((place): place is Required<RegistryPlace> => place.faults !== undefined);
  }

  /** Creates a Worker in each runtime, with these ids. */
  async create(...workerIds: readonly string[]): Promise<void> {
    for (const { api, engine } of this.places)
      for (const workerId of workerIds) await api.createWorker({ engine: engine.name, workerId });
  }

  /** Reads all pages; checks that every page names the same missing runtimes. */
  async all<T>(read: (after: string) => Promise<Across<T>>): Promise<Across<T>> {
    const items: T[] = [];
    let missing: readonly string[] | null = null;
    let after = 'start';
    for (;;) {
      const page = await read(after);
      items.push(...page.items);
      const names = page.unavailable.map(({ name }) => name).sort();
      if (missing !== null) this.t.deepEqual(names, missing, 'the missing runtimes of a page');
      missing = names;
      if (page.next === null) return { ...page, items };
      after = page.next;
    }
  }

  /** Waits until the entry of a runtime has one of these states. */
  async state(name: string, ...states: readonly RuntimeState[]): Promise<void> {
    const isSo = await waitFor(async () => {
      const entries = await this.registry.entries();
      return entries.some((entry) => entry.name === name && states.includes(entry.state));
    });
    if (!isSo) this.t.fail(`${name} did not become ${states.join(' or ')}`);
  }

  async within<T>(call: () => Promise<T>): Promise<T> {
    const begin = performance.now();
    const result = await call();
    const tookMs = performance.now() - begin;
    this.t.true(tookMs < 2 * LIST_MS, `it took ${Math.round(tookMs)} ms`);
    return result;
  }
}

/** Asks until the answer is true, since an entry has no stream over every transport. Returns false after 30 s. */
const waitFor = async (holds: () => Promise<boolean>): Promise<boolean> => {
  const end = performance.now() + 30_000;
  while (!(await holds())) {
    if (performance.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return true;
};

const codeOf = async (call: () => Promise<unknown>): Promise<unknown> => {
  try {
    await call();
    return 'no error';
  } catch (error) {
    return Object(error).code;
  }
};

/**
 * Declares the contract of `RegistryApi` as tests: lists across runtimes, and what is left of them when a runtime does not answer,
 * or another one answers in its place.
 */
export const testRegistry = (test: TestFunction, makeHarness: () => Promise<RegistryHarness>): void => {
  const contract: Declare<RegistryScene, never> = declareOn(
    test,
    {},
    async (t) => new RegistryScene(t, await makeHarness()),
  );

  contract('the entries name each runtime with what it answers now', async (t, scene) => {
    await scene.create('ada');
    for (const { name } of scene.places) await scene.state(name, 'ok');
    const entries = await scene.registry.entries();
    t.deepEqual(
      entries.map(({ name }) => name),
      scene.places.map(({ name }) => name).toSorted(),
    );
    for (const { name, runtimeId } of scene.places) {
      const entry = entries.find((one) => one.name === name);
      t.is(entry?.runtimeId, runtimeId);
      t.is(entry?.error, null);
      t.is(entry?.summary?.workers.total, 1);
    }
  });

  contract('a call reaches the runtime of its id, and no other', async (t, scene) => {
    for (const { runtimeId, engine } of scene.places) {
      const api = scene.registry.runtime(runtimeId);
      await api.createWorker({ engine: engine.name, workerId: 'ada', displayName: runtimeId });
      await api.sendInput('ada', { text: 'hello' }, { waitMs: 20_000 });
    }
    for (const { runtimeId, api } of scene.places) {
      t.is((await api.getWorker('ada')).displayName, runtimeId);
      t.deepEqual(await scene.registry.runtime(runtimeId).transcript('ada'), await api.transcript('ada'));
    }
    const unknown = `runtime_${'0'.repeat(26)}`;
    t.is(await codeOf(async () => scene.registry.runtime(unknown).summary()), 'RUNTIME_NOT_FOUND');
  });

  contract(
    'the lists have the Workers and open requests of all runtimes, in pages of any size',
    async (t, scene) => {
      const workerIds = ['a', 'b', 'c'];
      for (const { name } of scene.places) await scene.state(name, 'ok');
      await scene.create(...workerIds);
      for (const { api, engine } of scene.places) {
        engine.script = () => [
          { type: 'ask', question: { kind: 'question', prompt: 'Well?', options: ['yes'] } },
        ];
        await api.sendInput('b', { text: 'ask' });
        await waitFor(async () => (await api.listOpenRequests()).items.length === 1);
      }
      const expected = scene.places.flatMap(({ runtimeId }) => workerIds.map((id) => `${runtimeId}/${id}`));
      for (const limit of [1, 2, 3, 4, 100]) {
        const workers = await scene.all((after) => scene.registry.workers({ after, limit }));
        t.deepEqual(
          workers.items.map(({ runtimeId, workerId }) => `${runtimeId}/${workerId}`),
          expected,
        );
        t.deepEqual(workers.unavailable, []);
        const requests = await scene.all((after) => scene.registry.requests({ after, limit }));
        t.deepEqual(
          requests.items.map(({ runtimeId, workerId }) => `${runtimeId}/${workerId}`),
          scene.places.map(({ runtimeId }) => `${runtimeId}/b`),
        );
      }
      const some = scene.places.slice(1).map(({ runtimeId }) => runtimeId);
      const selected = await scene.registry.workers({ runtimes: some });
      t.deepEqual([...new Set(selected.items.map(({ runtimeId }) => runtimeId))], some);
      t.deepEqual((await scene.registry.workers({ status: 'waiting' })).items.length, scene.places.length);
      for (const after of ['nonsense', `${some[0]}.`, `${some[0]}.nonsense`, 'start.start'])
        t.is(await codeOf(() => scene.registry.workers({ after })), 'CURSOR_INVALID', after);
    },
  );

  for (const fault of ['cut', 'hang'] as const)
    contract(
      `P28: lists and entries answer in time and name a runtime that does not (${fault})`,
      async (t, scene) => {
        await scene.create('a', 'b');
        const [broken] = scene.remotes;
        if (broken === undefined) return void t.fail('the harness has no runtime with faults');
        await scene.state(broken.name, 'ok');
        await broken.faults[fault]();
        const entries = await scene.within(() => scene.registry.entries());
        const entry = entries.find(({ name }) => name === broken.name);
        t.is(entry?.state, 'unreachable');
        t.is(entry?.error?.code, 'RUNTIME_UNREACHABLE');
        t.is(entry?.summary, null, 'nothing of it is shown as present');
        for (const limit of [1, 100]) {
          const list = await scene.within(() =>
            scene.all((after) => scene.registry.workers({ after, limit })),
          );
          t.deepEqual(
            list.items.map(({ runtimeId }) => runtimeId),
            scene.places
              .filter(({ name }) => name !== broken.name)
              .flatMap(({ runtimeId }) => [runtimeId, runtimeId]),
          );
          t.deepEqual(
            list.unavailable.map(({ name, runtimeId, code }) => ({ name, runtimeId, code })),
            [{ name: broken.name, runtimeId: broken.runtimeId, code: 'RUNTIME_UNREACHABLE' }],
          );
        }
        const requests = await scene.within(() => scene.registry.requests());
        t.deepEqual(
          requests.unavailable.map(({ name }) => name),
          [broken.name],
        );
        await broken.faults.restore();
        await scene.state(broken.name, 'ok');
        t.is((await scene.registry.workers()).items.length, 2 * scene.places.length);
      },
    );

  contract('P30: no command reaches a runtime that answers in the place of another', async (t, scene) => {
    await scene.create('ada');
    const [place] = scene.remotes;
    if (place === undefined) return void t.fail('the harness has no runtime with faults');
    await scene.state(place.name, 'ok');
    const api = scene.registry.runtime(place.runtimeId);
    await api.getWorker('ada');
    const intruder = await place.faults.swap();
    await intruder.createWorker({ engine: place.engine.name, workerId: 'ada' });
    const before = await intruder.events('ada');
    for (const call of [
      () => api.sendInput('ada', { text: 'hello' }, { idempotencyKey: 'k' }),
      () => api.stopWorker('ada'),
      () => api.createWorker({ engine: place.engine.name, workerId: 'grace' }),
      () => api.getWorker('ada'),
    ])
      t.true(['RUNTIME_NOT_FOUND', 'RUNTIME_UNREACHABLE'].includes(String(await codeOf(call))));
    t.deepEqual(await intruder.events('ada'), before);
    t.is((await intruder.summary()).workers.total, 1);
    // a runtime that knows no token for another one refuses it before it says who it is
    await scene.state(place.name, 'foreign', 'refused');
    await place.faults.restore();
    await scene.state(place.name, 'ok');
    t.is((await api.getWorker('ada')).workerId, 'ada');
  });
};
