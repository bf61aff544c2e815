import test, { type ExecutionContext } from 'ava';
import type { Claim, ClaimMode } from '../src/contracts/claim.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { faultyStore } from '../src/testing/faulty-store.ts';
import { Puppet } from './fixtures/puppet.ts';
import {
  codeOf,
  errorOf,
  logOf,
  makeRig,
  onClock,
  type Rig,
  settle,
  shutDown,
  startRig,
} from './fixtures/rig.ts';

const claim = (resource: string, mode: ClaimMode = 'write', name = 'it'): Claim => ({ name, resource, mode });

const create = (
  { runtime }: Pick<Rig, 'runtime'>,
  workerId: string,
  claims: readonly Claim[],
  parent?: string,
): Promise<unknown> =>
  runtime.createWorker({ workerId, engine: 'puppet', claims, ...(parent !== undefined && { parent }) });

/** Creates a Worker as the engine of its parent does. */
const delegate = (
  { puppet }: Pick<Rig, 'puppet'>,
  parent: string,
  workerId: string,
  claims: readonly Claim[],
): Promise<unknown> => puppet.context(parent).createChild({ workerId, engine: 'puppet', claims });

/** Pairs of write claims of unrelated Workers; true if they conflict. */
const overlaps: readonly (readonly [string, string, boolean])[] = [
  ['fs:/a', 'fs:/a', true],
  ['fs:/a', 'fs:/a/', true],
  ['fs:/a', 'fs:/a/b', true],
  ['fs:/a/b', 'fs:/a', true],
  ['fs:/a/b/c/d', 'fs:/a', true],
  ['fs:/', 'fs:/a', true],
  ['fs:/a', 'fs:/', true],
  ['fs:/', 'fs:/', true],
  ['fs:/a', 'fs:/b', false],
  ['fs:/a', 'fs:/ab', false],
  ['fs:/ab', 'fs:/a', false],
  ['fs:/a/b', 'fs:/a/c', false],
  ['fs:/a', 'git:/a', false],
  ['fs:/', 'git:/', false],
  ['fs:/A', 'fs:/a', false],
  ['fs:/a b/ä', 'fs:/a b/ä/ö', true],
  ['fs:/constructor', 'fs:/__proto__', false],
  ['fs:/__proto__', 'fs:/__proto__/x', true],
];

for (const [held, wanted, isConflict] of overlaps) {
  test(`a write claim on ${held} ${isConflict ? 'excludes' : 'allows'} one on ${wanted}`, async (t) => {
    const rig = await startRig(t);
    await create(rig, 'holder', [claim(held)]);
    const rival = create(rig, 'rival', [claim(wanted, 'write', 'wanted')]);
    if (!isConflict) {
      t.is(await codeOf(rival), 'none');
      return;
    }
    const error = await errorOf(rival);
    t.like(error, { code: 'CLAIM_CONFLICT', details: { claim: 'wanted', workers: ['holder'] } });
    t.false(JSON.stringify([error.message, error.details]).includes(held), 'the resource is private');
    for (const modes of [
      ['read', 'write'],
      ['write', 'read'],
      ['read', 'read'],
    ] as const) {
      const other = makeRig();
      await other.runtime.start();
      await create(other, 'holder', [claim(held, modes[0])]);
      t.is(await codeOf(create(other, 'rival', [claim(wanted, modes[1])])), 'none', modes.join(' '));
      await shutDown(other);
    }
  });
}

test('an invalid resource is refused', async (t) => {
  const rig = await startRig(t);
  const wrong = [
    '',
    'a',
    '/a',
    'fs:a',
    'FS:/a',
    'fs:/a//b',
    'fs:/a/../b',
    'fs:/./a',
    'fs:/a\0b',
    'fs://',
    '1:/a',
  ];
  for (const resource of wrong)
    t.is(await codeOf(create(rig, 'w', [claim('fs:/fine'), claim(resource)])), 'INVALID_REQUEST', resource);
  t.deepEqual((await rig.runtime.listWorkers()).items, []);
});

