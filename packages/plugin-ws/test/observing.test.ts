import { version } from '@worker-runtime/core';
import test from 'ava';
import { WebSocket } from 'ws';
import { job, serve, stored } from './served.ts';
import { cursorIn, type Frame, linesIn, SUBPROTOCOL, WsClient } from './ws-client.ts';

/** Returns the text of each message as a reader sees it: deltas applied to in-flight text. */
const textOf = (frames: readonly Frame[]): ReadonlyMap<string, string> => {
  const texts = new Map<string, string>();
  for (const { data } of frames) {
    if (data.type === 'in-flight') {
      for (const { message, parts } of data.messages)
        texts.set(message, parts.map(({ text }) => text).join(''));
    }
    if (data.type !== 'delta') continue;
    const text = texts.get(data.message) ?? '';
    texts.set(data.message, text.slice(0, data.offset) + data.text);
  }
  return texts;
};

test('the first frame has the versions and the limits', async (t) => {
  const { url, runtime } = await serve(t, { ws: { subscriptions: 7 } });
  const client = new WsClient(new WebSocket(url(), SUBPROTOCOL));
  const hello = await client.next();
  t.is(client.ws.protocol, SUBPROTOCOL);
  t.is(client.ws.extensions, '');
  t.deepEqual(hello?.data, {
    type: 'hello',
    runtimeId: runtime.runtimeId,
    protocol: 1,
    versions: { runtime: version },
    limits: {
      messageBytes: 16_384,
      badMessages: 3,
      subscriptions: 7,
      pingMs: 15_000,
      bookmarkMs: 15_000,
      stallMs: 60_000,
      batchBytes: 49_152,
    },
  });
});

test('P5: attached at every moment of a run, from the start, from a snapshot and from the last event, a client rebuilds the log', async (t) => {
  const served = await serve(t);
  const { speaker, url, runtime } = served;
  const clients: {
    readonly client: WsClient;
    readonly from: 'start' | 'last' | 'snapshot';
    readonly begun: readonly Frame[];
  }[] = [];
  const attach = async (): Promise<void> => {
    const { asOf } = await runtime.readEvents('ada', { limit: 1_000 });
    for (const [from, after] of [
      ['start', 'start'],
      ['last', asOf],
      ['snapshot', null],
    ] as const) {
      const client = await WsClient.open(url(), { op: 'subscribe', worker: 'ada', after });
      const begun = await client.until(({ type }) => type === 'in-flight');
      clients.push({ client, from, begun });
    }
  };

  await attach();
  await runtime.sendInput('ada', { text: 'go' });
  for (const message of ['first', 'second']) {
    for (const word of ['one ', 'two ', `${message} 🙂`]) {
      await speaker.say({ type: 'text', text: word });
      await attach();
    }
    await speaker.say([
      { type: 'message' },
      { type: 'tool-call', call: `c-${message}`, name: 'search', input: { q: 1 } },
    ]);
    await attach();
    await speaker.say({ type: 'tool-result', call: `c-${message}`, output: [1, 2] });
    await attach();
  }
  await speaker.finish();
  await job(served, 'say the end');
  await runtime.stopWorker('ada');
  const all = await stored(served);

  for (const { client, from, begun } of clients) {
    const frames = [...begun, ...(await client.untilLine(all.at(-1)))];
    const lines = linesIn(frames);
    if (from === 'start') t.deepEqual(lines, all);
    if (from === 'last') t.deepEqual(lines, all.slice(all.length - lines.length));
    if (from === 'snapshot') {
      const first = frames[0]?.data;
      t.is(first?.type, 'snapshot');
      if (first?.type === 'snapshot') t.deepEqual(lines, all.slice(first.detail.lastSeq));
    }
    for (const [message, text] of textOf(frames)) {
      const line = all.find((event) => event.includes('message.completed') && event.includes(message));
      const { data } = JSON.parse(line ?? '{}');
      t.is(data.parts.map((part: { readonly text: string }) => part.text).join(''), text);
    }
    client.ws.terminate();
  }
});

