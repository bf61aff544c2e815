import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import type { RunInput } from '../src/contracts/engine.ts';
import type { RuntimeStore, Snapshot } from '../src/contracts/store.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { faultyStore } from '../src/testing/faulty-store.ts';
import { withEditedSnapshots } from './fixtures/edited-snapshots.ts';
import { logOf, makeRig, type Rig, settle, shutDown, startRig } from './fixtures/rig.ts';

const INPUTS = [
  { text: 'one' },
  { text: 'two', role: 'system' },
  { parts: [{ type: 'text', text: 'three' }], metadata: { from: { a: ['test'] } } },
] as const;

const CONTENTS: readonly RunInput[] = [
  { role: 'user', parts: [{ type: 'text', text: 'one' }] },
  { role: 'system', parts: [{ type: 'text', text: 'two' }] },
  { role: 'user', parts: [{ type: 'text', text: 'three' }], metadata: { from: { a: ['test'] } } },
];

/** Creates the Worker `w` with an active run, and queues all of `INPUTS`. */
const queueAll = async ({ runtime }: Pick<Rig, 'runtime'>): Promise<void> => {
  await runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } });
  for (const input of INPUTS) await runtime.sendInput('w', { ...input, whenBusy: 'queue' });
};

/** Ends the active run and each run after it. Returns the inputs that the runs got. */
const inputsOfRuns = async ({ runtime, puppet }: Rig): Promise<readonly (RunInput | null)[]> => {
  const inputs: (RunInput | null)[] = [];
  await settle();
  while ((await runtime.getWorker('w')).status === 'running') {
    const { run } = puppet.last('w');
    inputs.push(run.input);
    puppet.last('w').finish();
    await settle();
  }
  return inputs;
};

/** Starts a runtime on a store whose last runtime was stopped while `INPUTS` were queued. */
const restart = async (t: ExecutionContext, store: RuntimeStore, second = store): Promise<Rig> => {
  const first = makeRig({ store });
  await first.runtime.start();
  await queueAll(first);
  await shutDown(first);
  return startRig(t, { store: second });
};

test('P7: runs of queued inputs get the role, the parts and the metadata of their inputs', async (t) => {
  const rig = await startRig(t);
  await queueAll(rig);
  const [, ...inputs] = await inputsOfRuns(rig);
  t.deepEqual(inputs, CONTENTS);
});

test('P12: after a restart, runs of queued inputs get the role, the parts and the metadata of their inputs', async (t) => {
  t.deepEqual(await inputsOfRuns(await restart(t, memoryStore())), CONTENTS);
});

test('P12, P25: a snapshot that holds the text of inputs, as older versions made them, still opens', async (t) => {
  let edited = 0;
  const withTexts = ({ head, text }: Snapshot): Snapshot => {
    const { state } = JSON.parse(text);
    const queue = state.queue.map(
      (input: { readonly inputId: string; readonly runId: string }, n: number) => {
        const { inputId, runId } = input;
        return { inputId, runId, ...CONTENTS[n] };
      },
    );
    edited += queue.length;
    return { head, text: JSON.stringify({ version: 1, state: { ...state, queue } }) };
  };
  const memory = memoryStore();
  const rig = await restart(t, withEditedSnapshots(memory, withTexts), memory);
  t.is(edited, 3);
  t.is((await rig.runtime.getWorker('w')).queued, 3);
  t.deepEqual(await inputsOfRuns(rig), CONTENTS);
});

test('P12, P13: a run begins when the store can read its input again', async (t) => {
  const store = faultyStore(memoryStore());
  const first = makeRig({ store });
  await first.runtime.start();
  await queueAll(first);
  await shutDown(first);
  store.failWhile('read', 'unavailable-lost');
  const rig = await startRig(t, { store });
  await settle();
  t.is((await rig.runtime.getWorker('w')).status, 'running');
  t.is(rig.puppet.runs.length, 0);
  for (let round = 0; round < 5; round += 1) await rig.clock.advance(1_000);
  t.is(rig.puppet.runs.length, 0);
  store.heal();
  await rig.clock.advance(5_000);
  t.deepEqual(await inputsOfRuns(rig), CONTENTS);
});

test('P3: a run that cannot read its input yet can be cancelled at once, and never reaches its engine', async (t) => {
  const store = faultyStore(memoryStore());
  const rig = makeRig({ store });
  await rig.runtime.start();
  await queueAll(rig);
  await shutDown(rig);
  store.failWhile('read', 'unavailable-lost');
  const again = await startRig(t, { store });
  await settle();
  t.deepEqual(await again.runtime.cancelRun('w'), { changed: true, status: 'running' });
  store.heal();
  await again.clock.advance(5_000);
  t.deepEqual(await inputsOfRuns(again), CONTENTS.slice(1));
  const outcomes = (await logOf(again.runtime, 'w')).flatMap((event) =>
    event.type === 'run.finished' ? [event.data.outcome] : [],
  );
  t.deepEqual(outcomes, ['interrupted', 'cancelled', 'completed', 'completed']);
});

test('P23: the snapshot of a Worker has the same size for any text of its queued and active inputs', async (t) => {
  const sizeFor = async (text: string): Promise<number> => {
    let size = 0;
    const measured = (snapshot: Snapshot): Snapshot => {
      size = Math.max(size, snapshot.text.length);
      return snapshot;
    };
    const store = withEditedSnapshots(memoryStore(), measured);
    const rig = makeRig({ store });
    await rig.runtime.start();
    const metadata = { note: text.slice(0, 16_000) };
    await rig.runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text, metadata } });
    for (let n = 0; n < 16; n += 1) await rig.runtime.sendInput('w', { text, metadata, whenBusy: 'queue' });
    await store.close();
    return size;
  };
  const small = await sizeFor('x');
  const large = await sizeFor('x'.repeat(262_000));
  t.true(small > 16 * 50);
  // only numbers of bytes and offsets are longer
  t.true(large - small < 16 * 20, `${small} and ${large} characters`);
});

test('P12, P23: a process whose heap cannot hold the queued text accepts it, restarts and runs it', async (t) => {
  const script = new URL('fixtures/small-heap.ts', import.meta.url).pathname;
  const flags = ['--max-old-space-size=48', '--import=tsx'];
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, script], { timeout: 100_000 });
  const [filling, running] = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.deepEqual(filling.refused, ['LIMIT_REACHED']);
  t.true(filling.queuedBytes > 60_000_000);
  const ends = ['completed [{"type":"text","text":"whole"}]'];
  t.deepEqual(running, { begun: filling.queuedBytes / 262_000, ends });
});
