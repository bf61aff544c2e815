/** Replaces a server by the next version of itself, on one port and one store. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type RuntimeClient, runtimeClient } from '@worker-runtime/client';
import { freePort } from '@worker-runtime/test-environment/postgres-server';
import test, { type ExecutionContext } from 'ava';
import { makePlace, Program, run } from './program.ts';

const READY = /^worker-runtime listening on (http:\S+) \(runtime (\w+), store /m;
const ARGS = ['--plugin', 'fs-store', '--plugin', 'ws', '--plugin', 'echo'];

/** Observes `ada` and sends it one input after the other, as a client does that no restart ends. */
const loadOf = (client: RuntimeClient) => {
  const seen: number[] = [];
  const ended = new AbortController();
  const observe = async (): Promise<void> => {
    const options = { acrossRestarts: true, after: 'start', signal: ended.signal };
    for await (const item of client.observe('ada', options))
      if (item.type === 'event') seen.push(item.event.seq);
  };
  let isOver = false;
  let sent = 0;
  const send = async (): Promise<void> => {
    for (; !isOver; sent += 1) {
      const idempotencyKey = `input-${sent}`;
      // a client that gets no answer sends the same input again
      for (let isSent = false; !isSent; )
        isSent = await client
          .sendInput('ada', { text: String(sent) }, { idempotencyKey, waitMs: 10_000 })
          .then(() => true)
          .catch((error: unknown) => {
            const code = String((error as { code?: unknown }).code);
            if (!['RUNTIME_UNREACHABLE', 'RUNTIME_STOPPING', 'RUNTIME_NOT_READY'].includes(code)) throw error;
            return false;
          });
    }
  };
  const observing = observe();
  const sending = send();
  return {
    /** Ends the load. Each input is in the log once, and each event was seen once. */
    async endsWithoutLoss(t: ExecutionContext): Promise<void> {
      isOver = true;
      await sending;
      const { lastSeq } = await client.getWorker('ada');
      while (seen.length < lastSeq) await new Promise((resolve) => setImmediate(resolve));
      ended.abort();
      await observing;
      t.deepEqual(
        seen,
        Array.from({ length: lastSeq }, (_, index) => index + 1),
      );
      t.is((await client.overview('ada')).inputs, sent);
    },
  };
};

test('P68: a server started with --replace takes over port and store, and clients lose and repeat nothing', async (t) => {
  const place = await makePlace(t);
  const port = String(await freePort());
  const start = (...more: string[]) => new Program(t, place, [...ARGS, 'serve', '--port', port, ...more]);
  let current = start();
  const [, url = '', runtimeId] = await current.prints(READY);
  const client = runtimeClient({ url });
  await client.createWorker({ engine: 'echo', workerId: 'ada' });
  await client.createWorker({ engine: 'echo', workerId: 'eve', config: { hang: true } });
  await client.sendInput('eve', { text: 'this run is interrupted' });

  const load = loadOf(client);
  for (let round = 0; round < 2; round += 1) {
    const next = start('--replace');
    await next.prints(/waiting until it is free/, 'stderr');
    current.kill('SIGTERM');
    const { code, stderr } = await current.ended;
    t.is(code, 0, stderr);
    if (round === 0) t.regex(stderr, /"runs":1,"workers":\["eve"\],"msg":"the stop has interrupted runs"/);
    const stoppedAt = performance.now();
    const [, , again] = await next.prints(READY);
    t.log(`${Math.round(performance.now() - stoppedAt)} ms from the end of the old server to the next`);
    t.is(again, runtimeId);
    current = next;
  }
  await load.endsWithoutLoss(t);
});

