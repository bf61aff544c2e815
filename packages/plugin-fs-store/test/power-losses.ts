import { silentLogger } from '@worker-runtime/core';
import type { StoredLog, StoreFinding } from '@worker-runtime/core/plugin-kit';
import { storedLogs } from '@worker-runtime/core/testing';
import type { ExecutionContext } from 'ava';
import { FsStore } from '../src/fs-store.ts';
import type { FsStoreOptions } from '../src/store/store-settings.ts';
import { blobAt, keyAt, lineAt } from './crash-lines.ts';
import { makeDirectory, removeDirectory } from './directory.ts';
import { PowerLossDisk } from './power-loss-disk.ts';
import { randomFrom, seedFrom } from './seed.ts';

/** Small, because every state writes the recorded bytes of the reserve again. */
const RESERVE_BYTES = 16_384;

/** In place of a log: the state of a plugin, whose `seq` is its version. */
const STATE = 'state';

/** An acknowledged change, and the number of steps that the disk had made by then. */
interface Acknowledgement {
  readonly steps: number;
  readonly log: string;
  /** The number of the last line; 0 for a removal, -1 for a removal in progress. */
  readonly seq: number;
  /** True for the blob of the line instead of the line. */
  readonly isBlob?: true;
}

const host = (findings: StoreFinding[], heads: Map<string, { seq: number; bytes: number }>) => ({
  log: silentLogger,
  configuration: null,
  keptKeys: 1_000,
  lost: () => {},
  snapshotOf: (log: string) => {
    const head = heads.get(log);
    return head && { head: { ...head }, text: `${head.seq}` };
  },
  report: (finding: StoreFinding) => void findings.push(finding),
});

/** Runs a store through creations, appends, removals, checkpoints and restarts. Returns what was acknowledged. */
const runStore = async (
  dir: string,
  disk: PowerLossDisk,
  durability: Exclude<FsStoreOptions['durability'], undefined>,
  random: () => number,
): Promise<readonly Acknowledgement[]> => {
  const acknowledged: Acknowledgement[] = [];
  const heads = new Map<string, { seq: number; bytes: number }>();
  const write = async (store: FsStore, log: string): Promise<void> => {
    const head = heads.get(log) ?? { seq: 0, bytes: 0 };
    const line = lineAt(log, head.seq + 1);
    const key = keyAt(log, head.seq + 1, head.bytes);
    const batch = { lines: line, count: 1, keys: key ? [key] : [] };
    if (head.seq === 0) await store.create(log, { workerId: log, record: { log } }, batch);
    else await store.append(log, head, batch);
    heads.set(log, { seq: head.seq + 1, bytes: head.bytes + line.length });
    acknowledged.push({ steps: disk.steps, log, seq: head.seq + 1 });
    if (random() > 0.2) return;
    const { name, body } = blobAt(log, head.seq + 1);
    await store.putBlob(log, name, body);
    acknowledged.push({ steps: disk.steps, log, seq: head.seq + 1, isBlob: true });
  };
  let version = 0;
  for (let life = 0; life < 3; life += 1) {
    // Half of the closings have no time for all logs, and note their progress.
    const closingMs = random() < 0.5 ? 0 : 3_000;
    const sizes = { segmentBytes: 8_192, checkpointBytes: 6_000, behindBytes: 8_192 };
    const options = { dir, durability, closingMs, reserveBytes: RESERVE_BYTES, ...sizes };
    const store = new FsStore(options, disk);
    await storedLogs(store.open(host([], heads)));
    for (let round = 0; round < 12; round += 1) {
      const logs = Array.from({ length: 4 }, () => `log_${Math.floor(random() * 6)}`);
      await Promise.all([...new Set(logs)].map((log) => write(store, log)));
      if (random() < 0.3) {
        version += 1;
        await store.putPluginState(
          'plugin',
          Buffer.from(`${version}`.padStart(1 + Math.floor(random() * 3_000))),
        );
        acknowledged.push({ steps: disk.steps, log: STATE, seq: version });
      }
      if (random() < 0.2) {
        const log = `log_${life}_${round}`;
        await write(store, log);
        heads.delete(log);
        acknowledged.push({ steps: disk.steps, log, seq: -1 });
        await store.remove(log);
        acknowledged.push({ steps: disk.steps, log, seq: 0 });
      }
    }
    await store.close();
  }
  return acknowledged;
};

