/*
 * npm run soak [-- runtime|busy|sockets|cluster] [--minutes N] [--seed N] [--workers N] [--subscribers N]: runs the real
 * server under kills, full disks, moved files, stalled readers, floods and bad clients (`runtime`), under many busy Workers
 * (`busy`), or under sockets that come and go (`sockets`), or three hosts of one database under kills, pauses, cuts and
 * outages (`cluster`). Prints one line of results, and exits with 1 if anything went wrong.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { soakBusy } from './busy.ts';
import { soakCluster } from './cluster.ts';
import { Random } from './random.ts';
import { soakRuntime } from './runtime.ts';
import { Server } from './server.ts';
import { soakSockets } from './sockets.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string' },
    seed: { type: 'string', default: '1' },
    workers: { type: 'string', default: '2000' },
    subscribers: { type: 'string', default: '1000' },
  },
});
// An interrupted soak exits in order, so that it leaves neither the server nor the disk behind.
process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));
const [what = 'runtime'] = positionals;
const minutes = Number(values.minutes ?? (what === 'busy' ? '1' : '5'));
const random = new Random(Number(values.seed));
const folder = await mkdtemp(join(tmpdir(), 'worker-runtime-soak-'));
const log = join(folder, 'server.log');
console.log(`${what} for ${minutes} min, seed ${values.seed}, in ${folder}`);

const run = async (): Promise<{ readonly line: string; readonly hasPassed: boolean }> => {
  if (what === 'sockets') {
    const dir = join(folder, 'store');
    const plugins = ['fs-store', 'http', 'ws', 'echo'].flatMap((name) => ['--plugin', name]);
    const server = await Server.at(log, ...plugins, '--fs-store.dir', dir);
    const subscribers = Number(values.subscribers);
    return Promise.race([soakSockets(server, random, { minutes, subscribers }), server.died]);
  }
  if (what === 'runtime') return soakRuntime(folder, random, minutes);
  if (what === 'busy') return soakBusy(folder, { minutes, workers: Number(values.workers) });
  if (what === 'cluster') return soakCluster(folder, random, minutes);
  throw new Error(`Unknown soak "${what}": use runtime, busy, sockets or cluster`);
};

const { line, hasPassed } = await run();
console.log(line);
if (hasPassed) await rm(folder, { recursive: true, force: true });
else console.log(`see ${log}`);
process.exit(hasPassed ? 0 : 1);
