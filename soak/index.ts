/*
 * npm run soak [-- runtime|sockets] [--minutes N] [--seed N] [--subscribers N]: the real server under everything that
 * happens to one, for as long as it is told. Ends with one line of what went wrong, and with 1 where something did.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Random } from './random.ts';
import { soakRuntime } from './runtime.ts';
import { Server } from './server.ts';
import { soakSockets } from './sockets.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string', default: '1' },
    subscribers: { type: 'string', default: '1000' },
  },
});
// called off, it leaves neither server nor disk behind
process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));
const [what = 'runtime'] = positionals;
const minutes = Number(values.minutes);
const random = new Random(Number(values.seed));
const folder = await mkdtemp(join(tmpdir(), 'worker-runtime-soak-'));
const log = join(folder, 'server.log');
console.log(`${what} for ${minutes} min, seed ${values.seed}, in ${folder}`);

const run = async (): Promise<{ readonly line: string; readonly isWell: boolean }> => {
  if (what === 'sockets') {
    const dir = join(folder, 'store');
    const plugins = ['fs-store', 'http', 'ws', 'echo'].flatMap((name) => ['--plugin', name]);
    const server = await Server.at(log, ...plugins, '--fs-store.dir', dir);
    const subscribers = Number(values.subscribers);
    return Promise.race([soakSockets(server, random, { minutes, subscribers }), server.died]);
  }
  if (what === 'runtime') return soakRuntime(folder, random, minutes);
  throw new Error(`There is no soak of ${what}: runtime or sockets`);
};

const { line, isWell } = await run();
console.log(line);
if (isWell) await rm(folder, { recursive: true, force: true });
else console.log(`see ${log}`);
process.exit(isWell ? 0 : 1);
