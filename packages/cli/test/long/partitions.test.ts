import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PostgresServer, WITHOUT_POSTGRES } from '@worker-runtime/test-environment/postgres-server';
import test from 'ava';
import { ClusterHosts, type RunningHost, SteadyClient } from '../cluster-hosts.ts';
import { Network, type NetworkPlace, WITHOUT_NETWORK } from '../network.ts';

/** The times that each part of the network is cut. */
const CUTS = 2;
const LEASE_MS = 5_000;
const NAMES = ['a', 'b', 'c'] as const;
const TOKEN = { authorization: 'Bearer canary-token-of-partitions' };
/** Few, because a client waits for its time limit at each host that it cannot reach. */
const SOME = 4;

const title = `P44, P46: hosts that the network separates from the database, from clients or from one another, in one direction or both, lose nothing, and fence themselves, ${CUTS} times each`;
const reason = WITHOUT_POSTGRES ?? WITHOUT_NETWORK;

/** A part of the network that a host loses. The host may continue to serve without it, or not. */
interface Cut {
  readonly name: string;
  readonly serves: boolean;
  readonly isReached: boolean;
  readonly apply: (network: Network, host: NetworkPlace) => void;
}

const others = (network: Network, host: NetworkPlace): readonly NetworkPlace[] =>
  network.hosts.filter((other) => other !== host);

const both = (network: Network, host: NetworkPlace, places: readonly NetworkPlace[]): void => {
  for (const place of places) {
    network.cut(host, place);
    network.cut(place, host);
  }
};

const cuts: readonly Cut[] = [
  {
    name: 'the database',
    serves: false,
    isReached: true,
    apply: (network, host) => both(network, host, [network.database]),
  },
  {
    name: 'what it sends to the database',
    serves: false,
    isReached: true,
    apply: (network, host) => network.cut(host, network.database),
  },
  {
    name: 'what the database answers',
    serves: false,
    isReached: true,
    apply: (network, host) => network.cut(network.database, host),
  },
  {
    name: 'everything',
    serves: false,
    isReached: false,
    apply: (network, host) =>
      both(network, host, [network.database, network.clients, ...others(network, host)]),
  },
  {
    name: 'the other hosts',
    serves: true,
    isReached: true,
    apply: (network, host) => both(network, host, others(network, host)),
  },
  {
    name: 'what the other hosts send to it',
    serves: true,
    isReached: true,
    apply: (network, host) => {
      for (const other of others(network, host)) network.cut(other, host);
    },
  },
];

if (reason !== null) {
  test.skip(`${title} (skipped: ${reason})`, () => {});
} else {
  test(title, async (t) => {
    t.timeout(CUTS * 600_000);
    const network = Network.of(NAMES.length);
    t.teardown(() => network.dispose());
    const { address } = network.database;
    const server = await PostgresServer.start([
      'max_connections=300',
      `listen_addresses=127.0.0.1,${address}`,
    ]);
    t.teardown(() => server.dispose());
    const lines = ['127.0.0.1/32', `${address}/24`].map((range) => `host all all ${range} scram-sha-256\n`);
    await server.addFile('pg_hba.conf', lines.join(''));
    await server.query('select pg_reload_conf()');
    const cluster = await ClusterHosts.make(t, server, 'partitions', LEASE_MS);
    const sha256 = createHash('sha256').update(TOKEN.authorization.slice('Bearer '.length)).digest('hex');
    const tokens = JSON.stringify([{ name: 'ada', sha256, permission: 'operate' }]);
    await writeFile(join(cluster.place, 'tokens.json'), tokens, { mode: 0o600 });
    await cluster.command('runtimes', 'create', 'one', 'two', 'three');
    // TCP may deliver a request that a cut held back more than a thousand inputs later, after the retries of its client
    const options = ['--limits.idempotencyKeys', '100000', '--token-file', 'tokens.json'];
    const hosts = await Promise.all(
      network.hosts.map((place, at) =>
        cluster.startIn(network, server.port, place, NAMES[at] ?? '', ...options),
      ),
    );
    const spread = () =>
      cluster.until(
        (found) => NAMES.every((name) => found.some(({ hostName }) => hostName === name)),
        'the Runtimes are not spread',
        60_000,
      );
    const clients: SteadyClient[] = [];
    for (const { runtimeId } of await spread()) {
      const client = new SteadyClient(runtimeId, () => hosts, TOKEN);
      t.teardown(() => client.abort());
      await client.create();
      client.start();
      clients.push(client);
    }
    const all = () => Promise.all(clients.map((client) => client.acknowledges(SOME)));
    const statusOf = async ({ url }: RunningHost): Promise<number> => (await fetch(`${url}/readyz`)).status;
    for (let round = 0; round < CUTS; round += 1)
      for (const cut of cuts) {
        await all();
        const before = await spread();
        const host = hosts[round % NAMES.length] as RunningHost;
        const startMs = performance.now();
        cut.apply(network, network.hosts[round % NAMES.length] as NetworkPlace);
        if (cut.serves) {
          await all();
          t.deepEqual(await cluster.runtimes(), before, `${cut.name}: no Runtime moves`);
        } else {
          await cluster.until(
            (found) => found.every(({ hostName }) => hostName !== null && hostName !== host.name),
            `${cut.name}: no other host took over`,
          );
          const tookMs = performance.now() - startMs;
          t.log(`${cut.name}: others took over after ${Math.round(tookMs)} ms`);
          t.true(tookMs <= 2 * LEASE_MS, `${cut.name}: ${tookMs} ms`);
          // it has fenced itself before
          if (cut.isReached) t.is(await statusOf(host), 503, cut.name);
          await all();
        }
        network.heal();
        await spread();
        while ((await statusOf(host)) !== 200) await new Promise((resolve) => setTimeout(resolve, 50));
      }
    await all();
    for (const client of clients) await client.stop();
    for (const client of clients)
      t.deepEqual(
        await client.texts(),
        client.acknowledged.map(({ text }) => text),
      );
    const returned = await server.query(
      `select writer from (
         select runtime, writer, writer is distinct from lag(writer) over (partition by runtime order by position) as is_first
         from worker_runtime.groups) as g
       where is_first group by runtime, writer having count(*) > 1`,
      [],
      'partitions',
    );
    t.deepEqual(returned, [], 'no owner appends after another one');
  });
}