test('P6: a subscription after any event gets exactly the later events', async (t) => {
  const served = await serve(t);
  for (const text of ['say a b', 'count 20', 'say c']) await job(served, text);
  const all = await stored(served);
  const cursors: string[] = [];
  for (let after = 'start'; cursors.length < all.length; ) {
    const { asOf } = await served.runtime.readEvents('ada', { after, limit: 1 });
    cursors.push(asOf);
    after = asOf;
  }
  for (const [at, after] of cursors.entries()) {
    const client = await WsClient.open(served.url(), { op: 'subscribe', worker: 'ada', after });
    const frames = await client.until(({ type }) => type === 'in-flight');
    t.deepEqual(linesIn(frames), all.slice(at + 1));
    client.ws.terminate();
  }
});

test('P6: a cursor of another log, of no log or of a recreated Worker is refused with a code', async (t) => {
  const { url, runtime } = await serve(t);
  await runtime.createWorker({ engine: 'speaker', workerId: 'bob' });
  const bob = (await runtime.getWorker('bob')).asOf;
  const ada = (await runtime.getWorker('ada')).asOf;
  const client = await WsClient.open(url());
  const codeOf = async (worker: string, after: string): Promise<string> => {
    client.ask({ op: 'subscribe', worker, after });
    const frame = await client.next();
    return frame?.data.type === 'error' && frame.data.worker === worker ? frame.data.code : 'none';
  };
  t.is(await codeOf('ada', bob), 'CURSOR_FOREIGN');
  t.is(await codeOf('ada', 'nonsense'), 'CURSOR_INVALID');
  t.is(await codeOf('nobody', ada), 'WORKER_NOT_FOUND');
  await runtime.stopWorker('ada');
  await runtime.deleteWorker('ada');
  await runtime.createWorker({ engine: 'speaker', workerId: 'ada' });
  t.is(await codeOf('ada', ada), 'CURSOR_FOREIGN');
});

test('without deltas no text of messages in progress is sent', async (t) => {
  const served = await serve(t);
  const client = await WsClient.open(served.url(), {
    op: 'subscribe',
    worker: 'ada',
    after: 'start',
    deltas: false,
  });
  await job(served, 'say one two three');
  const all = await stored(served);
  const frames = await client.untilLine(all.at(-1));
  t.deepEqual([...new Set(frames.map(({ data }) => data.type))], ['events']);
  t.deepEqual(linesIn(frames), all);
});

test('a frame has at most 64 KiB unless one event is longer; several due events are one frame', async (t) => {
  const served = await serve(t);
  await job(served, 'count 3000');
  await job(served, 'fill 1 200000');
  const all = await stored(served);
  const client = await WsClient.open(served.url(), { op: 'subscribe', worker: 'ada', after: 'start' });
  const frames = await client.untilLine(all.at(-1));
  t.deepEqual(linesIn(frames), all);
  const long = frames.filter(({ text }) => Buffer.byteLength(text) > 65_536);
  t.is(long.length, 1);
  t.is(linesIn(long).length, 1);
  t.true(frames.length < 30);
});

test('events that are no longer in memory are read from the store', async (t) => {
  const served = await serve(t, { limits: { tailBytes: 1 } });
  await job(served, 'count 500');
  const all = await stored(served);
  const client = await WsClient.open(served.url(), { op: 'subscribe', worker: 'ada', after: 'start' });
  t.deepEqual(linesIn(await client.untilLine(all.at(-1))), all);
});

test('no frame follows unsubscribed, and a new subscription resumes at the cursor', async (t) => {
  const served = await serve(t);
  const client = await WsClient.open(served.url(), { op: 'subscribe', worker: 'ada', after: 'start' });
  const before = await client.until(({ type }) => type === 'in-flight');
  client.ask({ op: 'unsubscribe', worker: 'ada' });
  t.deepEqual((await client.next())?.data, { type: 'unsubscribed', worker: 'ada' });
  await job(served, 'say hello');
  t.deepEqual(client.taken(), []);
  client.ask({ op: 'subscribe', worker: 'ada', after: cursorIn(before) ?? null });
  const after = await client.until(({ type }) => type === 'in-flight');
  t.deepEqual([...linesIn(before), ...linesIn(after)], await stored(served));

  client.ask({ op: 'subscribe', worker: 'ada' });
  const again = await client.next();
  t.like(again?.data, { type: 'error', worker: 'ada', code: 'INVALID_REQUEST' });
  client.ask({ op: 'unsubscribe', worker: 'nobody' });
  t.deepEqual((await client.next())?.data, { type: 'unsubscribed', worker: 'nobody' });
});

