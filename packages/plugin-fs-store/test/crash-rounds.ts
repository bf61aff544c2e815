import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { silentLogger } from '@worker-runtime/core';
import type { StoredLog, StoreFinding } from '@worker-runtime/core/plugin-kit';
import { storedLogs } from '@worker-runtime/core/testing';
import type { ExecutionContext } from 'ava';
import { FsStore } from '../src/fs-store.ts';
import { blobAt, keyAt, lineAt } from './crash-lines.ts';
import { copyDirectory, makeDirectory, removeDirectory } from './directory.ts';
import { seedFrom } from './seed.ts';

/** The reports of a killed process. */
interface Acknowledged {
  readonly heads: Map<string, number>;
  /** The logs and numbers of blobs. */
  readonly blobs: Set<string>;
  readonly removing: Set<string>;
  readonly removed: Set<string>;
  readonly findings: string[];
}

const CHILD = join(import.meta.dirname, 'crash-child.ts');

const start = (dir: string, policy: string, round: number): ChildProcess =>
  spawn(
    process.execPath,
    ['--import=tsx', '--conditions=@worker-runtime/source', CHILD, dir, policy, String(round)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );

const note = (line: string, known: Acknowledged): void => {
  const [what, log = '', seq = ''] = line.split(' ');
  if (what === 'at') known.heads.set(log, Number(seq));
  else if (what === 'blob') known.blobs.add(`${log} ${seq}`);
  else if (what === 'removing') known.removing.add(log);
  else if (what === 'removed') known.removed.add(log);
  else if (what === 'finding') known.findings.push(line);
};

/** Runs a child, and kills it `delayMs` after it has opened the store. */
const runOnce = async (dir: string, policy: string, round: number, delayMs: number, known: Acknowledged) => {
  const child = start(dir, policy, round);
  let rest = '';
  let isOpen = false;
  child.stdout?.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n');
    // An incomplete line is no report.
    rest = lines.pop() ?? '';
    for (const line of lines) note(line, known);
    if (!isOpen && lines.includes('open')) {
      isOpen = true;
      setTimeout(() => child.kill('SIGKILL'), delayMs);
    }
  });
  await once(child, 'close');
  if (!isOpen) throw new Error(`The child did not open the store: round ${round}`);
};

const checkLog = async (store: FsStore, stored: StoredLog, atLeast: number): Promise<void> => {
  const { log, head } = stored;
  const fail = (what: string): never => {
    throw new Error(`${log}: ${what}`);
  };
  if (stored.isDamaged) fail('is damaged');
  if (head.seq < atLeast) fail(`${atLeast} lines were acknowledged, ${head.seq} were found`);
  const keys = [];
  let offset = 0;
  for (let seq = 1; seq <= head.seq; ) {
    const limits = { count: 200, bytes: 100_000, direction: 'forward' } as const;
    const slice = await store.read(log, { seq, offset }, limits);
    if (slice.gap) fail(`has a gap at ${seq}`);
    const lines: Buffer[] = [];
    for (let line = seq; line < seq + slice.count; line += 1) {
      const key = keyAt(log, line, offset);
      if (key) keys.push(key);
      lines.push(lineAt(log, line));
      offset += lines.at(-1)?.length ?? 0;
    }
    if (Buffer.compare(Buffer.concat(lines), slice.lines) !== 0) fail(`has other lines from ${seq} on`);
    seq += slice.count;
  }
  if (offset !== head.bytes) fail(`the head says ${head.bytes} bytes, ${offset} were read`);
  const kept = await store.keys(log);
  if (JSON.stringify(kept) !== JSON.stringify(keys.slice(-kept.length)) && kept.length > 0)
    fail('has other keys');
  if (kept.length < Math.min(1_000, keys.length)) fail(`has ${kept.length} of ${keys.length} keys`);
  if (stored.snapshot && stored.snapshot.text !== `{"at":${stored.snapshot.head.seq}}`) {
    fail('has a snapshot of another position');
  }
};

