import { setMaxListeners } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Chaos } from './chaos.ts';
import { clientOf, manage, poll, type Scene, send, view } from './clients.ts';
import { SmallDisk } from './disk.ts';
import { StoreFiles } from './files.ts';
import { Oracle } from './oracle.ts';
import { pipeline } from './pipeliner.ts';
import type { Random } from './random.ts';
import { Server } from './server.ts';

const WORKERS = 200;
const SENDERS = 12;
const VIEWERS = 60;
const PIPELINERS = 2;
/** The share of the time without kills. It gives one process enough time to show leaks. */
const CALM_SHARE = 0.25;

/** Returns the engine of a Worker: a fast one, a slow one, or one that hangs, ignores a cancel, fails or floods. */
const specOf = (
  at: number,
): { readonly engine: string; readonly config?: Readonly<Record<string, boolean | number | string>> } => {
  if (at % 40 === 1) return { engine: 'flooding' };
  if (at % 100 === 2) return { engine: 'acp', config: { agent: 'flooding' } };
  if (at % 20 === 19) return { engine: 'crashing' };
  if (at % 20 === 18) return { engine: 'echo', config: { hang: true, ignoreAbort: true } };
  if (at % 10 === 7) return { engine: 'echo', config: { hang: true } };
  if (at % 5 === 4) return { engine: 'echo', config: { delayMs: 20 } };
  return { engine: 'echo' };
};

/** Writes the settings of the server, and returns its arguments. */
const serverArguments = async (folder: string, store: string): Promise<readonly string[]> => {
  const pathOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
  const agent = {
    command: process.execPath,
    args: ['--import', import.meta.resolve('tsx'), pathOf('flooding-agent.ts')],
  };
  const settings = {
    plugin: ['fs-store', 'http', 'ws', 'echo', 'acp', pathOf('crashing.ts'), pathOf('flooding.ts')],
    'fs-store': { dir: store },
    acp: { agents: { flooding: agent } },
  };
  const path = join(folder, 'settings.json');
  await writeFile(path, JSON.stringify(settings));
  return ['--config', path];
};

/** Runs the real server with the file store under random failures, and checks it against the acknowledgements. */
export const soakRuntime = async (
  folder: string,
  random: Random,
  minutes: number,
): Promise<{ readonly line: string; readonly hasPassed: boolean }> => {
  const disk = new SmallDisk(join(folder, 'disk'), Math.round(128 + minutes * 64));
  const store = join(disk.path, 'store');
  const files = new StoreFiles(store, join(disk.path, 'aside'));
  const server = await Server.at(join(folder, 'server.log'), ...(await serverArguments(folder, store)));
  const soak = async (): Promise<{ readonly line: string; readonly hasPassed: boolean }> => {
    await server.start();
    const before = await server.usage();
    const { url } = server;
    const api = clientOf(url, 'sse');
    const workerIds = Array.from({ length: WORKERS }, (_, at) => `w${at}`);
    for (const [at, workerId] of workerIds.entries()) await api.createWorker({ workerId, ...specOf(at) });
    const oracle = new Oracle();
    const end = new AbortController();
    setMaxListeners(0, end.signal);
    const scene: Scene = { url, workerIds, oracle, random, signal: end.signal };
    const clients = [
      ...Array.from({ length: SENDERS }, () => send(scene)),
      ...Array.from({ length: PIPELINERS }, () => pipeline(scene)),
      manage(scene),
      ...Array.from({ length: VIEWERS }, (_, at) => {
        const workerId = workerIds[(at * 7) % WORKERS] as string;
        return at % 3 === 2 ? poll(scene, workerId) : view(scene, workerId, at % 3 === 0 ? 'ws' : 'sse');
      }),
    ];
    // A client that fails ends the soak.
    const allClients = Promise.all(clients);
    const check = (): Promise<void> => oracle.checkStatus(api).catch(() => {});
    const chaos = new Chaos({ server, disk, files, random, check });
    const begin = performance.now();
    await Promise.race([chaos.run(begin + minutes * 60_000 * (1 - CALM_SHARE)), allClients]);
    await Promise.race([delay(minutes * 60_000 * CALM_SHARE), allClients]);
    end.abort();
    await allClients;
    const verdict = await oracle.judge(api, workerIds);
    // an agent that is attached has sockets for its standard streams
    for (const [at, workerId] of workerIds.entries())
      if (specOf(at).engine === 'acp') await api.stopWorker(workerId).catch(() => {});
    const afterSoak = await server.restingUsage(before.sockets);
    await server.end('SIGTERM');
    await server.start();
    await oracle.checkStatus(api);
    const afterRestart = await server.leastUsage(5);
    const leaked = afterSoak.sockets - before.sockets;
    const heap = (afterSoak.heapBytes - afterRestart.heapBytes) / 1_048_576;
    const { acknowledged, lost, duplicated, misread } = verdict;
    const { wrongStatus } = oracle;
    const { badExits, intruders, silences } = chaos.tally;
    const hasPassed =
      acknowledged > 0 &&
      lost + duplicated + misread + wrongStatus + badExits.length + intruders + silences === 0 &&
      leaked <= 0 &&
      heap < 64;
    return {
      line:
        `acknowledged ${acknowledged}, lost ${lost}, duplicated ${duplicated}, wrong status ${wrongStatus}, misread ${misread}, ` +
        `leaked descriptors ${leaked}, heap growth ${heap.toFixed(1)} MiB (${chaos.summary})` +
        oracle.findings.map((finding) => `\n  ${finding}`).join(''),
      hasPassed,
    };
  };
  try {
    return await Promise.race([soak(), server.died]);
  } finally {
    await server.end('SIGKILL');
    disk.unmount();
  }
};
