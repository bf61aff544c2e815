import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { WITHOUT_POSTGRES } from '@worker-runtime/test-environment/postgres-server';
import { inputsThroughBackend, pagesThroughBackend } from './backend.ts';
import { readsOfRuntime, readsOfWorkers } from './cheap-reads.ts';
import { clusterBenches, endCluster } from './cluster.ts';
import { consoleBenches, endConsole } from './console.ts';
import { crowd, crowdGrowth } from './crowd.ts';
import { durableEvents, durableJobs, serialJobs } from './durable.ts';
import { fanOut, socketBenches, WITHOUT_SOCKETS } from './fan-out.ts';
import {
  addedByRegistry,
  inputsThroughRegistry,
  inputsThroughRelay,
  pagesBesideHung,
  pagesThroughRegistry,
  sseThroughRegistry,
  stalledThroughRegistry,
  webSocketThroughRegistry,
} from './hop.ts';
import { inputsOverHttp, pagesOverHttp, quietBesideFlood } from './http.ts';
import { historyGrowth } from './long-worker.ts';
import { type Bench, type BenchOfRows, measure, type Result, rowsOf } from './measurement.ts';
import { memoryEvents, memoryJobs } from './memory.ts';
import { catchUpOverSse, catchUpOverWebSocket, stalled } from './observing.ts';
import { endPostgresServer, postgresServerBenches } from './postgres-as-server.ts';
import { HEAD, type Report, rowOf, withFigures } from './report.ts';
import { idleMemory, longPages, opening, openingNew } from './standing.ts';
import { endStart, help, serving } from './start.ts';

/*
 * npm run bench [-- ID…]: measures each floor and figure in pairs, both in the same process, and prints the table. If no IDs are
 * given, it also writes results/latest.json and the table of README.md.
 */

const BENCHES: readonly (Bench | BenchOfRows)[] = [
  memoryEvents,
  memoryJobs,
  durableEvents,
  durableJobs,
  serialJobs,
  crowd,
  longPages,
  opening,
  openingNew,
  idleMemory,
  help,
  serving,
  pagesOverHttp,
  readsOfRuntime,
  readsOfWorkers,
  inputsOverHttp,
  quietBesideFlood,
  pagesThroughRegistry,
  inputsThroughRegistry,
  inputsThroughRelay,
  addedByRegistry,
  sseThroughRegistry,
  webSocketThroughRegistry,
  stalledThroughRegistry,
  pagesBesideHung,
  pagesThroughBackend,
  inputsThroughBackend,
  fanOut,
  stalled,
  catchUpOverWebSocket,
  catchUpOverSse,
  ...postgresServerBenches,
  ...clusterBenches,
  ...consoleBenches,
  crowdGrowth,
  historyGrowth,
  ...socketBenches,
];
if (WITHOUT_POSTGRES !== null) console.error(`D1 to D6 are skipped: ${WITHOUT_POSTGRES}`);
if (WITHOUT_SOCKETS !== null) console.error(`G3 and G3m are skipped: ${WITHOUT_SOCKETS}`);

const wanted = process.argv.slice(2);
const known = BENCHES.flatMap(rowsOf).map(({ id }) => id);
const unknown = wanted.filter((id) => !known.includes(id));
if (unknown.length > 0) {
  console.error(`Unknown benchmark: ${unknown.join(', ')}. The benchmarks are ${known.join(', ')}`);
  process.exit(2);
}
const isWanted = ({ id }: Pick<Result, 'id'>): boolean => wanted.length === 0 || wanted.includes(id);

const results: Result[] = [];
console.log(HEAD);
for (const bench of BENCHES) {
  if (!rowsOf(bench).some(isWanted)) continue;
  for (const result of (await measure(bench)).filter(isWanted)) {
    results.push(result);
    console.log(rowOf(result));
  }
}
await endStart();
await endConsole();
await endCluster();
await endPostgresServer();

if (wanted.length === 0) {
  const machine = {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
  };
  const folder = new URL('results/', import.meta.url);
  await mkdir(folder, { recursive: true });
  const report: Report = { date: new Date().toISOString(), machine, results };
  await writeFile(new URL('latest.json', folder), `${JSON.stringify(report, null, 2)}\n`);
  const page = new URL('../README.md', import.meta.url);
  await writeFile(page, withFigures(await readFile(page, 'utf8'), report));
}