/** Checks that acknowledged blobs are there, that every blob is whole, and that nothing else is left of blobs. */
const checkBlobs = async (dir: string, listed: ReadonlyMap<string, StoredLog>, known: Acknowledged) => {
  const left = await readdir(join(dir, 'incoming'));
  if (left.length > 0) throw new Error(`Incomplete blobs are left: ${left.join(', ')}`);
  const found = new Set<string>();
  for (const log of await readdir(join(dir, 'blobs'))) {
    if (!listed.has(log)) throw new Error(`Blobs of ${log} are left`);
    for (const file of await readdir(join(dir, 'blobs', log))) {
      const seq = Number(/^blob-(\d+)$/.exec(file)?.[1]);
      const body = await readFile(join(dir, 'blobs', log, file));
      if (!body.equals(blobAt(log, seq).body)) throw new Error(`The blob ${file} of ${log} is not whole`);
      found.add(`${log} ${seq}`);
    }
  }
  for (const blob of known.blobs)
    if (!found.has(blob) && listed.has(blob.split(' ')[0] ?? ''))
      throw new Error(`The blob ${blob} was acknowledged and is missing`);
};

/** Opens the store after a kill, and compares it with everything that was acknowledged. */
const check = async (dir: string, known: Acknowledged): Promise<void> => {
  const findings: StoreFinding[] = [
    ...known.findings.map((line) => JSON.parse(line.slice(8)) as StoreFinding),
  ];
  const store = new FsStore({ dir });
  const logs = await storedLogs(
    store.open({
      log: silentLogger,
      configuration: null,
      keptKeys: 1_000,
      lost: () => {},
      snapshotOf: () => undefined,
      report: (finding) => findings.push(finding),
    }),
  );
  const listed = new Map(logs.map((stored) => [stored.log, stored]));
  for (const [log, seq] of known.heads) {
    const stored = listed.get(log);
    if (known.removed.has(log)) {
      if (stored) throw new Error(`${log} was removed and is listed again`);
    } else if (stored) await checkLog(store, stored, seq);
    else if (!known.removing.has(log)) throw new Error(`${log} was created and is missing`);
  }
  for (const stored of listed.values()) await checkLog(store, stored, 0);
  await checkBlobs(dir, listed, known);
  const severe = findings.filter((finding) => finding.severity !== 'info');
  if (severe.length > 0) throw new Error(`A kill was reported as damage: ${JSON.stringify(severe)}`);
  await store.close();
};

/** Kills a committing process `rounds` times. Returns how many acknowledgements were checked. */
const crashRounds = async (rounds: number, policy: 'commit' | 'interval', seed: number): Promise<number> => {
  const dir = await makeDirectory();
  const known: Acknowledged = {
    heads: new Map(),
    blobs: new Set(),
    removing: new Set(),
    removed: new Set(),
    findings: [],
  };
  let state = seed;
  const random = (): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state / 2 ** 32;
  };
  try {
    for (let round = 0; round < rounds; round += 1) {
      await runOnce(dir, policy, round, random() * 250, known);
      // Most rounds check a copy. Every fifth one checks the store itself, which then continues from there.
      const isCopy = round % 5 !== 4;
      const place = isCopy ? await copyDirectory(dir) : dir;
      try {
        await check(place, known);
      } catch (error) {
        throw new Error(`round ${round}, seed ${seed}, ${policy}`, { cause: error });
      } finally {
        if (isCopy) await removeDirectory(place);
      }
    }
    return [...known.heads.values()].reduce((sum, seq) => sum + seq, 0);
  } finally {
    await removeDirectory(dir);
  }
};

const SEED = seedFrom(process.env.CRASH_SEED);

/** Asserts that a store whose process is killed `rounds` times at full speed has everything that it acknowledged. */
export const assertSurvivesKills = async (
  t: ExecutionContext,
  policy: 'commit' | 'interval',
  rounds: number,
): Promise<void> => {
  t.timeout(30_000 + rounds * 20_000);
  t.log(`seed ${SEED}`);
  const acknowledged = await crashRounds(rounds, policy, SEED);
  t.log(`${acknowledged} acknowledged lines`);
  t.true(acknowledged > 0);
};
