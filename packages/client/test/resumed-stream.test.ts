import type { Observation, WatchItem } from '@worker-runtime/core';
import test, { type ExecutionContext } from 'ava';
import { type ServerEvent, SseParser } from '../src/sse-parser.ts';
import { type Canned, canned, down, hanging, json, problem, stream, text } from './canned.ts';

const HEAD = 'retry: 1000\n\n';
const event = (seq: number): string => `id: c${seq}\ndata: {"seq":${seq},"type":"run.started"}\n\n`;
const frame = (name: string, data: unknown, id?: string): string =>
  `${id === undefined ? '' : `id: ${id}\n`}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
const closing = (reason: string): string => frame('closing', { reason });
const IN_FLIGHT = frame('in-flight', { messages: [] });

/** Reads a stream until it ends or fails. Returns its items and the code of the failure. */
const drain = async <Item>(
  items: AsyncIterable<Item>,
): Promise<{ readonly items: readonly Item[]; readonly code: string | null }> => {
  const seen: Item[] = [];
  try {
    for await (const item of items) seen.push(item);
    return { items: seen, code: null };
  } catch (error) {
    return { items: seen, code: (error as { readonly code: string }).code };
  }
};

const seqs = (items: readonly Observation[]): readonly number[] =>
  items.flatMap((item) => (item.type === 'event' ? [item.event.seq] : []));

const positions = ({ sent }: Canned): readonly (string | null)[] =>
  sent.map(({ url }) => url.searchParams.get('after'));

test('a stream resumes from its last position, which may come from a bookmark', async (t) => {
  const from = canned([
    stream(HEAD + frame('snapshot', { worker: { workerId: 'ada' }, asOf: 'c0' }, 'c0')),
    stream(HEAD + event(1) + event(2).slice(0, -1)),
    stream(HEAD + event(2) + frame('bookmark', { cursor: 'c5' }, 'c5')),
    stream(HEAD + event(6) + IN_FLIGHT + frame('delta', { text: 'no position' })),
    stream(HEAD + closing('WORKER_NOT_FOUND')),
  ]);
  const { items, code } = await drain(from.api.observe('ada'));
  t.is(code, null);
  t.deepEqual(positions(from), [null, 'c0', 'c1', 'c5', 'c6']);
  t.deepEqual(
    items.map(({ type }) => type),
    ['snapshot', 'event', 'event', 'event', 'in-flight', 'delta', 'ended'],
  );
  t.deepEqual(seqs(items), [1, 2, 6]);
  const after = canned([stream(HEAD), stream(closing('WORKER_NOT_FOUND'))]);
  await drain(after.api.observe('ada', { after: 'x y', deltas: false }));
  t.deepEqual(
    after.sent.map(({ url }) => url.search),
    ['?after=x+y&deltas=0', '?after=x+y&deltas=0'],
  );
});

test('a failure before the stream has begun is passed to the caller without a retry', async (t) => {
  for (const [reply, code] of [
    [down, 'RUNTIME_UNREACHABLE'],
    [text('', 503), 'RUNTIME_UNREACHABLE'],
    [problem('CURSOR_FOREIGN', 400), 'CURSOR_FOREIGN'],
    [problem('UNAUTHENTICATED', 401), 'UNAUTHENTICATED'],
    [problem('WORKER_NOT_FOUND', 404), 'WORKER_NOT_FOUND'],
    [stream(HEAD + closing('RUNTIME_NOT_READY')), 'RUNTIME_NOT_READY'],
    [stream(HEAD + closing('LIMIT_REACHED')), 'LIMIT_REACHED'],
    [stream(HEAD + frame('reset', { code: 'CURSOR_EXPIRED' })), 'CURSOR_EXPIRED'],
    [stream(`${HEAD}data: {"torn\n\n`), 'VERSION_UNSUPPORTED'],
  ] as const) {
    const { api, sent } = canned([reply]);
    const { items, code: failed } = await drain(api.observe('ada', { after: 'c1' }));
    t.deepEqual([items, failed], [[], code]);
    t.true(sent.length <= 2);
  }
});