test('a deleted Worker ends its subscription, and the socket stays open', async (t) => {
  const served = await serve(t);
  const client = await WsClient.open(served.url(), { op: 'subscribe', worker: 'ada' }, { op: 'watch' });
  await client.until(({ type }) => type === 'synced');
  await served.runtime.stopWorker('ada');
  await served.runtime.deleteWorker('ada');
  const frames = await client.until(({ type }) => type === 'worker-removed');
  const last = frames.length === 0 ? undefined : frames.find(({ data }) => data.type === 'ended');
  const ended = last ?? (await client.until(({ type }) => type === 'ended')).at(-1);
  t.deepEqual(ended?.data, { type: 'ended', worker: 'ada', code: 'WORKER_NOT_FOUND' });
  await served.runtime.createWorker({ engine: 'speaker', workerId: 'bob' });
  client.ask({ op: 'subscribe', worker: 'bob' });
  await client.until((data) => data.type === 'snapshot' && data.worker === 'bob');
  t.pass();
});

test('the watch sends each Worker, then synced, then changes, and can be resumed', async (t) => {
  const { url, runtime } = await serve(t);
  const client = await WsClient.open(url(), { op: 'watch' });
  const first = await client.until(({ type }) => type === 'synced');
  t.deepEqual(
    first.map(({ data }) => data.type),
    ['worker', 'synced'],
  );
  const synced = first[1]?.data;
  const after = synced?.type === 'synced' ? synced.cursor : null;
  await runtime.createWorker({ engine: 'speaker', workerId: 'bob' });
  await client.until((data) => data.type === 'worker' && data.summary.workerId === 'bob');
  await runtime.stopWorker('ada');
  await client.until((data) => data.type === 'worker' && data.summary.status === 'stopped');
  await runtime.deleteWorker('ada');
  await client.until((data) => data.type === 'worker-removed' && data.workerId === 'ada');
  client.ask({ op: 'unwatch' });
  await client.until(({ type }) => type === 'unwatched');

  client.ask({ op: 'watch', after });
  const rest = await client.until(({ type }) => type === 'synced');
  t.deepEqual(
    rest.map(({ data }) => (data.type === 'worker' ? data.summary.workerId : data.type)),
    ['bob', 'worker-removed', 'synced'],
  );
  client.ask({ op: 'watch' });
  t.like((await client.next())?.data, { type: 'error', watch: true, code: 'INVALID_REQUEST' });
});

test('a watch with batch sends several Workers in one frame, in the order of their changes', async (t) => {
  const { url, runtime } = await serve(t);
  const labels = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`label ${n}`, 'é'.repeat(200)]));
  const ids = ['ada'];
  for (let n = 0; n < 200; n += 1) {
    ids.push(`w${n}`);
    await runtime.createWorker({ engine: 'speaker', workerId: `w${n}`, ...(n % 3 === 0 && { labels }) });
  }
  const client = await WsClient.open(url(), { op: 'watch', batch: true });
  const frames = await client.until(({ type }) => type === 'synced');
  t.deepEqual(
    frames.flatMap(({ data }) =>
      data.type === 'workers' ? data.summaries.map(({ workerId }) => workerId) : data.type,
    ),
    [...ids, 'synced'],
  );
  t.true(frames.length > 2 && frames.length < 50, `${frames.length} frames`);
  for (const { text } of frames)
    t.true(Buffer.byteLength(text) <= 49_152, `${Buffer.byteLength(text)} bytes`);
  const synced = frames.at(-1)?.data;
  const after = synced?.type === 'synced' ? synced.cursor : null;
  client.ask({ op: 'unwatch' });
  await client.until(({ type }) => type === 'unwatched');

  // what is not a Worker ends a batch and keeps its place
  for (const workerId of ['w1', 'w2']) await runtime.updateWorker(workerId, { displayName: 'new' });
  await runtime.stopWorker('w3');
  await runtime.deleteWorker('w3');
  await runtime.updateWorker('w4', { displayName: 'new' });
  client.ask({ op: 'watch', after, batch: true });
  const rest = await client.until(({ type }) => type === 'synced');
  t.deepEqual(
    rest.map(({ data }) =>
      data.type === 'workers' ? data.summaries.map(({ workerId }) => workerId) : data.type,
    ),
    [['w1', 'w2'], 'worker-removed', ['w4'], 'synced'],
  );
});

