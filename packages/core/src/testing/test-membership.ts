import type { HostCard, Membership, SeenRuntime } from '../contracts/membership.ts';
import { declareOn } from './declare.ts';
import type { TestContext, TestFunction } from './store/harness.ts';

/** A place at which several hosts meet. */
export interface MembershipHarness {
  /** Returns a membership of one more host at the place. */
  join(): Promise<Membership>;
  /** Removes the place. Called once, after all memberships were closed. */
  dispose(): Promise<void>;
}

class MembershipScene {
  readonly t: TestContext;
  readonly #harness: MembershipHarness;
  readonly #joined: Membership[] = [];

  constructor(t: TestContext, harness: MembershipHarness) {
    this.t = t;
    this.#harness = harness;
    t.teardown(async () => {
      for (const membership of this.#joined) await membership.close();
      await harness.dispose();
    });
  }

  async join(): Promise<Membership> {
    const membership = await this.#harness.join();
    this.#joined.push(membership);
    return membership;
  }

  card(id: string, more: Partial<HostCard> = {}): HostCard {
    return { id, name: `name of ${id}`, address: `http://${id}.example:8787`, isDraining: false, ...more };
  }

  async runtime(membership: Membership, name: string): Promise<SeenRuntime> {
    const found = (await membership.look()).runtimes.find((runtime) => runtime.name === name);
    if (!found) throw new TypeError(`There is no Runtime "${name}"`);
    return found;
  }

  async beatOf(membership: Membership, id: string): Promise<number | null> {
    return (await membership.look()).hosts.find((host) => host.id === id)?.beat ?? null;
  }
}

/** The hosts that try the same thing at the same time. */
const RIVALS = 8;

/**
 * Declares the contract of `Membership` as tests. An implementation calls it in a test file, with ava's `test` or a function of the
 * same shape.
 */
export const testMembership = (test: TestFunction, makeHarness: () => Promise<MembershipHarness>): void => {
  const contract = declareOn<MembershipScene, never>(
    test,
    {},
    async (t) => new MembershipScene(t, await makeHarness()),
  );

  contract('a beat adds one, and all see the card of the host', async (t, scene) => {
    const a = await scene.join();
    const b = await scene.join();
    t.deepEqual(await b.look(), { hosts: [], runtimes: [] });
    await a.beat(scene.card('a'));
    const first = await scene.beatOf(b, 'a');
    await a.beat(scene.card('a', { address: 'http://moved.example' }));
    const { hosts } = await b.look();
    t.deepEqual(hosts, [
      { ...scene.card('a', { address: 'http://moved.example' }), beat: (first ?? Number.NaN) + 1 },
    ]);
  });

  contract('beats at the same time are all counted', async (t, scene) => {
    const a = await scene.join();
    await a.beat(scene.card('a'));
    const first = (await scene.beatOf(a, 'a')) ?? Number.NaN;
    await Promise.all(Array.from({ length: RIVALS }, () => a.beat(scene.card('a'))));
    t.is(await scene.beatOf(a, 'a'), first + RIVALS);
  });

  contract('a Runtime is made once, with an id of its own', async (t, scene) => {
    const a = await scene.join();
    const made = await Promise.all(Array.from({ length: RIVALS }, () => a.create('one', null)));
    t.is(new Set(made.map(({ runtimeId }) => runtimeId)).size, 1);
    const { runtimeId } = await a.create('two', 'machine-1');
    t.true(made.every((one) => one.runtimeId !== runtimeId));
    const { runtimes } = await a.look();
    t.deepEqual(
      runtimes.map(({ name, host, pinnedTo, movingTo }) => ({ name, host, pinnedTo, movingTo })),
      [
        { name: 'one', host: null, pinnedTo: null, movingTo: null },
        { name: 'two', host: null, pinnedTo: 'machine-1', movingTo: null },
      ],
    );
    t.is((await a.create('two', null)).pinnedTo, null);
  });

  contract('P44: one of several hosts that claim a Runtime gets it', async (t, scene) => {
    const hosts = await Promise.all(Array.from({ length: RIVALS }, () => scene.join()));
    const [first] = hosts as [Membership];
    const seen = await first.create('one', null);
    const won = await Promise.all(
      hosts.map(async (host, at) => {
        await host.beat(scene.card(`host-${at}`));
        return host.claim(`host-${at}`, seen, null);
      }),
    );
    t.is(won.filter(Boolean).length, 1);
    const now = await scene.runtime(first, 'one');
    t.is(now.host, `host-${won.indexOf(true)}`);
    t.is(now.claim, seen.claim + 1);
  });

  contract('P44: a claim of what has changed since is refused, also if it is repeated', async (t, scene) => {
    const a = await scene.join();
    for (const id of ['a', 'b']) await a.beat(scene.card(id));
    const seen = await a.create('one', null);
    t.true(await a.claim('a', seen, null));
    t.is(await a.claim('a', seen, null), false);
    const owned = await scene.runtime(a, 'one');
    t.true(await a.release(owned, null));
    t.is(await a.release(owned, null), false);
    t.is(await a.claim('b', seen, null), false);
    const free = await scene.runtime(a, 'one');
    t.deepEqual([free.host, free.claim], [null, seen.claim + 2]);
  });

  contract('P44: an owner whose beat has changed since keeps its Runtime', async (t, scene) => {
    const a = await scene.join();
    for (const id of ['a', 'b']) await a.beat(scene.card(id));
    t.true(await a.claim('a', await a.create('one', null), null));
    const seen = await scene.runtime(a, 'one');
    const beat = await scene.beatOf(a, 'a');
    await a.beat(scene.card('a'));
    t.is(await a.claim('b', seen, beat), false);
    t.is(await a.claim('b', seen, null), false, 'the owner has a card');
    t.true(await a.claim('b', seen, (beat ?? Number.NaN) + 1));
    t.is((await scene.runtime(a, 'one')).host, 'b');
  });

  contract('P44: of a beat and a claim at the same time, one comes first', async (t, scene) => {
    const a = await scene.join();
    const b = await scene.join();
    for (const id of ['a', 'b']) await a.beat(scene.card(id));
    await a.create('one', null);
    for (let round = 0; round < RIVALS; round += 1) {
      const before = await scene.runtime(a, 'one');
      const owner = before.host;
      t.true(await a.claim('a', before, owner === null ? null : await scene.beatOf(a, owner)));
      const seen = await scene.runtime(a, 'one');
      const beat = await scene.beatOf(b, 'a');
      const claiming = b.claim('b', seen, beat);
      await a.beat(scene.card('a'));
      // what the owner sees after its beat does not change any more
      const after = await scene.runtime(a, 'one');
      const isClaimed = await claiming;
      t.is(after.host, isClaimed ? 'b' : 'a');
      t.is((await scene.runtime(a, 'one')).host, after.host);
    }
  });

  contract('a host that has no card owns nothing for good', async (t, scene) => {
    const a = await scene.join();
    for (const id of ['a', 'b']) await a.beat(scene.card(id));
    t.true(await a.claim('a', await a.create('one', null), null));
    const beat = (await scene.beatOf(a, 'a')) ?? Number.NaN;
    await a.leave('a', beat - 1);
    t.is(await scene.beatOf(a, 'a'), beat, 'it has another beat');
    await a.leave('a', beat);
    t.is(await scene.beatOf(a, 'a'), null);
    t.true(await a.claim('b', await scene.runtime(a, 'one'), null));
    await a.leave('b');
    t.deepEqual((await a.look()).hosts, []);
  });

  contract('a Runtime moves to the host that its owner or an operator names', async (t, scene) => {
    const a = await scene.join();
    for (const id of ['a', 'b']) await a.beat(scene.card(id));
    t.is(await a.move('missing', 'b'), false);
    t.true(await a.claim('a', await a.create('one', null), null));
    t.true(await a.move('one', 'b'));
    const asked = await scene.runtime(a, 'one');
    t.deepEqual([asked.host, asked.movingTo], ['a', 'b']);
    t.true(await a.release(asked, 'b'));
    const free = await scene.runtime(a, 'one');
    t.deepEqual([free.host, free.movingTo], [null, 'b']);
    t.true(await a.claim('b', free, null));
    t.is((await scene.runtime(a, 'one')).movingTo, null);
  });

  contract('a drain that an operator asks for stays, although the host beats', async (t, scene) => {
    const a = await scene.join();
    t.is(await a.drain('a'), false);
    await a.beat(scene.card('a'));
    t.true(await a.drain('a'));
    await a.beat(scene.card('a'));
    t.is((await a.look()).hosts[0]?.isDraining, true);
    await a.beat(scene.card('b', { isDraining: true }));
    t.is((await a.look()).hosts.find(({ id }) => id === 'b')?.isDraining, true);
  });
};