test('after the stream has begun, retryable failures are retried, and others end it', async (t) => {
  const passing = canned([
    stream(HEAD + event(1)),
    down,
    text('<h1>Bad Gateway</h1>', 502),
    stream(HEAD + closing('RUNTIME_NOT_READY')),
    problem('STORE_UNAVAILABLE', 503, { retryable: true }),
    stream(HEAD + event(2) + closing('STORE_UNAVAILABLE')),
    stream(HEAD + event(3) + closing('RUNTIME_STOPPING')),
  ]);
  const { items, code } = await drain(passing.api.observe('ada', { after: 'start' }));
  t.deepEqual([seqs(items), code], [[1, 2, 3], null]);
  t.deepEqual(items.at(-1), { type: 'ended', code: 'RUNTIME_STOPPING' });

  for (const [reply, failed] of [
    [problem('CURSOR_FOREIGN', 400), 'CURSOR_FOREIGN'],
    [problem('CURSOR_EXPIRED', 410), 'CURSOR_EXPIRED'],
    [problem('FORBIDDEN', 403), 'FORBIDDEN'],
    [problem('RUNTIME_NOT_FOUND', 404), 'RUNTIME_NOT_FOUND'],
    [stream(HEAD + closing('INTERNAL')), 'INTERNAL'],
    [stream(HEAD + frame('reset', {})), 'CURSOR_EXPIRED'],
  ] as const) {
    const { api } = canned([stream(HEAD + event(1)), reply]);
    const seen = await drain(api.observe('ada', { after: 'start' }));
    t.deepEqual([seqs(seen.items), seen.code], [[1], failed]);
  }
});

test('P99: after the stream has begun, answers that no runtime gave do not end it, until the patience is over', async (t) => {
  const foreign = [
    text('404 page not found', 404),
    text('<h1>Web server is down</h1>', 521),
    text('<h1>Too Many Requests</h1>', 429),
    text('<h1>log in to this network</h1>', 200),
    text('', 302, { location: 'https://portal.test/' }),
    json({ message: 'no Route matched with those values' }, 404),
    stream('data: <html>\n\n'),
  ];
  const passing = canned([
    stream(HEAD + event(1)),
    ...foreign,
    stream(HEAD + event(2) + closing('WORKER_NOT_FOUND')),
  ]);
  const { items, code } = await drain(passing.api.observe('ada', { after: 'start' }));
  t.deepEqual([seqs(items), code], [[1, 2], null]);
  const staying = canned([stream(HEAD + event(1)), text('404 page not found', 404)], { patienceMs: 30 });
  const seen = await drain(staying.api.observe('ada', { after: 'start' }));
  t.deepEqual([seqs(seen.items), seen.code], [[1], 'VERSION_UNSUPPORTED']);
});

test('P99: a proxy that ends each silent connection after a while does not end a stream', async (t) => {
  const silentFor = (ms: number) => () => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(HEAD));
        setTimeout(() => controller.close(), ms);
      },
    });
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  };
  // a connection that lasts as long as the longest delay was no failure
  const timing = { patienceMs: 60, retryMaxMs: 200 };
  const idle = Array.from({ length: 4 }, () => silentFor(250));
  const from = canned(
    [stream(HEAD + event(1)), ...idle, stream(HEAD + event(2) + closing('WORKER_NOT_FOUND'))],
    timing,
  );
  const { items, code } = await drain(from.api.observe('ada', { after: 'start' }));
  t.deepEqual([seqs(items), code], [[1, 2], null]);
  const failing = canned([stream(HEAD + event(1)), stream(HEAD)], timing);
  t.is((await drain(failing.api.observe('ada', { after: 'start' }))).code, 'RUNTIME_UNREACHABLE');
});

test('P99: the time in which the process is paused takes nothing from the patience', async (t) => {
  let isPaused = false;
  const paused = (): never => {
    // as on a laptop that is closed: no timer fires, and the clock continues
    if (!isPaused) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600);
    isPaused = true;
    throw new TypeError('fetch failed');
  };
  const from = canned(
    [
      stream(HEAD + event(1)),
      down,
      down,
      paused,
      down,
      down,
      stream(HEAD + event(2) + closing('WORKER_NOT_FOUND')),
    ],
    { patienceMs: 500, timeoutMs: 100 },
  );
  const { items, code } = await drain(from.api.observe('ada', { after: 'start' }));
  t.deepEqual([seqs(items), code], [[1, 2], null]);
});