test('claims are taken all or none, and claims of one Worker may overlap', async (t) => {
  const rig = await startRig(t);
  await create(rig, 'a', [claim('fs:/a')]);
  t.is(await codeOf(create(rig, 'b', [claim('fs:/b'), claim('fs:/a')])), 'CLAIM_CONFLICT');
  t.is(await codeOf(create(rig, 'c', [claim('fs:/b'), claim('fs:/b/c'), claim('fs:/b')])), 'none');
});

test('P19: answers and events show the name and mode of a claim, and only the engine gets the resource', async (t) => {
  const rig = await startRig(t);
  await create(rig, 'w', [claim('fs:/srv/secret', 'write', 'docs')]);
  const shown = JSON.stringify([
    await rig.runtime.getWorker('w'),
    await rig.runtime.listWorkers(),
    await logOf(rig.runtime, 'w'),
    await rig.runtime.summary(),
  ]);
  t.true(shown.includes('docs'));
  t.false(shown.includes('secret'));
  t.deepEqual(rig.puppet.context('w').claims, [claim('fs:/srv/secret', 'write', 'docs')]);
});

test('a child may claim part of the claim of its parent; claims of siblings and unrelated Workers conflict', async (t) => {
  const rig = await startRig(t);
  await create(rig, 'parent', [claim('fs:/a')]);
  t.is(await codeOf(delegate(rig, 'parent', 'child', [claim('fs:/a/b')])), 'none');
  t.is(
    await codeOf(delegate(rig, 'parent', 'whole', [claim('fs:/a')])),
    'CLAIM_CONFLICT',
    "it contains a sibling's claim",
  );
  t.is(await codeOf(delegate(rig, 'parent', 'sibling', [claim('fs:/a/b/c')])), 'CLAIM_CONFLICT');
  t.is(await codeOf(delegate(rig, 'parent', 'other', [claim('fs:/a/c')])), 'none');
  t.is(await codeOf(delegate(rig, 'child', 'grandchild', [claim('fs:/a/b/c')])), 'none');
  t.is(await codeOf(create(rig, 'unrelated', [claim('fs:/a/d')])), 'CLAIM_CONFLICT');
  t.is(
    await codeOf(delegate(rig, 'parent', 'larger', [claim('fs:/')])),
    'CLAIM_CONFLICT',
    "it exceeds the parent's claim",
  );
  t.is((await rig.runtime.getWorker('child')).parent, 'parent');
  // A stop releases the parent's claim, but not those of its children.
  await rig.runtime.stopWorker('parent');
  t.is(await codeOf(create(rig, 'unrelated', [claim('fs:/a/b')])), 'CLAIM_CONFLICT');
  t.is(await codeOf(create(rig, 'unrelated', [claim('fs:/a/d')])), 'none');
  const error = await errorOf(rig.runtime.resumeWorker('parent'));
  t.like(error, { code: 'CLAIM_CONFLICT', details: { workers: ['unrelated'] } });
  await rig.runtime.stopWorker('unrelated');
  t.is((await rig.runtime.resumeWorker('parent')).status, 'idle');
});

test('P2: a Worker that names the holder of a claim as its parent gets no part of that claim', async (t) => {
  const store = memoryStore();
  const first = makeRig({ store });
  await first.runtime.start();
  await create(first, 'alice', [claim('fs:/a')]);
  await create(first, 'between', []);
  await delegate(first, 'alice', 'helper', []);
  for (const resource of ['fs:/a', 'fs:/a/b', 'fs:/'])
    t.is(await codeOf(create(first, 'mallory', [claim(resource)], 'alice')), 'CLAIM_CONFLICT', resource);
  // A child of a child that its parent's engine created is still from outside.
  t.is(await codeOf(create(first, 'mallory', [claim('fs:/a/b')], 'helper')), 'CLAIM_CONFLICT');
  t.is(await codeOf(delegate(first, 'helper', 'deep', [claim('fs:/a/d')])), 'none');
  // A Worker from outside cannot pass on what its parent holds, either.
  await create(first, 'guest', [], 'alice');
  t.is(await codeOf(delegate(first, 'guest', 'mallory', [claim('fs:/a/b')])), 'CLAIM_CONFLICT');
  // The claim of a Worker that names a stopped holder as its parent excludes the holder.
  await create(first, 'bob', [claim('fs:/b')]);
  await first.runtime.stopWorker('bob');
  t.is(await codeOf(create(first, 'mallory', [claim('fs:/b')], 'bob')), 'none');
  t.is(await codeOf(first.runtime.resumeWorker('bob')), 'CLAIM_CONFLICT');
  await shutDown(first);
  const rig = await startRig(t, { store });
  t.deepEqual((await rig.runtime.diagnostics()).items, []);
  t.is(await codeOf(create(rig, 'eve', [claim('fs:/a/b')], 'alice')), 'CLAIM_CONFLICT');
  t.is(await codeOf(rig.runtime.resumeWorker('bob')), 'CLAIM_CONFLICT');
});

