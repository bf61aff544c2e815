import test, { type ExecutionContext } from 'ava';
import type { EngineOutput } from '../src/contracts/engine.ts';
import { makeRig, type Rig, settle, shutDown } from './fixtures/rig.ts';
import { stepsOf } from './fixtures/steps.ts';

/*
 * Each list that clients can make longer, at n and at 10 n entries: the number of steps of one more operation must not grow
 * faster than the list, and that of operations which look at one entry must hardly grow at all.
 */

/** Prepares `count` entries, and returns the operation whose steps are counted. */
type Prepare = (rig: Rig, count: number) => Promise<() => unknown>;

const callsOf = (count: number): readonly EngineOutput[] =>
  Array.from({ length: count }, (_, n) => ({
    type: 'tool-call',
    call: `call ${n}`,
    name: 'look',
    input: {},
  }));

const create = async ({ runtime }: Rig, count: number): Promise<void> => {
  for (let n = 0; n < count; n += 1) await runtime.createWorker({ workerId: `w${n}`, engine: 'puppet' });
};

const QUESTION = { kind: 'question', prompt: 'Who?', options: ['me'] } as const;

/** Creates Workers whose runs each have an open request. */
const createAsking = async (rig: Rig, count: number): Promise<void> => {
  const { runtime, puppet } = rig;
  await create(rig, count);
  for (let n = 0; n < count; n += 1) {
    await runtime.sendInput(`w${n}`, { text: 'go' });
    await settle();
    void puppet.last(`w${n}`).run.ask(QUESTION);
    await settle();
  }
};

/** The operations whose steps must not depend on the length of the list. */
const CONSTANT: Readonly<Record<string, Prepare>> = {
  'a change of one of many Workers': async (rig, count) => {
    await create(rig, count);
    return () => rig.runtime.updateWorker('w0', { displayName: 'new' });
  },
  'a change of a Worker with many files': async ({ runtime }, count) => {
    await runtime.createWorker({ workerId: 'w0', engine: 'puppet' });
    for (let n = 0; n < count; n += 1)
      await runtime.putFile('w0', Buffer.from(`file ${n}`), { mediaType: 'text/plain' });
    return () => runtime.updateWorker('w0', { displayName: 'new' });
  },
  'a creation beside many Workers': async (rig, count) => {
    await create(rig, count);
    return () => rig.runtime.createWorker({ workerId: 'new', engine: 'puppet' });
  },
  'a change that one of many synced watches reads': async (rig, count) => {
    const { runtime } = rig;
    await create(rig, 10);
    const watches = Array.from({ length: count }, () => runtime.openWatch());
    for (const watch of watches) while (watch.pull(100));
    return async () => {
      await runtime.updateWorker('w0', { displayName: 'new' });
      watches[0]?.pull(100);
    };
  },
  'a change beside many watches that nobody reads': async (rig, count) => {
    const { runtime } = rig;
    await create(rig, 10);
    for (let n = 0; n < count; n += 1) runtime.openWatch();
    return () => runtime.updateWorker('w0', { displayName: 'new' });
  },
  'opening and closing a watch beside many': async (rig, count) => {
    const { runtime } = rig;
    await create(rig, 1);
    for (let n = 0; n < count; n += 1) runtime.openWatch();
    return () => runtime.openWatch().close();
  },
  'an input with a key after many': async (rig, count) => {
    const { runtime, puppet } = rig;
    await create(rig, 1);
    const send = async (key: string): Promise<void> => {
      await runtime.sendInput('w0', { text: 'go' }, { idempotencyKey: key });
      await settle();
      puppet.last().finish();
      await settle();
    };
    for (let n = 0; n < count; n += 1) await send(`key ${n}`);
    return () => send('new');
  },
  'a claim beside many': async (rig, count) => {
    const { runtime } = rig;
    for (let n = 0; n < count; n += 1)
      await runtime.createWorker({
        workerId: `w${n}`,
        engine: 'puppet',
        claims: [{ name: 'files', resource: `fs:/data/${n}`, mode: 'write' }],
      });
    return () =>
      runtime.createWorker({
        workerId: 'new',
        engine: 'puppet',
        claims: [{ name: 'files', resource: 'fs:/data/new', mode: 'write' }],
      });
  },
  'a page of open requests beside many': async (rig, count) => {
    const { runtime } = rig;
    await createAsking(rig, count);
    const { next } = await runtime.listOpenRequests({ limit: 10 });
    return () => runtime.listOpenRequests({ after: next ?? '', limit: 10 });
  },
  'a request that opens and ends beside many': async (rig, count) => {
    const { runtime, puppet } = rig;
    await createAsking(rig, count);
    return async () => {
      void puppet.last('w0').run.ask(QUESTION);
      await settle();
      const { items } = await runtime.listRequests('w0');
      await runtime.respond('w0', items[0]?.requestId ?? '', { decision: 'me' });
    };
  },
  'a run beside many that stream': async (rig, count) => {
    const { runtime, puppet } = rig;
    await create(rig, count);
    for (let n = 0; n < count; n += 1) {
      await runtime.sendInput(`w${n}`, { text: 'go' });
      await settle();
      puppet.last(`w${n}`).yield({ type: 'text', text: 'x' });
    }
    await settle();
    return async () => {
      puppet.last('w0').yield({ type: 'text', text: 'y' });
      await settle();
    };
  },
};

