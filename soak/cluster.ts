import { setMaxListeners } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Membership } from '@worker-runtime/core/plugin-kit';
import { migrate, postgresMembership } from '@worker-runtime/plugin-postgres-store';
import { PostgresServer, WITHOUT_POSTGRES } from '@worker-runtime/test-environment/postgres-server';
import { TcpProxy } from '@worker-runtime/test-environment/tcp-proxy';
import { Balancer } from './balancer.ts';
import { clientOf, manage, poll, type Scene, send, view } from './clients.ts';
import { ClusterChaos, type SoakedHost } from './cluster-chaos.ts';
import { Oracle, type Verdict } from './oracle.ts';
import type { Random } from './random.ts';
import { Server } from './server.ts';

const HOSTS = ['a', 'b', 'c'] as const;
const RUNTIMES = 6;
const WORKERS = 20;
/** For each Runtime. */
const SENDERS = 2;
const VIEWERS = 6;
const LEASE_MS = 2_000;
/** The time for which runs may end at a handover. Some of them hang. */
const HAND_OVER_S = 2;
/** The share of the time without chaos, in which everything has to work again. */
const CALM_SHARE = 0.2;
/** The time in which each Runtime is served after the last act: some leases, and the processes that start. */
const SETTLE_MS = 30_000;

const configOf = (at: number): Readonly<Record<string, boolean | number>> => {
  if (at % 20 === 18) return { hang: true, ignoreAbort: true };
  if (at % 10 === 7) return { hang: true };
  return at % 5 === 4 ? { delayMs: 20 } : {};
};

const startHost = async (folder: string, name: string, postgres: PostgresServer): Promise<SoakedHost> => {
  const database = await TcpProxy.to(postgres.port);
  const urlFile = join(folder, `${name}.url`);
  const url = postgres.url({ user: 'worker', database: 'soak', port: database.port });
  await writeFile(urlFile, url, { mode: 0o600 });
  const store = ['--postgres-store.urlFile', urlFile, '--postgres-store.leaseMs', String(LEASE_MS)];
  const plugins = ['--plugin', 'postgres-store', '--plugin', 'echo', '--plugin', 'ws'];
  const args = [...plugins, ...store];
  const log = join(folder, 'server.log');
  const server = await Server.hostAt(log, name, HAND_OVER_S, ...args);
  await server.start();
  return { name, server, database };
};

/** Waits until a host serves each Runtime. @throws Error none does in time */
const allServed = async (membership: Membership, hosts: readonly SoakedHost[]): Promise<void> => {
  const until = performance.now() + SETTLE_MS;
  for (;;) {
    const { runtimes } = await membership.look();
    const url = hosts[0]?.server.url ?? '';
    const found = await Promise.allSettled(
      runtimes.map(({ runtimeId }) => clientOf(url, 'sse', runtimeId).summary()),
    );
    if (found.every(({ status }) => status === 'fulfilled')) return;
    if (performance.now() > until) throw new Error('Not every Runtime is served again');
    await delay(200);
  }
};

const sumOf = (verdicts: readonly Verdict[], of: keyof Verdict): number =>
  verdicts.reduce((sum, verdict) => sum + verdict[of], 0);

/** Runs three hosts of one database under random failures, and checks their Runtimes against the acknowledgements. */
export const soakCluster = async (
  folder: string,
  random: Random,
  minutes: number,
): Promise<{ readonly line: string; readonly hasPassed: boolean }> => {
  if (WITHOUT_POSTGRES !== null) return { line: `skipped: ${WITHOUT_POSTGRES}`, hasPassed: true };
  const postgres = await PostgresServer.start(['max_connections=300']);
  await postgres.makeDatabase('soak', migrate);
  const membership = postgresMembership({ url: postgres.url({ user: 'worker', database: 'soak' }) });
  const runtimes: string[] = [];
  for (let at = 0; at < RUNTIMES; at += 1)
    runtimes.push((await membership.create(`runtime-${at}`, null)).runtimeId);
  const hosts = await Promise.all(HOSTS.map((name) => startHost(folder, name, postgres)));
  const balancer = await Balancer.to(hosts.map(({ server }) => server.url));

  const soak = async (): Promise<{ readonly line: string; readonly hasPassed: boolean }> => {
    await allServed(membership, hosts);
    const { url } = balancer;
    const workerIds = Array.from({ length: WORKERS }, (_, at) => `w${at}`);
    const end = new AbortController();
    setMaxListeners(0, end.signal);
    const scenes = runtimes.map((runtime): Scene => {
      return { url, runtime, workerIds, oracle: new Oracle(), random, signal: end.signal };
    });
    for (const { runtime } of scenes)
      for (const [at, workerId] of workerIds.entries())
        await clientOf(url, 'sse', runtime).createWorker({ workerId, engine: 'echo', config: configOf(at) });
    const clients = scenes.flatMap((scene) => [
      ...Array.from({ length: SENDERS }, () => send(scene)),
      manage(scene),
      ...Array.from({ length: VIEWERS }, (_, at) => {
        const workerId = workerIds[(at * 7) % WORKERS] as string;
        return at % 3 === 2 ? poll(scene, workerId) : view(scene, workerId, at % 3 === 0 ? 'ws' : 'sse');
      }),
    ]);
    // a client that fails ends the soak
    const allClients = Promise.all(clients);
    const check = async (): Promise<void> => {
      await Promise.all(
        scenes.map(({ runtime, oracle }) =>
          oracle.checkStatus(clientOf(url, 'sse', runtime)).catch(() => {}),
        ),
      );
    };
    const chaos = new ClusterChaos({ hosts, postgres, membership, random, longestMs: 3 * LEASE_MS, check });
    const begin = performance.now();
    await Promise.race([chaos.run(begin + minutes * 60_000 * (1 - CALM_SHARE)), allClients]);
    await Promise.race([delay(minutes * 60_000 * CALM_SHARE), allClients]);
    end.abort();
    await allClients;
    await allServed(membership, hosts);
    const verdicts: Verdict[] = [];
    for (const { runtime, oracle } of scenes) {
      const api = clientOf(url, 'sse', runtime);
      await oracle.checkStatus(api);
      verdicts.push(await oracle.judge(api, workerIds));
    }
    for (const { server } of hosts) {
      const outcome = await server.end('SIGTERM');
      if (outcome !== 0) chaos.badExits.push(outcome);
    }
    const [acknowledged, lost, duplicated, wrongStatus, misread] = (
      ['acknowledged', 'lost', 'duplicated', 'wrongStatus', 'misread'] as const
    ).map((of) => sumOf(verdicts, of)) as [number, number, number, number, number];
    return {
      line:
        `acknowledged ${acknowledged}, lost ${lost}, duplicated ${duplicated}, wrong status ${wrongStatus}, misread ${misread} ` +
        `(${chaos.summary})${scenes.flatMap(({ oracle }) => oracle.findings.map((finding) => `\n  ${finding}`)).join('')}`,
      hasPassed: acknowledged > 0 && lost + duplicated + wrongStatus + misread + chaos.badExits.length === 0,
    };
  };
  try {
    return await Promise.race([soak(), ...hosts.map(({ server }) => server.died)]);
  } finally {
    balancer.close();
    for (const { server, database } of hosts) {
      await server.end('SIGKILL');
      await database.close();
    }
    await membership.close();
    await postgres.dispose();
  }
};
