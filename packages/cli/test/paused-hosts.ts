import type { PostgresServer } from '@worker-runtime/test-environment/postgres-server';
import type { ExecutionContext } from 'ava';
import type { RunningHost, SteadyClient } from './cluster-hosts.ts';
import { spreadCluster } from './spread-cluster.ts';

const LEASE_MS = 1_000;

/** Pauses `swaps` hosts under load until others have taken over. Asserts that none of them writes anything afterwards. */
export const assertPausedHostsAreFenced = async (
  t: ExecutionContext,
  server: PostgresServer,
  swaps: number,
): Promise<void> => {
  const { cluster, hosts, clients } = await spreadCluster(t, server, 'paused', ['a', 'b'], ['one'], LEASE_MS);
  const [{ claim } = { claim: 0 }] = await cluster.runtimes();
  const client = clients.get('one') as SteadyClient;
  t.timeout(180_000 + swaps * 30_000);
  client.start();
  for (let round = 0; round < swaps; round += 1) {
    await client.acknowledges(20);
    const [{ hostName } = { hostName: null }] = await cluster.runtimes();
    const paused = hosts.find(({ name }) => name === hostName) as RunningHost;
    hosts.splice(hosts.indexOf(paused), 1);
    const [live] = hosts;
    const stream = await fetch(`${live?.url}/v1/runtimes/one/workers/ada/events`, {
      headers: { accept: 'text/event-stream' },
    });
    paused.program.kill('SIGSTOP');
    await cluster.until((found) => found.every((one) => one.hostName !== hostName), 'nobody took over');
    // the owner cannot end it: the host that passes it on does
    await t.throwsAsync(stream.text());
    await client.acknowledges(20);
    paused.program.kill('SIGCONT');
    hosts.push(paused);
  }
  await client.acknowledges(20);
  await client.stop();
  t.deepEqual(
    await client.texts(),
    client.acknowledged.map(({ text }) => text),
  );
  const [last] = await cluster.runtimes();
  t.true((last?.claim ?? 0) >= claim + swaps);
  t.log(
    `${(last?.claim ?? 0) - claim} claims, ${client.acknowledged.length} inputs, longest pause ${Math.round(client.longestMs)} ms`,
  );
};