/** The operations that deliver each entry once. */
const LINEAR: Readonly<Record<string, Prepare>> = {
  'many tool calls that are opened one by one and finished in the opposite order': async (rig, count) => {
    const { runtime, puppet } = rig;
    await create(rig, 1);
    await runtime.sendInput('w0', { text: 'go' });
    await settle();
    return async () => {
      for (const call of callsOf(count)) puppet.last().yield(call);
      for (let n = count - 1; n >= 0; n -= 1)
        puppet.last().yield({ type: 'tool-result', call: `call ${n}`, output: 1 });
      puppet.last().finish();
      while ((await runtime.getWorker('w0')).status === 'running') await settle();
    };
  },
  'a change that all of many watches read': async (rig, count) => {
    const { runtime } = rig;
    await create(rig, 10);
    const watches = Array.from({ length: count }, () => runtime.openWatch());
    for (const watch of watches) while (watch.pull(100));
    let woken = 0;
    for (const watch of watches)
      watch.onDue(() => {
        woken += 1;
        while (watch.pull(100));
      });
    return async () => {
      await runtime.updateWorker('w0', { displayName: 'new' });
      if (woken < count) throw new Error('A watch has missed the change');
    };
  },
  'a watch that reads many Workers in small parts while they change': async (rig, count) => {
    const { runtime } = rig;
    await create(rig, count);
    const watch = runtime.openWatch();
    return async () => {
      for (let n = 0; n < count; n += 1) {
        watch.pull(1);
        await runtime.updateWorker(`w${count - 1 - n}`, { displayName: 'new' });
      }
      while (watch.pull(1));
    };
  },
  'a list of many Workers': async (rig, count) => {
    await create(rig, count);
    return () => rig.runtime.listWorkers({ limit: 1_000 });
  },
  'the deletion of many Workers': async (rig, count) => {
    const { runtime } = rig;
    await create(rig, count);
    return async () => {
      for (let n = 0; n < count; n += 1) {
        await runtime.stopWorker(`w${n}`);
        await runtime.deleteWorker(`w${n}`);
      }
    };
  },
  'the end of a run with many open calls': async (rig, count) => {
    const { runtime, puppet } = rig;
    await create(rig, 1);
    await runtime.sendInput('w0', { text: 'go' });
    await settle();
    puppet.last().yield(callsOf(count));
    await settle();
    return () => runtime.cancelRun('w0');
  },
};

const stepsWith = async (prepare: Prepare, count: number): Promise<number> => {
  const rig = makeRig();
  await rig.runtime.start();
  const operation = await prepare(rig, count);
  const steps = await stepsOf(operation);
  await shutDown(rig);
  return steps;
};

const checkGrowth = async (t: ExecutionContext, prepare: Prepare, factor: number): Promise<void> => {
  const few = await stepsWith(prepare, 40);
  const many = await stepsWith(prepare, 400);
  t.log(`${few} steps at 40, ${many} at 400`);
  t.true(few > 0);
  t.true(many <= few * factor, `${few} steps at 40, ${many} at 400`);
};

for (const [what, prepare] of Object.entries(CONSTANT))
  test.serial(`P23: the steps of ${what} do not grow with their number`, async (t) => {
    await checkGrowth(t, prepare, 1.5);
  });

for (const [what, prepare] of Object.entries(LINEAR))
  test.serial(`P23: the steps of ${what} grow no faster than their number`, async (t) => {
    await checkGrowth(t, prepare, 14);
  });