test('P12: a Worker counts as deleted only if its own runtime reports it', async (t) => {
  const home = () =>
    new Response(HEAD + event(1), {
      headers: { 'content-type': 'text/event-stream', 'runtime-id': 'runtime_home' },
    });
  const gone = problem('WORKER_NOT_FOUND', 404);
  for (const [now, items, code] of [
    ['runtime_home', ['event', 'ended'], null],
    ['runtime_other', ['event'], 'RUNTIME_NOT_FOUND'],
  ] as const) {
    const from = canned([home, gone, down, down, gone, json({ runtimeId: now })]);
    const seen = await drain(from.api.observe('ada', { after: 'start' }));
    t.deepEqual([seen.items.map(({ type }) => type), seen.code], [items, code]);
    t.is(from.sent.at(-1)?.url.pathname, '/base/v1/runtimes/self');
  }
});

test('with acrossRestarts, a stream waits for the runtime, even if the runtime stops before the first event', async (t) => {
  const from = canned([
    stream(HEAD + closing('RUNTIME_STOPPING')),
    down,
    stream(HEAD + closing('RUNTIME_NOT_READY')),
    stream(HEAD + event(1) + closing('RUNTIME_STOPPING')),
    stream(HEAD + event(2) + closing('WORKER_NOT_FOUND')),
  ]);
  const { items } = await drain(from.api.observe('ada', { after: 'start', acrossRestarts: true }));
  t.deepEqual([seqs(items), items.at(-1)], [[1, 2], { type: 'ended', code: 'WORKER_NOT_FOUND' }]);
});

test('P51: a stream ends when the runtime has lost its store; with acrossRestarts it waits for the next process', async (t) => {
  const lost = problem('STORE_LOST', 503);
  const ending = canned([stream(HEAD + event(1) + closing('STORE_LOST'))]);
  const { items } = await drain(ending.api.observe('ada', { after: 'start' }));
  t.deepEqual(items.at(-1), { type: 'ended', code: 'STORE_LOST' });

  const next = canned([
    stream(HEAD + event(1) + closing('STORE_LOST')),
    lost,
    down,
    stream(HEAD + event(2) + closing('WORKER_NOT_FOUND')),
  ]);
  const resumed = await drain(next.api.observe('ada', { after: 'start', acrossRestarts: true }));
  t.deepEqual(seqs(resumed.items), [1, 2]);
});

test('a stream that retries without success for too long fails with the last error', async (t) => {
  const from = canned([stream(HEAD + event(1)), down], { patienceMs: 60 });
  const { items, code } = await drain(from.api.observe('ada', { after: 'start' }));
  t.deepEqual([seqs(items), code], [[1], 'RUNTIME_UNREACHABLE']);
  t.true(from.sent.length >= 3, `${from.sent.length} tries`);
});

test('a connection that is silent for too long is replaced', async (t) => {
  const from = canned(
    [stream(HEAD + event(1), true), stream(HEAD + event(2) + closing('WORKER_NOT_FOUND'))],
    { silenceMs: 15 },
  );
  const { items } = await drain(from.api.observe('ada', { after: 'start' }));
  t.deepEqual(seqs(items), [1, 2]);
});

test('the signal ends a stream in every state, without an error and without another try', async (t) => {
  const whileAt = async (t: ExecutionContext, { api, sent }: Canned, requests: number): Promise<void> => {
    const abort = new AbortController();
    const items = api.observe('ada', { after: 'start', signal: abort.signal })[Symbol.asyncIterator]();
    if (requests > 0) t.false((await items.next()).done);
    const next = items.next();
    await new Promise((resolve) => setImmediate(resolve));
    abort.abort();
    t.deepEqual(await next, { done: true, value: undefined });
    const tries = sent.length;
    t.deepEqual(await items.next(), { done: true, value: undefined });
    t.is(sent.length, tries);
  };
  await whileAt(t, canned([hanging]), 0);
  await whileAt(t, canned([stream(HEAD + event(1), true)]), 1);
  await whileAt(t, canned([stream(HEAD + event(1))], { retryMs: 1_000_000, retryMaxMs: 1_000_000 }), 1);
});