test('P2: a new Worker with the id of a deleted parent has no part in the claims of its children', async (t) => {
  const rig = await startRig(t);
  await create(rig, 'boss', [claim('fs:/b')]);
  await delegate(rig, 'boss', 'child', [claim('fs:/b/x')]);
  await rig.runtime.stopWorker('boss');
  await rig.runtime.deleteWorker('boss');
  t.is(await codeOf(create(rig, 'boss', [claim('fs:/b')])), 'CLAIM_CONFLICT');
  t.is(await codeOf(create(rig, 'boss', [claim('fs:/c')])), 'none');
  await rig.runtime.stopWorker('child');
  await create(rig, 'other', [claim('fs:/b/x')]);
  t.is(await codeOf(rig.runtime.resumeWorker('child')), 'CLAIM_CONFLICT');
});

test('a stop releases the claims and a resume takes them again; a resume with a conflict changes nothing', async (t) => {
  const rig = await startRig(t);
  await create(rig, 'a', [claim('fs:/a')]);
  await rig.runtime.stopWorker('a');
  await create(rig, 'b', [claim('fs:/a')]);
  const before = await logOf(rig.runtime, 'a');
  t.is(await codeOf(rig.runtime.resumeWorker('a')), 'CLAIM_CONFLICT');
  t.deepEqual(await logOf(rig.runtime, 'a'), before);
  t.is((await rig.runtime.getWorker('a')).status, 'stopped');
  await rig.runtime.stopWorker('b');
  await rig.runtime.deleteWorker('b');
  await rig.runtime.resumeWorker('a');
  t.is(await codeOf(create(rig, 'c', [claim('fs:/a')])), 'CLAIM_CONFLICT');
});

test('a resume that fails releases the claims that it took', async (t) => {
  let isBroken = false;
  const puppet = new Puppet({
    onAttach: () => (isBroken ? Promise.reject(new TypeError('no')) : undefined),
  });
  const rig = await startRig(t, { engines: [puppet] });
  await create(rig, 'a', [claim('fs:/a')]);
  await rig.runtime.stopWorker('a');
  isBroken = true;
  t.is(await codeOf(rig.runtime.resumeWorker('a')), 'ENGINE_UNAVAILABLE');
  isBroken = false;
  t.is(await codeOf(create(rig, 'b', [claim('fs:/a')])), 'none');
});

/** Creates a Worker whose stubborn execution is detached by a stop. Returns the function that settles the execution. */
const createDetached = async (
  t: ExecutionContext,
  rig: Rig,
  puppet: Puppet,
): Promise<() => Promise<void>> => {
  await create(rig, 'w', [claim('fs:/a')]);
  await rig.runtime.sendInput('w', { text: 'go' });
  const run = puppet.last('w');
  t.is((await onClock(rig.clock, rig.runtime.stopWorker('w'))).outcome, 'detached');
  return async () => {
    run.finish();
    await settle();
  };
};

