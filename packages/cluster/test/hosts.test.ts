import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runtimeClient } from '@worker-runtime/client';
import type { Observation } from '@worker-runtime/core';
import { Identity, Registry } from '@worker-runtime/registry';
import test from 'ava';
import { MemoryCluster } from './memory-cluster.ts';

const SCRIPT = {
  quick: [{ type: 'message', parts: [{ type: 'text', text: 'done' }] }],
  slow: [{ type: 'gate', gate: 'slow' }],
} as const;

test('P67: a host that joins gets its share, a drained one gives all away, and a pinned Runtime stays at its host', async (t) => {
  const cluster = new MemoryCluster();
  t.teardown(() => cluster.dispose());
  for (const name of ['one', 'two', 'three', 'four']) await cluster.make(name);
  const first = await cluster.join('first');
  await first.serves('one', 'two', 'three', 'four');
  const pinned = await cluster.make('pinned', 'second');
  const second = await cluster.join('second');
  while (second.host.seats.size < 3 || first.host.seats.size !== 2)
    await new Promise<void>((resolve) => {
      const stop = second.host.onChange(() => {
        stop();
        resolve();
      });
    });
  t.true(second.host.seats.has('pinned'));
  await second.stop();
  await first.serves('one', 'two', 'three', 'four');
  const away = cluster.hosts[0]?.host.find(pinned);
  t.is(away?.host, null, 'no other host takes a Runtime that is pinned');
});

test('P47: an input that comes while a Runtime moves is queued, and its run starts on the next host', async (t) => {
  const cluster = new MemoryCluster(SCRIPT);
  t.teardown(() => cluster.dispose());
  const runtimeId = await cluster.make('one');
  const first = await cluster.join('first');
  await first.serves('one');
  const second = await cluster.join('second');
  const client = runtimeClient({ url: second.url, runtime: runtimeId });
  await client.createWorker({ workerId: 'ada', engine: 'scripted' });
  await client.createWorker({ workerId: 'bea', engine: 'scripted' });
  await client.sendInput('ada', { text: 'slow' });
  await cluster.membership.move('one', second.host.id);
  while (!first.host.seats.get('one')?.isHandedOver)
    await new Promise<void>((resolve) => {
      const stop = first.host.onChange(() => {
        stop();
        resolve();
      });
    });
  const held = await client.sendInput('bea', { text: 'quick' });
  t.true(held.queued, 'the run of an idle Worker does not start here');
  cluster.engine.gate('slow').open();
  await second.serves('one');
  const { run } = await client.waitForRun('bea', held.runId, { waitMs: 10_000 });
  t.is(run?.outcome, 'completed');
  const { items } = await client.events('ada');
  const outcomes = items.flatMap((event) => (event.type === 'run.finished' ? [event.data.outcome] : []));
  t.deepEqual(outcomes, ['completed'], 'an active run may end before');
});

test('P47: hosts look when the membership has changed, without waiting for their next look', async (t) => {
  const cluster = new MemoryCluster(SCRIPT);
  t.teardown(() => cluster.dispose());
  const runtimeId = await cluster.make('one');
  // the looks of so long a lease are a minute apart
  const first = await cluster.join('first', undefined, 360_000);
  await first.serves('one');
  const second = await cluster.join('second', undefined, 360_000);
  const client = runtimeClient({ url: first.url, runtime: runtimeId });
  await client.createWorker({ workerId: 'ada', engine: 'scripted' });
  for (const target of [second, first]) {
    // the other hosts have not looked since the newest one came
    await cluster.membership.move('one', target.host.id);
    await target.serves('one');
    const { run } = await client.sendInput('ada', { text: 'quick' }, { waitMs: 10_000 });
    t.is(run?.outcome, 'completed');
  }
});