test('P13: a gap is reported once, even if the connection is lost after it', async (t) => {
  const gap = frame('gap', { afterSeq: 1, beforeSeq: 4, code: 'STORE_CORRUPT' });
  const other = frame('gap', { afterSeq: 4, beforeSeq: 6, code: 'STORE_CORRUPT' });
  const from = canned([
    stream(HEAD + event(1) + gap),
    stream(HEAD + gap + event(4) + other),
    stream(HEAD + other + event(6) + closing('WORKER_NOT_FOUND')),
  ]);
  const { items } = await drain(from.api.observe('ada', { after: 'start' }));
  t.deepEqual(
    items.map(({ type }) => type),
    ['event', 'gap', 'event', 'gap', 'event', 'ended'],
  );
});

test('a watch that loses its connection during the first list emits reset and starts the list again', async (t) => {
  const worker = (workerId: string): string => frame('worker', { workerId });
  const synced = (cursor: string): string => frame('synced', { cursor }, cursor);
  const kinds = (items: readonly WatchItem[]): readonly string[] =>
    items.map((item) => (item.type === 'worker' ? item.worker.workerId : item.type));
  const from = canned([
    stream(HEAD),
    stream(HEAD + worker('a') + worker('b')),
    stream(HEAD + worker('a') + synced('w3')),
    stream(HEAD + worker('c')),
    stream(HEAD + frame('reset', {}) + worker('c') + synced('v1') + closing('RUNTIME_STOPPING')),
  ]);
  const { items } = await drain(from.api.watch());
  t.deepEqual(kinds(items), ['a', 'b', 'reset', 'a', 'synced', 'c', 'reset', 'c', 'synced', 'ended']);
  t.deepEqual(positions(from), [null, null, null, 'w3', 'w3']);
});

test('the parser accepts pieces of any size and discards an incomplete event', (t) => {
  const bytes = new TextEncoder().encode(
    ': hello\r\nretry: 10\n\nid: c1\ndata: {"a":"é👩"}\n\nevent:delta\ndata: one\ndata:  two\n\nid: c9\n\ndata\n\nid: c2\ndata: torn\n',
  );
  for (let size = 1; size <= bytes.length; size++) {
    const parser = new SseParser();
    const found: ServerEvent[] = [];
    for (let at = 0; at < bytes.length; at += size) found.push(...parser.push(bytes.subarray(at, at + size)));
    t.deepEqual(found, [
      { event: 'message', data: '{"a":"é👩"}', id: 'c1' },
      { event: 'delta', data: 'one\n two', id: null },
    ]);
  }
});

test('P23: an event without an end is refused, and a long event is scanned only once', (t) => {
  const parser = new SseParser();
  const piece = new Uint8Array(1_048_576).fill(120);
  t.throws(
    () => {
      for (let at = 0; at < 100; at++) parser.push(piece);
    },
    { message: /not a runtime/ },
  );
  const longParser = new SseParser();
  longParser.push(new TextEncoder().encode('data: '));
  for (let at = 0; at < 8_000; at++) longParser.push(piece.subarray(0, 4_096));
  const [found] = longParser.push(new TextEncoder().encode('\n\n'));
  t.is(found?.data.length, 8_000 * 4_096);
});

test('P107: a stream comes back when the answer asks for it, and not later than its patience', async (t) => {
  const lost: (number | null)[] = [];
  const passing = canned([
    stream(HEAD + event(1)),
    problem('LIMIT_REACHED', 429, { retryable: true }, { 'retry-after': '1' }),
    stream(HEAD + event(2) + closing('WORKER_NOT_FOUND')),
  ]);
  const since = performance.now();
  const onConnection = (error: { readonly retryAfterMs: number | null } | null): void => {
    if (error) lost.push(error.retryAfterMs);
  };
  const { items } = await drain(passing.api.observe('ada', { after: 'start', onConnection }));
  t.deepEqual(seqs(items), [1, 2]);
  t.true(performance.now() - since >= 1_000);
  const staying = canned([stream(HEAD + event(1)), text('', 503, { 'retry-after': '86400' })], {
    patienceMs: 200,
  });
  const ended = await drain(staying.api.observe('ada', { after: 'start' }));
  t.deepEqual([seqs(ended.items), ended.code], [[1], 'RUNTIME_UNREACHABLE']);
  t.true(staying.sent.length >= 3 && staying.sent.length < 6, String(staying.sent.length));
});