test('a Worker that is longer than a batch is a frame of its own', async (t) => {
  const { url, runtime } = await serve(t);
  const labels = Object.fromEntries(Array.from({ length: 64 }, (_, n) => [`label ${n}`, '漢'.repeat(256)]));
  await runtime.createWorker({ engine: 'speaker', workerId: 'large', labels });
  await runtime.createWorker({ engine: 'speaker', workerId: 'bob' });
  const client = await WsClient.open(url(), { op: 'watch', batch: true });
  const frames = await client.until(({ type }) => type === 'synced');
  t.deepEqual(
    frames.map(({ data }) =>
      data.type === 'workers' ? data.summaries.map(({ workerId }) => workerId) : data.type,
    ),
    [['ada'], ['large'], ['bob'], 'synced'],
  );
});

test('a watch with a position from before a restart begins with reset; a malformed one is refused', async (t) => {
  const { url } = await serve(t);
  const client = await WsClient.open(url(), { op: 'watch', after: 'nonsense' });
  t.like((await client.next())?.data, { type: 'error', watch: true, code: 'CURSOR_INVALID' });
  client.ask({ op: 'watch', after: `log_${'0'.repeat(26)}.w1` });
  const frames = await client.until(({ type }) => type === 'synced');
  t.deepEqual(
    frames.map(({ data }) => data.type),
    ['reset', 'worker', 'synced'],
  );
});

test('a quiet subscription sends its position, which can be resumed', async (t) => {
  const served = await serve(t, { ws: { bookmarkMs: 20 } });
  const client = await WsClient.open(served.url(), { op: 'subscribe', worker: 'ada' }, { op: 'watch' });
  const frames = await client.until(({ type }) => type === 'bookmark');
  const bookmark = frames.at(-1)?.data;
  t.is(bookmark?.type, 'bookmark');
  await client.until((data) => data.type === 'bookmark' && data.worker === undefined);
  const { asOf } = await served.runtime.getWorker('ada');
  await client.until((data) => data.type === 'bookmark' && data.worker === 'ada' && data.cursor === asOf);
  const again = await WsClient.open(served.url(), { op: 'subscribe', worker: 'ada', after: asOf });
  t.like((await again.next())?.data, { type: 'in-flight', messages: [] });
});

test('P6: a subscription begins with subscribed, and sends the position after each event on request', async (t) => {
  const served = await serve(t);
  for (let round = 0; round < 3; round++) await job(served, 'say one two three');
  const all = await stored(served);
  const client = await WsClient.open(served.url(), {
    op: 'subscribe',
    worker: 'ada',
    after: 'start',
    cursors: true,
  });
  const frames = await client.untilLine(all.at(-1));
  t.deepEqual(client.begun, [{ type: 'subscribed', worker: 'ada' }]);
  t.deepEqual(linesIn(frames), all);
  const cursors = frames.flatMap(({ data }) => (data.type === 'events' ? (data.cursors ?? []) : []));
  t.is(cursors.length, all.length);
  for (const [at, after] of cursors.entries()) {
    const { items } = await served.runtime.events('ada', { after, limit: 1_000 });
    t.deepEqual(
      items.map((item) => JSON.stringify(item)),
      all.slice(at + 1),
    );
  }
  client.ask({ op: 'watch' });
  await client.until(({ type }) => type === 'synced');
  t.deepEqual(client.begun.at(-1), { type: 'watching' });
  // a socket without `cursors` does not get the cached frames of one with them
  const plain = await WsClient.open(served.url(), { op: 'subscribe', worker: 'ada', after: 'start' });
  t.false((await plain.untilLine(all.at(-1))).some(({ text }) => text.includes('"cursors"')));
});
