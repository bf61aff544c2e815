import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { WITHOUT_POSTGRES } from '../packages/plugin-postgres-store/test/postgres-server.ts';
import { inputsThroughBackend, pagesThroughBackend } from './backend.ts';
import { readsOfRuntime, readsOfWorkers } from './cheap-reads.ts';
import { clusterBenches, endCluster } from './cluster.ts';
import { consoleBenches, endConsole } from './console.ts';
import { crowdPause, crowdTail } from './crowd.ts';
import { durableEvents, durableJobs, serialJobs } from './durable.ts';
import {
  addedByRegistry,
  inputsThroughRegistry,
  pagesBesideHung,
  pagesThroughRegistry,
  sseThroughRegistry,
  stalledThroughRegistry,
  webSocketThroughRegistry,
} from './hop.ts';
import { inputsOverHttp, pagesOverHttp, quietBesideFlood } from './http.ts';
import { type Bench, measure, type Result } from './measurement.ts';
import { memoryEvents, memoryJobs } from './memory.ts';
import { catchUpOverSse, catchUpOverWebSocket, fanOut, stalled } from './observing.ts';
import { endPostgresServer, postgresServerBenches } from './postgres-as-server.ts';
import { HEAD, type Report, rowOf, withFigures } from './report.ts';
import { idleMemory, longPages, opening, openingNew } from './standing.ts';
import { endStart, help, serving } from './start.ts';

/*
 * npm run bench [-- ID…]: measures each floor and figure in pairs, both in the same process, and prints the table. If no IDs are
 * given, it also writes results/latest.json and the table of README.md.
 */

const BENCHES: readonly Bench[] = [
  memoryEvents,
  memoryJobs,
  durableEvents,
  durableJobs,
  serialJobs,
  crowdPause,
  crowdTail,
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
];
if (WITHOUT_POSTGRES !== null) console.error(`D1 to D6 are skipped: ${WITHOUT_POSTGRES}`);

const wanted = process.argv.slice(2);
const unknown = wanted.filter((id) => !BENCHES.some((bench) => bench.id === id));
if (unknown.length > 0) {
  console.error(
    `Unknown benchmark: ${unknown.join(', ')}. The benchmarks are ${BENCHES.map((bench) => bench.id).join(', ')}`,
  );
  process.exit(2);
}

const results: Result[] = [];
console.log(HEAD);
for (const bench of BENCHES) {
  if (wanted.length > 0 && !wanted.includes(bench.id)) continue;
  const result = await measure(bench);
  results.push(result);
  console.log(rowOf(result));
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
