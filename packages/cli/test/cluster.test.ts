import { createHash } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runtimeClient } from '@worker-runtime/client';
import { PostgresServer, WITHOUT_POSTGRES } from '@worker-runtime/test-environment/postgres-server';
import { TcpProxy } from '@worker-runtime/test-environment/tcp-proxy';
import test from 'ava';
import { ClusterHosts, type RunningHost, SteadyClient } from './cluster-hosts.ts';
import { assertPausedHostsAreFenced } from './paused-hosts.ts';
import { run } from './program.ts';
import { spreadCluster } from './spread-cluster.ts';

const titles = [
  'P46: a killed host loses nothing, and the others serve its Runtimes',
  'P44: a host that was paused writes nothing after another one has taken over, 5 times under load',
  'P47: all hosts are replaced in turn, and no input is refused',
  'P48: any host answers for any Runtime, and cursors stay valid when it moves',
  'P72: hosts read their tokens again on SIGHUP, and a stream that one host passes on from another ends',
  'P44: a host that is cut off from the database serves nothing, and takes its part again when the cut heals',
  'P75: any host gives a backup of a Runtime that it owns or forwards',
  'P105: hosts continue after a change of the password of the database, without a restart',
] as const;

if (WITHOUT_POSTGRES !== null) {
  for (const title of titles) test.skip(`${title} (skipped: ${WITHOUT_POSTGRES})`, () => {});
} else {
  const server = await PostgresServer.start(['max_connections=300']);
  test.after.always(() => server.dispose());

  const checkLogs = async (
    t: { readonly deepEqual: (actual: unknown, expected: unknown, message?: string) => unknown },
    clients: ReadonlyMap<string, SteadyClient>,
  ): Promise<void> => {
    for (const [name, client] of clients) {
      const texts = await client.texts();
      t.deepEqual(
        texts,
        client.acknowledged.map(({ text }) => text),
        name,
      );
      t.deepEqual(client.refusals, [], name);
    }
  };

  test.serial(titles[6], async (t) => {
    const { cluster, hosts, runtimes } = await spreadCluster(
      t,
      server,
      'backups',
      ['a', 'b'],
      ['one', 'two'],
    );
    for (const host of hosts)
      for (const { name, runtimeId } of runtimes) {
        const file = `${host.name}-${name}.archive`;
        const args = ['backup', file, '--runtime', runtimeId, '--url', host.url];
        const { code, stdout, stderr } = await run(t, cluster.place, args);
        t.is(code, 0, stderr);
        t.true(stdout.startsWith(`${file}: 1 Worker, `) && stdout.includes(` of ${runtimeId}, `), stdout);
      }
    const args = ['backup', 'none.archive', '--url', hosts[0]?.url ?? ''];
    t.regex((await run(t, cluster.place, args)).stderr, /RUNTIME_NOT_FOUND|ROUTE_NOT_FOUND/);
  });

  test.serial(titles[0], async (t) => {
    const { cluster, hosts, clients } = await spreadCluster(
      t,
      server,
      'killed',
      ['a', 'b', 'c'],
      ['one', 'two', 'three'],
    );
    for (const client of clients.values()) client.start();
    await Promise.all([...clients.values()].map((client) => client.acknowledges(30)));
    const [killed] = hosts.splice(0, 1);
    killed?.program.kill('SIGKILL');
    await cluster.until(
      (found) => found.every(({ hostName }) => hostName === 'b' || hostName === 'c'),
      'nobody took over',
    );
    await Promise.all([...clients.values()].map((client) => client.acknowledges(30)));
    for (const client of clients.values()) await client.stop();
    for (const [name, client] of clients) {
      t.deepEqual(
        await client.texts(),
        client.acknowledged.map(({ text }) => text),
        name,
      );
      t.log(
        `${name}: ${client.acknowledged.length} inputs, longest pause ${Math.round(client.longestMs)} ms, refusals ${client.refusals.length}`,
      );
    }
  });

  test.serial(titles[1], (t) => assertPausedHostsAreFenced(t, server, 5));

  test.serial(titles[2], async (t) => {
    const { cluster, hosts, clients } = await spreadCluster(
      t,
      server,
      'replaced',
      ['a', 'b'],
      ['one', 'two', 'three', 'four'],
    );
    for (const client of clients.values()) client.start();
    for (const name of ['c', 'd']) {
      await Promise.all([...clients.values()].map((client) => client.acknowledges(20)));
      hosts.push(await cluster.start(name));
      const leaving = hosts[0] as RunningHost;
      await cluster.command('drain', leaving.name);
      hosts.splice(0, 1);
      leaving.program.kill('SIGTERM');
      const { code, stderr } = await leaving.program.ended;
      t.is(code, 0, stderr);
    }
    await Promise.all([...clients.values()].map((client) => client.acknowledges(20)));
    for (const client of clients.values()) await client.stop();
    const owners = new Set((await cluster.runtimes()).map(({ hostName }) => hostName));
    t.is(owners.size, 2);
    t.true(owners.has('c') && owners.has('d'));
    await checkLogs(t, clients);
    for (const [name, client] of clients)
      t.log(
        `${name}: ${client.acknowledged.length} inputs, longest pause ${Math.round(client.longestMs)} ms`,
      );
  });

  test.serial(titles[3], async (t) => {
    const { cluster, hosts, runtimes, clients } = await spreadCluster(
      t,
      server,
      'moved',
      ['a', 'b'],
      ['one', 'two'],
    );
    const client = clients.get('one') as SteadyClient;
    client.start();
    await client.acknowledges(20);
    const { hostName, runtimeId } = runtimes.find(({ name }) => name === 'one') ?? {};
    const other = hosts.find(({ name }) => name !== hostName) as RunningHost;
    const stream = await fetch(`${other.url}/v1/runtimes/${runtimeId}/workers/ada/events`, {
      headers: { accept: 'text/event-stream' },
    });
    t.is(stream.status, 200, 'a stream of a Runtime elsewhere');
    // over WebSocket, from the host that does not have the Runtime
    const followed: number[] = [];
    const ending = new AbortController();
    const remote = runtimeClient({ url: other.url, runtime: runtimeId as string });
    const following = (async () => {
      const items = remote.observe('ada', { after: 'start', acrossRestarts: true, signal: ending.signal });
      for await (const item of items) if (item.type === 'event') followed.push(item.event.seq);
    })();
    for (const target of [other, hosts.find((host) => host !== other) as RunningHost]) {
      await cluster.command('runtimes', 'move', 'one', target.name);
      await client.acknowledges(20);
    }
    t.regex(await stream.text(), /"reason":"RUNTIME_MOVED"/);
    await client.stop();
    await checkLogs(t, clients);
    const { items } = await cluster.command<{ items: readonly { name: string; hostName: string }[] }>(
      'runtimes',
      'list',
    );
    t.deepEqual(
      items.map(({ name }) => name),
      ['one', 'two'],
    );
    t.true(items.every((item) => hosts.some(({ name }) => name === item.hostName)));
    for (const host of hosts) {
      const listed = (await (await fetch(`${host.url}/v1/runtimes`)).json()) as {
        items: readonly { name: string }[];
      };
      t.deepEqual(
        listed.items.map(({ name }) => name),
        ['one', 'two'],
      );
      t.is((await fetch(`${host.url}/v1/runtimes/runtime_00000000000000000000000000/workers`)).status, 404);
    }
    const seqs = new Set<number>();
    for (const { cursor } of client.acknowledged) {
      const event = await client.eventAfter(cursor);
      t.is(event?.type, 'input.accepted');
      seqs.add(event?.seq ?? 0);
    }
    t.is(seqs.size, client.acknowledged.length);
    while (followed.length < Math.max(...seqs)) await new Promise((resolve) => setTimeout(resolve, 20));
    ending.abort();
    await following;
    t.deepEqual(
      followed,
      Array.from(followed, (_, at) => at + 1),
      'neither a gap nor a repetition',
    );
  });

  test.serial(titles[4], async (t) => {
    t.timeout(120_000);
    const cluster = await ClusterHosts.make(t, server, 'tokens');
    await cluster.command('runtimes', 'create', 'one');
    const path = join(cluster.place, 'tokens.json');
    const writeTokens = async (...names: readonly string[]): Promise<void> => {
      const tokens = names.map((name) => ({
        name,
        sha256: createHash('sha256').update(`canary-token-${name}`).digest('hex'),
        permission: 'operate',
      }));
      await writeFile(`${path}.new`, JSON.stringify(tokens), { mode: 0o600 });
      await rename(`${path}.new`, path);
    };
    await writeTokens('ada', 'bob');
    const start = (name: string) => cluster.start(name, '--token-file', 'tokens.json');
    const hosts = await Promise.all([start('a'), start('b')]);
    const [one] = await cluster.until(([found]) => found?.hostName != null, 'no host serves the Runtime');
    const other = hosts.find(({ name }) => name !== one?.hostName) as RunningHost;
    const as = (name: string) => ({ authorization: `Bearer canary-token-${name}` });
    const workersAt = (url: string): string => `${url}/v1/runtimes/one/workers`;
    const created = await fetch(workersAt(other.url), {
      method: 'POST',
      headers: { ...as('ada'), 'content-type': 'application/json' },
      body: JSON.stringify({ engine: 'echo', workerId: 'w' }),
    });
    t.is(created.status, 201);
    const statusAt = async (url: string, name: string): Promise<number> =>
      (await fetch(`${workersAt(url)}/w`, { headers: as(name) })).status;
    const stream = await fetch(`${workersAt(other.url)}/w/events`, {
      headers: { ...as('bob'), accept: 'text/event-stream' },
    });
    t.is(stream.status, 200);
    await writeTokens('ada', 'cleo');
    for (const { program } of hosts) program.kill('SIGHUP');
    t.regex(await stream.text(), /event: closing\ndata: .*AUTHORITY_EXPIRED/);
    for (const { program } of hosts)
      await program.prints(/"added":\["cleo"\],"removed":\["bob"\].*the tokens were read again/, 'stderr');
    for (const { url } of hosts)
      for (const [name, status] of Object.entries({ ada: 200, bob: 401, cleo: 200 }))
        t.is(await statusAt(url, name), status, `${name} at ${url}`);
    // a change without a signal
    await writeTokens('ada');
    for (const { program } of hosts) await program.prints(/"removed":\["cleo"\]/, 'stderr');
    for (const { url } of hosts) t.is(await statusAt(url, 'cleo'), 401);
  });

  test.serial(titles[5], async (t) => {
    t.timeout(180_000);
    const cluster = await ClusterHosts.make(t, server, 'cut');
    await cluster.command('runtimes', 'create', 'one', 'two');
    const proxy = await TcpProxy.to(server.port);
    t.teardown(() => proxy.close());
    const cutOff = await cluster.startBehind(proxy.port, 'a');
    const hosts = [cutOff, await cluster.start('b')];
    /** Waits as a load balancer does, which then leads no client to the host, or leads them to it again. */
    const isReady = async (status: number): Promise<void> => {
      while ((await fetch(`${cutOff.url}/readyz`)).status !== status)
        await new Promise((resolve) => setTimeout(resolve, 50));
    };
    const isSpread = (found: readonly { readonly hostName: string | null }[]): boolean =>
      ['a', 'b'].every((name) => found.some(({ hostName }) => hostName === name));
    const clients: SteadyClient[] = [];
    for (const { runtimeId } of await cluster.until(isSpread, 'the Runtimes are not spread')) {
      const client = new SteadyClient(runtimeId, () => hosts);
      t.teardown(() => client.abort());
      await client.create();
      client.start();
      clients.push(client);
    }
    const all = (count: number) => Promise.all(clients.map((client) => client.acknowledges(count)));
    await all(20);
    // clients and the other host still reach it
    proxy.cut();
    await isReady(503);
    hosts.shift();
    await cluster.until((found) => found.every(({ hostName }) => hostName === 'b'), 'nobody took over');
    await all(20);
    proxy.heal();
    await isReady(200);
    hosts.unshift(cutOff);
    await cluster.until(isSpread, 'the host did not come back');
    await all(20);
    for (const client of clients) {
      await client.stop();
      t.deepEqual(
        await client.texts(),
        client.acknowledged.map(({ text }) => text),
      );
    }
  });

  test.serial(titles[7], async (t) => {
    const own = await PostgresServer.start(['max_connections=300']);
    t.teardown(() => own.dispose());
    const { cluster, clients } = await spreadCluster(t, own, 'rotated', ['a', 'b'], ['one', 'two']);
    const all = [...clients.values()];
    for (const client of all) client.start();
    await Promise.all(all.map((client) => client.acknowledges(10)));
    await own.query("alter role worker password 'next-password'");
    const next = own.url({ user: 'worker', password: 'next-password', database: 'rotated' });
    await writeFile(join(cluster.place, 'next.url'), `${next}\n`, { mode: 0o600 });
    await rename(join(cluster.place, 'next.url'), join(cluster.place, 'pg.url'));
    // each of them has to log in again, for the store, the lease and the changes of the cluster
    await own.query("select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = 'worker'");
    await Promise.all(all.map((client) => client.acknowledges(30)));
    for (const client of all) {
      await client.stop();
      t.deepEqual(
        await client.texts(),
        client.acknowledged.map(({ text }) => text),
      );
    }
    t.is((await cluster.command<{ items: unknown[] }>('hosts')).items.length, 2);
  });
}