const check = async (
  t: ExecutionContext,
  dir: string,
  acknowledged: readonly Acknowledgement[],
  isCommit: boolean,
  what: string,
): Promise<void> => {
  const findings: StoreFinding[] = [];
  const store = new FsStore({ dir, reserveBytes: RESERVE_BYTES });
  const listed = new Map<string, StoredLog>();
  try {
    for (const log of await storedLogs(store.open(host(findings, new Map())))) listed.set(log.log, log);
  } catch (error) {
    throw new Error(`${what}: the store does not open`, { cause: error });
  }
  const severe = findings.filter((finding) => finding.severity !== 'info');
  t.deepEqual(severe, [], `${what}: a power loss is not reported as damage`);
  const last = new Map(acknowledged.map(({ log, seq }) => [log, seq]));
  const state = Number(Buffer.from((await store.pluginState('plugin')) ?? []).toString());
  t.true(state >= (last.get(STATE) ?? 0), `${what}: the state is version ${state} of ${last.get(STATE)}`);
  last.delete(STATE);
  for (const [log, seq] of isCommit ? last : []) {
    const stored = listed.get(log);
    if (seq === 0) t.is(stored, undefined, `${what}: ${log} was removed`);
    else if (seq > 0)
      t.true((stored?.head.seq ?? 0) >= seq, `${what}: ${log} has ${stored?.head.seq} of ${seq} lines`);
  }
  for (const { log, head, isDamaged, snapshot } of listed.values()) {
    t.false(isDamaged, `${what}: ${log} is damaged`);
    const limits = { count: 10_000, bytes: 10_000_000, direction: 'forward' } as const;
    const slice = await store.read(log, { seq: 1, offset: 0 }, limits);
    const expected = Buffer.concat(Array.from({ length: head.seq }, (_, index) => lineAt(log, index + 1)));
    t.is(slice.gap, null);
    t.is(Buffer.from(slice.lines).toString(), expected.toString(), `${what}: ${log}`);
    t.deepEqual(await store.record(log), { log });
    const keys = (await store.keys(log)).map((key) => key.seq);
    t.deepEqual(
      keys,
      Array.from({ length: Math.floor(head.seq / 5) }, (_, index) => 5 * index + 5),
    );
    if (snapshot) t.is(snapshot.text, `${snapshot.head.seq}`);
  }
  for (const { log, seq, isBlob } of acknowledged) {
    if (!isBlob || !listed.has(log)) continue;
    const { name, body } = blobAt(log, seq);
    const kept = await store.blob(log, name);
    t.is(kept && Buffer.from(kept).toString(), body.toString(), `${what}: ${name} of ${log}`);
  }
  await store.close();
};

const SEED = seedFrom(process.env.POWER_LOSS_SEED);

/** Asserts that the disk after a power loss at any of `count` steps has what the policy promises. */
export const assertSurvivesPowerLosses = async (
  t: ExecutionContext,
  policy: 'commit' | 'interval',
  count: number,
): Promise<void> => {
  t.timeout(120_000 + count * 1_000);
  t.log(`seed ${SEED}`);
  const random = randomFrom(SEED);
  const dir = await makeDirectory();
  const disk = new PowerLossDisk(dir);
  const durability = policy === 'commit' ? 'commit' : { intervalMs: 5 };
  const acknowledged = await runStore(dir, disk, durability, random);
  await removeDirectory(dir);
  const stride = Math.max(1, Math.floor(disk.steps / count));
  for (let steps = Math.floor(random() * stride); steps <= disk.steps; steps += stride) {
    const place = await makeDirectory();
    await disk.leave(steps, random, place);
    const due = acknowledged.filter((acknowledgement) => acknowledgement.steps <= steps);
    await check(t, place, due, policy === 'commit', `seed ${SEED}, ${steps} of ${disk.steps} steps`);
    await removeDirectory(place);
  }
  t.log(`${disk.steps} steps, ${acknowledged.length} acknowledgements`);
};