test('P4: a server that waits for a port or a store ends at a signal', async (t) => {
  const place = await makePlace(t);
  const port = String(await freePort());
  const owner = new Program(t, place, [...ARGS, 'serve', '--port', port]);
  await owner.prints(READY);
  for (const [ownPort, waits] of [
    [port, /waiting until it is free/],
    ['0', /waiting until it is closed/],
  ] as const) {
    const next = new Program(t, place, [...ARGS, 'serve', '--port', ownPort, '--replace']);
    await next.prints(waits, 'stderr');
    next.kill('SIGTERM');
    const { code, stderr } = await next.ended;
    t.is(code, 0, stderr);
  }
  const late = new Program(t, place, [...ARGS, 'serve', '--port', '0', '--replace=1']);
  const { code, stderr } = await late.ended;
  t.is(code, 1);
  t.regex(stderr, /STORE_LOCKED/);
});

const BACKEND_READY = /^worker-runtime backend listening on (http:\S+) \(/m;

test('P68: a backend started with --replace takes over port, stores and sessions, and clients lose and repeat nothing', async (t) => {
  const place = await makePlace(t);
  const port = String(await freePort());
  const start = (...more: string[]) =>
    new Program(t, place, ['--plugin', 'echo', 'backend', '--port', port, ...more]);
  let current = start();
  const [, url = ''] = await current.prints(BACKEND_READY);
  const [, code = ''] = await current.prints(/^log in: \S+#(\S+)$/m);
  const login = await fetch(`${url}/v1/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ code }),
  });
  const cookie = login.headers.get('set-cookie')?.split(';', 1)[0] ?? '';
  const made = await fetch(`${url}/v1/tokens`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', cookie, origin: url },
    body: JSON.stringify({ name: 'a-client', permission: ['admin'] }),
  });
  t.is(made.status, 201);
  const { token } = (await made.json()) as { token: string };
  const client = runtimeClient({ url: `${url}/w/default`, token });
  await client.createWorker({ engine: 'echo', workerId: 'ada' });
  const load = loadOf(client);
  const local = await readFile(join(place, 'data', 'worker-runtime', 'backend', 'local.json'), 'utf8');
  for (let round = 0; round < 2; round += 1) {
    const next = start('--replace');
    await next.prints(/waiting until it is free/, 'stderr');
    // this login is later than the start of the next backend
    const { stdout } = await run(t, place, ['link', '--json']);
    const another = await fetch(`${url}/v1/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ code: String(JSON.parse(stdout).url).split('#')[1] }),
    });
    const late = another.headers.get('set-cookie')?.split(';', 1)[0] ?? '';
    current.kill('SIGTERM');
    const { code: exit, stderr } = await current.ended;
    t.is(exit, 0, stderr);
    const stoppedAt = performance.now();
    await next.prints(BACKEND_READY);
    t.log(`${Math.round(performance.now() - stoppedAt)} ms from the end of the old backend to the next`);
    for (const session of [cookie, late])
      t.is(
        (await fetch(`${url}/v1/session`, { headers: { cookie: session } })).status,
        200,
        `round ${round}`,
      );
    current = next;
  }
  await load.endsWithoutLoss(t);
  t.not(await readFile(join(place, 'data', 'worker-runtime', 'backend', 'local.json'), 'utf8'), local);
  t.is((await run(t, place, ['link'])).code, 0, 'programs of this machine find the next backend');
});

test('P4: a backend that waits for a port or a store ends at a signal', async (t) => {
  const place = await makePlace(t);
  const port = String(await freePort());
  const owner = new Program(t, place, ['--plugin', 'echo', 'backend', '--port', port]);
  await owner.prints(BACKEND_READY);
  for (const [ownPort, waits] of [
    [port, /waiting until it is free/],
    ['0', /waiting until it is closed/],
  ] as const) {
    const next = new Program(t, place, ['--plugin', 'echo', 'backend', '--port', ownPort, '--replace']);
    await next.prints(waits, 'stderr');
    next.kill('SIGTERM');
    const { code, stderr } = await next.ended;
    t.is(code, 0, stderr);
  }
  t.is((await run(t, place, ['link'])).code, 0, 'the file of the owner is there');
});