test('P2: a detached execution holds its claims until it has settled, but its own Worker may resume', async (t) => {
  const puppet = new Puppet({ isStubborn: true });
  const rig = await startRig(t, { engines: [puppet] });
  const settleExecution = await createDetached(t, rig, puppet);
  t.is(await codeOf(create(rig, 'v', [claim('fs:/a/b')])), 'CLAIM_CONFLICT');
  t.is((await rig.runtime.resumeWorker('w')).status, 'idle');
  await rig.runtime.stopWorker('w');
  t.is(
    await codeOf(create(rig, 'v', [claim('fs:/a/b')])),
    'CLAIM_CONFLICT',
    'the first execution has not settled',
  );
  await settleExecution();
  t.is(await codeOf(create(rig, 'v', [claim('fs:/a/b')])), 'none');
});

test('P2: a detached execution of a deleted Worker holds its claims, apart from a new Worker with the same id', async (t) => {
  const puppet = new Puppet({ isStubborn: true });
  const rig = await startRig(t, { engines: [puppet] });
  const settleExecution = await createDetached(t, rig, puppet);
  await rig.runtime.deleteWorker('w');
  // A Worker that gets the same id is a different one.
  t.is(await codeOf(create(rig, 'w', [claim('fs:/a')])), 'CLAIM_CONFLICT');
  await create(rig, 'w', [claim('fs:/b')]);
  await rig.runtime.stopWorker('w');
  await rig.runtime.resumeWorker('w');
  await settleExecution();
  t.is(await codeOf(create(rig, 'v', [claim('fs:/b')])), 'CLAIM_CONFLICT');
  t.is(await codeOf(create(rig, 'v', [claim('fs:/a')])), 'none');
});

test('P2: an execution that a cancel detached holds its claims after the Worker is stopped', async (t) => {
  const puppet = new Puppet({ isStubborn: true });
  const rig = await startRig(t, { engines: [puppet] });
  await create(rig, 'w', [claim('fs:/a')]);
  await rig.runtime.sendInput('w', { text: 'go' });
  await onClock(rig.clock, rig.runtime.cancelRun('w'));
  t.is((await rig.runtime.stopWorker('w')).outcome, 'graceful');
  t.is(await codeOf(create(rig, 'v', [claim('fs:/a')])), 'CLAIM_CONFLICT');
  puppet.last('w').finish();
  await settle();
  t.is(await codeOf(create(rig, 'v', [claim('fs:/a')])), 'none');
});

test('P12: Workers hold their claims again after a restart, except stopped ones', async (t) => {
  const store = memoryStore();
  const first = makeRig({ store });
  await first.runtime.start();
  await create(first, 'parent', [claim('fs:/a')]);
  await delegate(first, 'parent', 'child', [claim('fs:/a/b')]);
  await create(first, 'stopped', [claim('fs:/s')]);
  await first.runtime.stopWorker('stopped');
  await shutDown(first);
  const rig = await startRig(t, { store });
  t.deepEqual((await rig.runtime.diagnostics()).items, []);
  t.is(await codeOf(create(rig, 'x', [claim('fs:/a/c')])), 'CLAIM_CONFLICT');
  t.is(await codeOf(create(rig, 'x', [claim('fs:/s')])), 'none');
  t.is(await codeOf(rig.runtime.resumeWorker('stopped')), 'CLAIM_CONFLICT');
  await rig.runtime.sendInput('child', { text: 'go' });
  t.deepEqual(rig.puppet.context('child').claims, [claim('fs:/a/b')]);
});

test('a stop that the store confirms late releases the claims', async (t) => {
  const faulty = faultyStore(memoryStore());
  const rig = await startRig(t, { store: faulty, limits: { commitTimeoutMs: 100 } });
  await create(rig, 'w', [claim('fs:/a')]);
  const stall = faulty.stall('append');
  t.is(await onClock(rig.clock, codeOf(rig.runtime.stopWorker('w')), 100), 'STORE_UNAVAILABLE');
  t.is(await codeOf(create(rig, 'v', [claim('fs:/a')])), 'CLAIM_CONFLICT');
  stall.release('done');
  await rig.clock.advance(1_000);
  t.like(await rig.runtime.stopWorker('w'), { changed: false, outcome: 'graceful' });
  t.is(await codeOf(create(rig, 'v', [claim('fs:/a')])), 'none');
});