test('P48: a stream through any host continues without a gap or a repetition when the Runtime moves', async (t) => {
  const cluster = new MemoryCluster(SCRIPT);
  t.teardown(() => cluster.dispose());
  const runtimeId = await cluster.make('one');
  const first = await cluster.join('first');
  await first.serves('one');
  const second = await cluster.join('second');
  const ending = new AbortController();
  const seqs = (url: string, webSocket: null | undefined): { found: number[]; done: Promise<void> } => {
    const found: number[] = [];
    const client = runtimeClient({ url, runtime: runtimeId, ...(webSocket === null && { webSocket }) });
    const follow = async (): Promise<void> => {
      const items: AsyncIterable<Observation> = client.observe('ada', {
        after: 'start',
        acrossRestarts: true,
        signal: ending.signal,
      });
      for await (const item of items) if (item.type === 'event') found.push(item.event.seq);
    };
    return { found, done: follow() };
  };
  const client = runtimeClient({ url: first.url, runtime: 'one' });
  await client.createWorker({ workerId: 'ada', engine: 'scripted' });
  const streams = [first, second].map(({ url }) => seqs(url, null));
  for (const target of [second, first, second]) {
    await client.sendInput('ada', { text: 'quick', whenBusy: 'queue' });
    await cluster.membership.move('one', target.host.id);
    await target.serves('one');
  }
  const last = await client.sendInput('ada', { text: 'quick', whenBusy: 'queue' }, { waitMs: 10_000 });
  t.is(last.run?.outcome, 'completed');
  const count = (await client.events('ada', { limit: 200 })).items.length;
  while (streams.some(({ found }) => found.length < count))
    await new Promise((resolve) => setImmediate(resolve));
  ending.abort();
  for (const { found, done } of streams) {
    await done;
    t.deepEqual(
      found,
      Array.from({ length: count }, (_, at) => at + 1),
    );
  }
});

test('P48: a request for a Runtime that no host serves waits, and an unknown Runtime is not found', async (t) => {
  const cluster = new MemoryCluster();
  t.teardown(() => cluster.dispose());
  const runtimeId = await cluster.make('late', 'second');
  const first = await cluster.join('first');
  const client = runtimeClient({ url: first.url, runtime: runtimeId });
  const waiting = client.summary();
  await cluster.join('second');
  t.is((await waiting).runtimeId, runtimeId);
  const unknown = runtimeClient({ url: first.url, runtime: 'runtime_00000000000000000000000000' });
  await t.throwsAsync(unknown.summary(), { code: 'RUNTIME_NOT_FOUND' });
});

test('P48: a registry in front of any host follows a Runtime that moves, with signed tokens for that Runtime alone', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'worker-runtime-cluster-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const issuer = 'https://agents.example';
  const identity = await Identity.at(join(folder, 'signing.jwk'), issuer);
  const issuerFile = join(folder, 'issuers.json');
  const { keys } = identity.entry;
  await writeFile(issuerFile, JSON.stringify([{ issuer, keys, permission: 'admin' }]), { mode: 0o600 });
  const cluster = new MemoryCluster(SCRIPT);
  t.teardown(() => cluster.dispose());
  const runtimeId = await cluster.make('one');
  const otherId = await cluster.make('two', 'second');
  const first = await cluster.join('first', issuerFile);
  await first.serves('one');
  const second = await cluster.join('second', issuerFile);
  await second.serves('two');
  const registry = new Registry([{ name: 'one', url: first.url, runtimeId, auth: { identity } }]);
  t.teardown(() => registry.close());
  const api = registry.runtime(runtimeId);
  await api.createWorker({ workerId: 'ada', engine: 'scripted' });
  for (const target of [second, first]) {
    await cluster.membership.move('one', target.host.id);
    const { runId } = await api.sendInput('ada', { text: 'quick', whenBusy: 'queue' });
    await target.serves(...(target === second ? ['one', 'two'] : ['one']));
    t.is((await api.waitForRun('ada', runId, { waitMs: 10_000 })).run?.outcome, 'completed');
  }
  const accepted = (await api.events('ada')).items.filter(({ type }) => type === 'input.accepted');
  t.is(accepted.length, 2);
  // a token for one Runtime is not valid for another one, at any host
  const token = await identity.sign(runtimeId, {
    name: 'ada',
    scope: { permissions: ['admin'], workers: '*', stamp: {} },
  });
  const status = async (url: string, id: string): Promise<number> =>
    (await fetch(`${url}/v1/runtimes/${id}`, { headers: { authorization: `Bearer ${token}` } })).status;
  for (const { url } of [first, second]) {
    t.is(await status(url, runtimeId), 200);
    t.is(await status(url, 'one'), 200);
    t.is(await status(url, otherId), 401);
    t.is((await fetch(`${url}/v1/runtimes`, { headers: { authorization: `Bearer ${token}` } })).status, 401);
  }
});
