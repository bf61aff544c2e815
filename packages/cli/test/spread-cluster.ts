import type { PostgresServer } from '@worker-runtime/test-environment/postgres-server';
import type { ExecutionContext } from 'ava';
import { ClusterHosts, type RunningHost, SteadyClient } from './cluster-hosts.ts';

/** Starts hosts with Runtimes that are spread over them, and a client for each Runtime. */
export const spreadCluster = async (
  t: ExecutionContext,
  server: PostgresServer,
  database: string,
  hostNames: readonly string[],
  runtimeNames: readonly string[],
  leaseMs?: number,
) => {
  t.timeout(180_000);
  const cluster = await ClusterHosts.make(t, server, database, leaseMs);
  await cluster.command('runtimes', 'create', ...runtimeNames);
  const hosts: RunningHost[] = await Promise.all(hostNames.map((name) => cluster.start(name)));
  const least = Math.floor(runtimeNames.length / hostNames.length);
  const runtimes = await cluster.until(
    (found) => hostNames.every((name) => found.filter(({ hostName }) => hostName === name).length >= least),
    'the Runtimes are not spread',
  );
  const clients = new Map<string, SteadyClient>();
  for (const { name, runtimeId } of runtimes) {
    const client = new SteadyClient(runtimeId, () => hosts);
    t.teardown(() => client.abort());
    await client.create();
    clients.set(name, client);
  }
  return { cluster, hosts, runtimes, clients };
};
