import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Clock, type Logger, memoryStore, Runtime, systemClock } from '@worker-runtime/core';
import { scriptedEngine } from '@worker-runtime/core/testing';
import test, { type ExecutionContext } from 'ava';
import { plugin, type WebhookEndpoint, webhooks } from '../src/index.ts';
import { receive } from './receiver.ts';

const newSecret = (): string => `whsec_${randomBytes(32).toString('base64')}`;

const makePlace = async (t: ExecutionContext, ...secrets: string[]) => {
  const dir = await mkdtemp(join(tmpdir(), 'worker-runtime-webhooks-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const secretFile = join(dir, 'secret');
  await writeFile(secretFile, secrets.join('\n'), { mode: 0o600 });
  return { dir, secretFile };
};

/** A clock whose timers of more than a moment wait until the test fires them, and are recorded. */
const pausedClock = () => {
  const pauses: { readonly ms: number; fire(): void }[] = [];
  const clock: Clock = {
    now: () => systemClock.now(),
    after(ms, callback) {
      let isCancelled = false;
      pauses.push({ ms, fire: () => !isCancelled && callback() });
      return () => {
        isCancelled = true;
      };
    },
  };
  return { clock, pauses };
};

const begin = async (
  t: ExecutionContext,
  endpoints: Readonly<Record<string, WebhookEndpoint>>,
  {
    clock = systemClock,
    store = memoryStore(),
  }: { clock?: Clock; store?: ReturnType<typeof memoryStore> } = {},
) => {
  const lines: string[] = [];
  const write = (fields: object, message: string): void => {
    lines.push(`${JSON.stringify(fields)} ${message} ${String((fields as { err?: unknown }).err)}`);
  };
  const log: Logger = { debug: write, info: write, warn: write, error: write };
  const engine = scriptedEngine();
  engine.script = () => [{ type: 'text', text: 'done' }];
  const runtime = await Runtime.start({
    engines: [engine],
    plugins: [webhooks({ endpoints }, clock)],
    store,
    log,
  });
  t.teardown(() => runtime.stop());
  const run = async (workerId: string, labels: Record<string, string> = {}) => {
    if (runtime.labelsOf(workerId) === null)
      await runtime.createWorker({ engine: 'scripted', workerId, labels });
    const receipt = await runtime.sendInput(workerId, { text: 'go' }, { waitMs: 20_000 });
    t.is(receipt.run?.outcome, 'completed');
    return receipt;
  };
  return { runtime, run, lines, store };
};

const allow = ['127.0.0.1'];

test('P82: an endpoint gets the events of its types and labels, in order, and each of two secrets verifies them', async (t) => {
  const [last, next] = [newSecret(), newSecret()];
  const { secretFile } = await makePlace(t, last, next);
  const old = await receive(t, last);
  const fresh = await receive(t, next);
  const { run, runtime } = await begin(t, {
    old: { url: old.url, secretFile, allow, types: ['run.started', 'run.finished'] },
    fresh: { url: fresh.url, secretFile, allow, labels: { team: 'blue' } },
  });
  const { runId } = await run('a', { team: 'blue' });
  await run('b');
  await run('a');
  await runtime.stopWorker('a');
  await old.until(() => old.accepted.length === 6);
  await fresh.until(() => fresh.accepted.length === 3);
  const ofA = old.accepted.filter(({ data }) => data.workerId === 'a');
  t.deepEqual(
    ofA.map(({ type }) => type),
    ['run.started', 'run.finished', 'run.started', 'run.finished'],
  );
  t.deepEqual(
    fresh.accepted.map(({ type, data }) => [type, data.workerId]),
    [
      ['run.finished', 'a'],
      ['run.finished', 'a'],
      ['worker.stopped', 'a'],
    ],
  );
  const [{ data, timestamp }] = fresh.accepted as [(typeof fresh.accepted)[0]];
  const { items } = await runtime.events('a', { types: ['run.finished'], limit: 1 });
  t.deepEqual(data, {
    runtimeId: runtime.runtimeId,
    workerId: 'a',
    seq: items[0]?.seq as number,
    run: runId,
    event: { outcome: 'completed' },
  });
  t.is(timestamp, items[0]?.time as string);
  t.deepEqual([...old.wrong, ...fresh.wrong], []);
});

test('P82: an endpoint may have any name, and keeps its position over a restart', async (t) => {
  const secret = newSecret();
  const { secretFile } = await makePlace(t, secret);
  const store = memoryStore();
  const names = ['constructor', '__proto__', 'toString'];
  const receivers = await Promise.all(names.map(() => receive(t, secret)));
  const endpoints = Object.fromEntries(
    names.map((name, at) => [name, { url: receivers[at]?.url as string, secretFile, allow }]),
  );
  for (const count of [1, 2]) {
    const { run, runtime } = await begin(t, endpoints, { store });
    await run('a');
    for (const receiver of receivers) await receiver.until(() => receiver.accepted.length >= count);
    await runtime.stop();
    for (const { accepted } of receivers) t.is(new Set(accepted.map(({ data }) => data.seq)).size, count);
    for (const { accepted } of receivers) t.is(accepted.length, count);
  }
});

test('P86: the history of a fork is not sent again, and what the fork does is', async (t) => {
  const secret = newSecret();
  const { secretFile } = await makePlace(t, secret);
  const receiver = await receive(t, secret);
  const { run, runtime } = await begin(t, {
    all: { url: receiver.url, secretFile, allow, types: ['run.finished', 'worker.forked'] },
  });
  await run('a');
  await runtime.forkWorker('a', { workerId: 'b' });
  await run('b');
  await receiver.until(() => receiver.accepted.length === 3);
  // in order for each Worker; the events of two Workers may pass each other
  const typesOf = (workerId: string) =>
    receiver.accepted.filter(({ data }) => data.workerId === workerId).map(({ type }) => type);
  t.deepEqual(typesOf('a'), ['run.finished']);
  t.deepEqual(typesOf('b'), ['worker.forked', 'run.finished']);
});

test('P82: a refused event is sent again with the same id after Retry-After or a growing pause, and later ones wait', async (t) => {
  const secret = newSecret();
  const { secretFile } = await makePlace(t, secret);
  const answers = [
    { status: 503, headers: { 'retry-after': '7200' } },
    { status: 500 },
    { status: 302, headers: { location: 'http://127.0.0.1:1/' } },
  ];
  const receiver = await receive(t, secret, () => answers.shift() ?? { status: 200 });
  const { clock, pauses } = pausedClock();
  const { run } = await begin(t, { one: { url: receiver.url, secretFile, allow } }, { clock });
  const isPause = ({ ms }: { ms: number }) => ms !== 1_000;
  for (let at = 0; at < 3; at += 1) await run('a');
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    await receiver.until(() => receiver.all.length === attempt);
    while (pauses.filter(isPause).length < attempt) await new Promise(setImmediate);
    pauses.filter(isPause).at(-1)?.fire();
  }
  await receiver.until(() => receiver.accepted.length === 3);
  const ids = receiver.all.map(({ id }) => id);
  t.is(new Set(ids.slice(0, 4)).size, 1);
  t.is(new Set(ids).size, 3);
  const seqs = receiver.accepted.map(({ data }) => data.seq);
  t.deepEqual(
    seqs,
    [...seqs].sort((one, other) => one - other),
  );
  const [first, second, third] = pauses.filter(isPause).map(({ ms }) => ms) as [number, number, number];
  t.is(first, 7_200_000);
  t.true(second >= 1_000 && second <= 2_000, `${second}`);
  t.true(third >= 2_000 && third <= 4_000, `${third}`);
});

test('P82: an endpoint that never answers delays no run and no other endpoint, and a stop does not wait for it', async (t) => {
  const secret = newSecret();
  const { secretFile } = await makePlace(t, secret);
  const silent = await receive(t, secret, () => null);
  const well = await receive(t, secret);
  const { run, runtime } = await begin(t, {
    silent: { url: silent.url, secretFile, allow, timeoutMs: 300_000 },
    well: { url: well.url, secretFile, allow },
  });
  for (let at = 0; at < 20; at += 1) await run(`worker-${at}`);
  await well.until(() => well.accepted.length === 20);
  t.is(silent.all.length, 4, 'so many are in progress at a time');
  await runtime.stop({ deadlineMs: 500 });
  t.is(runtime.status, 'stopped');
});

test('P93: an endpoint whose answers begin and do not end holds one connection for each Worker in progress', async (t) => {
  const secret = newSecret();
  const { secretFile } = await makePlace(t, secret);
  const endless = await receive(t, secret, () => ({ status: 200, isEndless: true }));
  const { run } = await begin(t, { endless: { url: endless.url, secretFile, allow, timeoutMs: 100 } });
  const delivered = () => new Set(endless.accepted.map(({ id }) => id)).size;
  for (let at = 0; at < 12; at += 1) await run('a');
  await endless.until(() => delivered() === 12);
  // the receiver may see the end of a connection after the begin of the next one
  t.true(endless.mostOpen <= 2, `${endless.mostOpen}`);
  for (let at = 0; at < 20; at += 1) await run(`worker-${at}`);
  await endless.until(() => delivered() === 32);
  t.true(endless.mostOpen <= 8, `${endless.mostOpen}`);
});

test('P82: 410 disables an endpoint, also after a restart, until its URL changes; nothing is lost', async (t) => {
  const secret = newSecret();
  const { secretFile } = await makePlace(t, secret);
  const gone = await receive(t, secret, () => ({ status: 410 }));
  const first = await begin(t, { one: { url: gone.url, secretFile, allow } });
  await first.run('a');
  while (!first.lines.some((line) => line.includes('WEBHOOK_GONE'))) await new Promise(setImmediate);
  await first.run('a');
  await first.runtime.stop();
  const { store } = first;
  const second = await begin(t, { one: { url: gone.url, secretFile, allow } }, { store });
  await second.run('a');
  await second.runtime.stop();
  t.is(gone.all.length, 1);
  const well = await receive(t, secret);
  await begin(t, { one: { url: well.url, secretFile, allow } }, { store });
  await well.until(() => well.accepted.filter(({ type }) => type === 'run.finished').length === 3);
  t.is(well.accepted[0]?.id, gone.all[0]?.id);
});

test('P82, P85: history stays until all endpoints have accepted it, and a new endpoint begins after it', async (t) => {
  const secret = newSecret();
  const { secretFile } = await makePlace(t, secret);
  let isUp = false;
  const endpoint = await receive(t, secret, () => ({ status: isUp ? 204 : 503 }));
  const later = await receive(t, secret);
  const { clock, pauses } = pausedClock();
  const types = ['run.started', 'run.finished'] as const;
  const first = { url: endpoint.url, secretFile, allow, types };
  const { run, runtime, store } = await begin(t, { first }, { clock });
  for (let round = 0; round < 3; round += 1) await run('a');
  await endpoint.until(() => endpoint.all.length > 0);
  const [old] = (await runtime.archives.listHistory({ workerId: 'a', beforeSeq: 1_000 })).items;
  t.is(old, undefined, 'the engine may read all of it');
  await runtime.stop();

  const second = { url: later.url, secretFile, allow, types };
  const engine = scriptedEngine({}, { capabilities: { readsHistory: false } });
  const plugins = [webhooks({ endpoints: { first } }, clock)];
  const again = await Runtime.start({ engines: [engine], plugins, store });
  t.teardown(() => again.stop());
  const [found] = (await again.archives.listHistory({ workerId: 'a', beforeSeq: 1_000 })).items;
  const part = { log: found?.log ?? '', throughSeq: found?.throughSeq ?? 0, archive: 'a.archive' };
  const refused = await t.throwsAsync(again.archives.removeHistory('a', part));
  t.regex(String(refused), /The endpoint "first" has not accepted all of these events yet/);
  isUp = true;
  while (endpoint.accepted.length < 6) {
    for (const pause of pauses.splice(0)) pause.fire();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  // the position is noted after the answer
  for (let isDone = false; !isDone; ) {
    await new Promise((resolve) => setImmediate(resolve));
    isDone = await again.archives.removeHistory('a', part).then(
      () => true,
      () => false,
    );
  }
  await again.stop();

  const both = [webhooks({ endpoints: { first, second } })];
  const last = await Runtime.start({ engines: [engine], plugins: both, store });
  t.teardown(() => last.stop());
  await last.sendInput('a', { text: 'go' }, { waitMs: 20_000 });
  await later.until(() => later.accepted.length >= 2);
  t.true(later.accepted.every(({ data }) => data.seq > part.throughSeq));
  t.deepEqual([later.wrong, endpoint.wrong], [[], []]);
});

test('P82: nothing connects to an address that is not public and not named; logs show no address, URL or secret', async (t) => {
  const secret = newSecret();
  const { secretFile } = await makePlace(t, secret);
  const receiver = await receive(t, secret);
  const { port } = new URL(receiver.url);
  const hosts = [
    '127.0.0.1',
    'localhost',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '0x7f.1',
    '169.254.169.254',
    '10.0.0.1',
  ];
  const endpoints = Object.fromEntries(
    hosts.map((host, at) => [
      `e${at}`,
      { url: `http://${host}:${port}/hook-canary`, secretFile, allow: ['192.0.2.1'], timeoutMs: 5_000 },
    ]),
  );
  const { run, lines } = await begin(t, endpoints);
  await run('a');
  const refused = () => lines.filter((line) => line.includes('ADDRESS_NOT_ALLOWED'));
  while (new Set(refused().map((line) => /"e\d"/.exec(line)?.[0])).size < hosts.length)
    await new Promise(setImmediate);
  t.is(receiver.all.length + receiver.wrong.length, 0);
  const logged = lines.join('\n');
  for (const canary of ['hook-canary', secret.slice(6), port, ...hosts])
    t.false(logged.includes(canary), canary);
});

const start = async (t: ExecutionContext, ...args: string[]) => {
  const child = spawn(
    process.execPath,
    [
      '--import=tsx',
      '--conditions=@worker-runtime/source',
      fileURLToPath(new URL('program.ts', import.meta.url)),
      ...args,
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  t.teardown(() => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  t.is((await lines.next()).value, 'ready');
  return {
    run: async (workerId: string) => {
      child.stdin.write(`${workerId}\n`);
      t.is((await lines.next()).value, 'ran');
    },
    kill: async () => {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
};

test('P82: each event arrives at least once, in the order of its Worker, although the process is killed again and again', async (t) => {
  const secret = newSecret();
  const { dir, secretFile } = await makePlace(t, secret);
  let isDown = false;
  const receiver = await receive(t, secret, () => ({ status: isDown ? 503 : 200 }));
  const args = [join(dir, 'store'), receiver.url, secretFile];
  for (let round = 0; round < 3; round += 1) {
    isDown = round !== 1;
    const program = await start(t, ...args);
    for (const workerId of ['a', 'b', 'a']) await program.run(workerId);
    await program.kill();
  }
  isDown = false;
  await start(t, ...args);
  const ids = (workerId: string) => [
    ...new Set(
      receiver.accepted
        .filter(({ type, data }) => type === 'run.finished' && data.workerId === workerId)
        .map(({ id }) => id),
    ),
  ];
  await receiver.until(() => ids('a').length === 6 && ids('b').length === 3);
  for (const workerId of ['a', 'b']) {
    const seqs = ids(workerId).map((id) => Number(id.slice(id.lastIndexOf('_') + 1)));
    t.deepEqual(
      seqs,
      [...seqs].sort((one, other) => one - other),
    );
  }
  t.deepEqual(receiver.wrong, []);
});

test('options may come from flags, and wrong ones are refused by name without a secret', async (t) => {
  const endpoint = { url: 'https://example.com/', secretVariable: 'HOOK_SECRET' };
  t.notThrows(() => plugin({ endpoints: JSON.stringify({ one: { ...endpoint, types: 'run.finished' } }) }));
  t.notThrows(() => plugin({}));
  for (const [change, message] of [
    [{ url: 'http://example.com/' }, /one\.url must have https/],
    [{ url: 'https://user:word@example.com/' }, /one\.url must be a URL/],
    [{ secretFile: 'x' }, /either secretFile or secretVariable/],
    [{ types: ['worker.deleted'] }, /one\.types must be a list of/],
    [{ allow: ['10.0.0.0/99'] }, /one\.allow must be a list/],
    [{ labels: { team: 1 } }, /one\.labels must have values of text/],
    [{ other: 1 }, /one\.other does not exist/],
  ] as const)
    t.throws(() => plugin({ endpoints: { one: { ...endpoint, ...change } } }), {
      code: 'INVALID_REQUEST',
      message,
    });
  const { secretFile } = await makePlace(t, 'whsec_canary');
  const started = Runtime.start({
    plugins: [webhooks({ endpoints: { one: { url: 'https://example.com/', secretFile } } })],
  });
  const error = await t.throwsAsync(started);
  t.regex(String(error?.message), /webhooks/);
  t.notRegex(String(error?.message), /canary/);
});

test('P106: an endpoint uses the current secret, and the last one while its file is not usable', async (t) => {
  const [last, next] = [newSecret(), newSecret()];
  const { secretFile } = await makePlace(t, last);
  const { clock, pauses } = pausedClock();
  const receiver = await receive(t, last);
  const { run, lines } = await begin(t, { one: { url: receiver.url, secretFile, allow } }, { clock });
  for (const [count, spoil] of [
    [1, () => writeFile(secretFile, 'whsec_half')],
    [2, () => rm(secretFile)],
  ] as const) {
    await spoil();
    await run('a');
    await receiver.until(() => receiver.accepted.length === count);
  }
  t.is(lines.filter((line) => line.includes('stays in use')).length, 2);
  await writeFile(secretFile, next, { mode: 0o600 });
  await run('a');
  await receiver.until(() => receiver.wrong.length === 1);
  await writeFile(secretFile, last);
  while (pauses.length === 0) await new Promise(setImmediate);
  for (const pause of pauses) pause.fire();
  await receiver.until(() => receiver.accepted.length === 3);
  t.false(lines.some((line) => [last, next, 'whsec_half'].some((secret) => line.includes(secret))));
});
