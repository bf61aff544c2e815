import type { ExecutionContext } from 'ava';
import type { SimHost } from './sim-host.ts';
import { SimWorld } from './sim-world.ts';

/** The first seed; a failure names its own. */
const FIRST = Number(process.env.FIRST_SEED ?? 1);
/** The longest time until all Runtimes are served after a death, in leases. */
const SERVED_WITHIN = 2;

interface Outcome {
  readonly faults: readonly string[];
  readonly acknowledged: number;
  readonly changes: number;
}

/** Does something bad, or something that operators do. */
const disturb = (world: SimWorld): void => {
  const { random, clock, leaseMs, living } = world;
  const host = random.of(living);
  const kind = random.next();
  if (!host) world.join();
  else if (kind < 0.15 && living.length > 1) host.kill();
  else if (kind < 0.4) {
    host.clock.pause();
    clock.after(random.between(1, 4 * leaseMs), () => {
      if (!host.clock.isPaused) return;
      host.clock.resume();
      world.checkOwners(`${host.name} resumes`);
    });
  } else if (kind < 0.6) {
    host.network.isCut = true;
    clock.after(random.between(1, 4 * leaseMs), () => {
      host.network.isCut = false;
    });
  } else if (kind < 0.7 && living.length > 1) world.stop(host);
  else if (kind < 0.8) {
    const name = random.of([...world.logs.keys()]) ?? '';
    void world.membership.move(name, random.of(living)?.host.id ?? '');
  } else if (kind < 0.85 && world.loads.length > 2) void world.membership.drain(host.host.id);
  else if (world.hosts.length < 8) world.join();
};

/** Waits for as long as hosts may need, and notes the Runtimes that no host serves then. */
const expectServed = async (world: SimWorld, when: string): Promise<void> => {
  await world.clock.advance(SERVED_WITHIN * world.leaseMs);
  if (world.unserved.length > 0) world.faults.push(`${when} nobody serves ${world.unserved.join(', ')}`);
};

/** Waits for as long as hosts may need, and notes the Runtimes that a host without answers still owns. The others may balance them by then. */
const expectTakenOver = async (world: SimWorld, deaf: SimHost): Promise<void> => {
  await world.clock.advance(SERVED_WITHIN * world.leaseMs);
  const { runtimes } = await world.membership.look();
  const kept = runtimes.filter(({ host }) => host === deaf.host.id).map(({ name }) => name);
  if (kept.length > 0) world.faults.push(`after a loss of answers nobody took over ${kept.join(', ')}`);
  if (deaf.host.seats.size > 0) world.faults.push(`${deaf.name} serves without answers`);
};

const simulate = async (seed: number): Promise<Outcome> => {
  const world = new SimWorld(seed);
  const { random, clock, leaseMs, faults } = world;
  await world.makeRuntimes(random.between(1, 8));
  for (let count = random.between(2, 4); count > 0; count -= 1) world.join();
  for (let left = random.between(4, 12); left > 0; left -= 1) {
    await clock.advance(random.between(1, 2 * leaseMs));
    disturb(world);
  }
  world.calm();
  // the last statement of the hostile time arrives within a lease
  await clock.advance(leaseMs);
  if (world.loads.length === 0) {
    world.join(true);
    await clock.advance(leaseMs);
  }
  await expectServed(world, 'after the calm');
  await clock.advance(20 * leaseMs);
  const { loads, begun } = world;
  if (Math.max(...loads) - Math.min(...loads) > 1) faults.push(`the shares are ${loads.join(', ')}`);
  await clock.advance(10 * leaseMs + random.between(1, leaseMs));
  if (world.begun !== begun) faults.push(`${world.begun - begun} owners changed without a reason`);
  if (loads.length > 1) {
    const host = random.of(world.living.filter(({ host }) => !host.isDraining));
    if (host && random.isBelow(0.5)) {
      host.network.isDeaf = true;
      await expectTakenOver(world, host);
    } else {
      host?.kill();
      await expectServed(world, 'after a death');
    }
  }
  world.checkOwners('at the end');
  world.checkLogs();
  for (const { host } of world.hosts) host.close();
  return { faults, acknowledged: world.acknowledged.length, changes: begun };
};

/** Simulates `count` clusters, each from a seed of its own, and asserts that none breaks a promise. */
export const assertWorldsHold = async (t: ExecutionContext, count: number): Promise<void> => {
  t.timeout(3_600_000);
  let acknowledged = 0;
  let changes = 0;
  for (let seed = FIRST; seed < FIRST + count; seed += 1) {
    const outcome = await simulate(seed);
    t.deepEqual(outcome.faults, [], `seed ${seed}`);
    acknowledged += outcome.acknowledged;
    changes += outcome.changes;
  }
  t.log(`${acknowledged} acknowledged appends, ${changes} owners`);
  t.true(changes > count);
};
