import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { median } from './measurement.ts';
import { PEERS } from './peers/all-peers.ts';
import { CLIENTS } from './peers/jobs.ts';
import type { Duration } from './peers/load.ts';
import type { Peer } from './peers/peer.ts';
import type { Answer } from './peers/peer-process.ts';
import { startProcess } from './peers/server-process.ts';

/*
 * npm run bench:peers [-- --rounds N] [--seconds N] [PEER…]: sends the same jobs to this system and to others, in turns on one machine,
 * and prints the table of docs/performance.md. A peer whose programs are missing is left out, with the reason.
 */

interface Goal {
  readonly text: string;
  readonly peer: string;
  readonly factor: number;
}

const PROGRAM = new URL('peers/peer-process.ts', import.meta.url);
const OURS = 'fs-store';
const GOALS: readonly Goal[] = [
  { text: 'ahead of Redis', peer: 'redis', factor: 1 },
  { text: '4 times PostgreSQL', peer: 'postgres', factor: 4 },
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '10' },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const unknown = positionals.filter((id) => !PEERS.some((peer) => peer.id === id));
if (unknown.length > 0 || !(rounds >= 1) || !(seconds > 0)) {
  console.error(
    `Usage: npm run bench:peers -- [--rounds N] [--seconds N] [PEER…], with peers of ${PEERS.map(({ id }) => id).join(', ')}`,
  );
  process.exit(2);
}
/** The time for starting, ending and reading back. A peer that takes longer has failed. */
const GRACE_MS = 120_000;
const duration: Duration = { warmUpMs: seconds * 300, measuredMs: seconds * 1_000 };

const wanted: Peer[] = [];
for (const peer of PEERS) {
  if (positionals.length > 0 && !positionals.includes(peer.id)) continue;
  const missing = await peer.prepare();
  if (missing === null) wanted.push(peer);
  else console.error(`${peer.id} is left out: ${missing}`);
}

const answers = new Map<Peer, Answer[]>(wanted.map((peer) => [peer, []]));
for (let round = 0; round < rounds; round += 1)
  for (const [peer, all] of answers) {
    try {
      const child = await startProcess<Answer>(
        PROGRAM,
        [peer.id, JSON.stringify(duration)],
        duration.warmUpMs + duration.measuredMs + GRACE_MS,
      );
      await child.stop();
      all.push(child.ready);
    } catch (error) {
      console.error(`${peer.id} failed: ${(error as Error).message}`);
      process.exitCode = 1;
    }
  }

const formatted = (value: number): string =>
  value < 100 ? value.toPrecision(3) : Math.round(value).toLocaleString('en');
const medianOf = (all: readonly Answer[], value: (answer: Answer) => number | null): number | null => {
  const known = all.map(value).filter((one) => one !== null);
  return known.length === 0 ? null : median(known);
};
const rateOf = (id: string): number | null => {
  const [, all = []] = [...answers].find(([peer]) => peer.id === id) ?? [];
  return medianOf(all, ({ jobsPerSecond }) => jobsPerSecond);
};

const ours = rateOf(OURS);
const { model } = cpus()[0] ?? { model: 'an unknown CPU' };
console.log(
  `${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores of ${model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, ${process.platform} ${process.arch}. ` +
    `${CLIENTS} clients, ${rounds} rounds of ${seconds} s each, medians.\n`,
);
console.log(
  '| | jobs/s | of fs-store, embedded | p50 ms | p99 ms | CPU ms a job | versions |\n| --- | --- | --- | --- | --- | --- | --- |',
);
for (const [{ what }, all] of answers) {
  const rate = medianOf(all, ({ jobsPerSecond }) => jobsPerSecond);
  const [latest] = all;
  if (rate === null || !latest) continue;
  const cells = [
    what,
    formatted(rate),
    ours === null ? '' : (rate / ours).toFixed(2),
    formatted(medianOf(all, ({ p50Ms }) => p50Ms) as number),
    formatted(medianOf(all, ({ p99Ms }) => p99Ms) as number),
    medianOf(all, ({ cpuMsPerJob }) => cpuMsPerJob)?.toFixed(2) ?? '',
    latest.version,
  ];
  console.log(`| ${cells.join(' | ')} |`);
}
console.log('');
for (const { text, peer, factor } of GOALS) {
  const theirs = rateOf(peer);
  if (ours === null || theirs === null) continue;
  const isMet = ours >= factor * theirs;
  console.log(`Goal: ${text}. ${(ours / theirs).toFixed(2)} times, ${isMet ? 'met' : '**missed**'}`);
}
