import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { type ErrorCode, Runtime, RuntimeError, type WatchItem } from '@worker-runtime/core';
import type { RawPage } from '@worker-runtime/core/plugin-kit';
import test from 'ava';
import { connectTo } from './raw-client.ts';
import { isProblem, type Served, serveAda } from './served.ts';
import { type Frame, SseClient } from './sse-client.ts';

const EVENTS = 'workers/ada/events';

const send = (served: Served, text: string) =>
  served.call('workers/ada/inputs', { method: 'POST', body: { text }, headers: { prefer: 'wait=20' } });

/** Returns the stored lines of ada's log. */
const stored = async ({ runtime }: Served): Promise<readonly string[]> => {
  let text = '';
  for (let after: string | null = 'start'; after !== null; ) {
    const { lines, next }: RawPage = await runtime.readEvents('ada', { after, limit: 1_000 });
    text += Buffer.from(lines).toString();
    after = next;
  }
  return text.trimEnd().split('\n');
};

const durable = (frames: readonly Frame[]): readonly string[] =>
  frames.filter(({ event }) => event === 'message').map(({ line }) => line);

const isCaughtUp = ({ event }: Frame): boolean => event === 'in-flight';

/** Returns the text of each message as a reader sees it: deltas applied to in-flight text. */
const textOf = (frames: readonly Frame[]): ReadonlyMap<string, string> => {
  const texts = new Map<string, string>();
  for (const { event, data } of frames) {
    if (event === 'in-flight') {
      for (const { message, parts } of data.messages) {
        texts.set(message, parts.map((part: { readonly text: string }) => part.text).join(''));
      }
    }
    if (event !== 'delta') continue;
    const text = texts.get(data.message) ?? '';
    texts.set(data.message, text.slice(0, data.offset) + data.text);
  }
  return texts;
};

test('P5: attached at every moment of a run, from the start, from a snapshot and from the last event, a client rebuilds the log', async (t) => {
  const served = await serveAda(t);
  const { puppet, url } = served;
  const clients: { readonly client: SseClient; readonly from: 'start' | 'last' | 'snapshot' }[] = [];
  const attach = async (): Promise<void> => {
    const after = (await stored(served)).length;
    const { asOf } = await served.runtime.readEvents('ada', { limit: 1_000 });
    clients.push(
      { client: await SseClient.open(url(`${EVENTS}?after=start`)), from: 'start' },
      { client: await SseClient.open(url(`${EVENTS}?after=${asOf}`)), from: 'last' },
      { client: await SseClient.open(url(EVENTS)), from: 'snapshot' },
    );
    t.true(after > 0);
  };

  await attach();
  await served.call('workers/ada/inputs', { method: 'POST', body: { text: 'go' } });
  for (const message of ['first', 'second']) {
    for (const word of ['one ', 'two ', `${message} 🙂`]) {
      await puppet.say({ type: 'text', text: word });
      await attach();
    }
    await puppet.say([
      { type: 'message' },
      { type: 'tool-call', call: `c-${message}`, name: 'search', input: { q: 1 } },
    ]);
    await attach();
    await puppet.say({ type: 'tool-result', call: `c-${message}`, output: [1, 2] });
    await attach();
  }
  await puppet.finish();
  await send(served, 'say the end');
  const log = await stored(served);
  await served.call('workers/ada/stop', { method: 'POST' });
  const all = await stored(served);
  t.true(all.length > log.length);

  for (const { client, from } of clients) {
    const frames = await client.until(({ line }) => line === all.at(-1));
    const [first] = frames;
    const lines = durable(frames);
    if (from === 'start') t.deepEqual(lines, all);
    if (from === 'snapshot') {
      t.is(first?.event, 'snapshot');
      t.is(first?.id, first?.data.asOf);
      t.deepEqual(lines, all.slice(first?.data.worker.lastSeq));
    }
    if (from === 'last') t.deepEqual(lines, all.slice(all.length - lines.length));
    for (const [message, text] of textOf(frames)) {
      const completed = frames.find(
        ({ event, data }) => event === 'message' && data.data.message === message,
      );
      t.is(text, completed?.data.data.parts[0].text);
    }
    client.close();
  }
});

test('P5, P6: a stream that is cut at any event and resumed by Last-Event-ID, despite ?after=, misses and repeats nothing', async (t) => {
  const served = await serveAda(t);
  for (const text of ['say one', 'say two', 'say three']) await send(served, text);
  const log = await stored(served);
  for (let cut = 1; cut <= log.length; cut++) {
    const first = await SseClient.open(served.url(`${EVENTS}?after=start`));
    const seen: Frame[] = [];
    while (seen.length < cut) seen.push(await first.next());
    first.close();
    const lastEventId = seen.at(-1)?.id ?? '';
    const second = await SseClient.open(served.url(`${EVENTS}?after=start`), {
      'last-event-id': lastEventId,
    });
    const rest = await second.until(isCaughtUp);
    second.close();
    t.deepEqual([...durable(seen), ...durable(rest)], log);
  }
});

test('P5: a stream continues an NDJSON page without a gap or repetition', async (t) => {
  const served = await serveAda(t);
  await send(served, 'say one two three');
  const log = await stored(served);
  for (let at = 1; at < log.length; at++) {
    const page = await served.call(`${EVENTS}?limit=${at}`, { headers: { accept: 'application/x-ndjson' } });
    const asOf = page.headers.get('page-as-of') ?? '';
    const client = await SseClient.open(served.url(`${EVENTS}?after=${asOf}`));
    const rest = durable(await client.until(isCaughtUp));
    client.close();
    t.deepEqual([...page.text.trimEnd().split('\n'), ...rest], log);
  }
});

test('a log longer than one write is replayed completely', async (t) => {
  const served = await serveAda(t);
  await served.call('workers/ada/inputs', { method: 'POST', body: { text: 'go' } });
  const text = 'x'.repeat(400);
  for (let batch = 0; batch < 10; batch++) {
    await served.puppet.say(
      Array.from({ length: 50 }, () => ({ type: 'message', parts: [{ type: 'text', text }] }) as const),
    );
  }
  await served.puppet.say({ type: 'message', parts: [{ type: 'text', text: 'y'.repeat(200_000) }] });
  const client = await SseClient.open(served.url(`${EVENTS}?after=start`));
  const frames = await client.until(isCaughtUp);
  client.close();
  t.deepEqual(durable(frames), await stored(served));
});

test('P8: clients that read one long log at different paces receive every event unchanged', async (t) => {
  const served = await serveAda(t);
  await served.call('workers/ada/inputs', { method: 'POST', body: { text: 'go' } });
  for (let batch = 0; batch < 30; batch++) {
    const texts = Array.from({ length: 50 }, (_, at) => `${batch} ${at} `.repeat(150));
    await served.puppet.say(
      texts.map((text) => ({ type: 'message', parts: [{ type: 'text', text }] }) as const),
    );
  }
  const all = await stored(served);
  const clients = Array.from({ length: 6 }, async (_, pace) => {
    const client = await SseClient.open(served.url(`${EVENTS}?after=start&deltas=0`));
    const frames: Frame[] = [];
    while (frames.length < all.length) {
      frames.push(await client.next());
      for (let turn = 0; turn < pace; turn++) await setImmediate();
    }
    client.close();
    t.true(durable(frames).join('\n') === all.join('\n'), `pace ${pace}`);
  });
  await Promise.all(clients);
});

test('deltas=0 omits the text of messages in progress', async (t) => {
  const served = await serveAda(t);
  const client = await SseClient.open(served.url(`${EVENTS}?deltas=0`));
  await client.until(({ event }) => event === 'snapshot');
  await send(served, 'say a b c');
  const frames = await client.until(({ data }) => data.type === 'run.finished');
  client.close();
  t.deepEqual([...new Set(frames.map(({ event }) => event))], ['message']);
});

test('only positions have ids, so a delta does not move the position to resume from', async (t) => {
  const served = await serveAda(t);
  const client = await SseClient.open(served.url(EVENTS));
  t.is(client.response.headers.get('content-type'), 'text/event-stream');
  t.is(client.response.headers.get('cache-control'), 'no-store');
  await client.until(isCaughtUp);
  await served.call('workers/ada/inputs', { method: 'POST', body: { text: 'go' } });
  await served.puppet.say({ type: 'text', text: 'a' });
  const frames = await client.until(({ event }) => event === 'delta');
  client.close();
  for (const { event, id } of frames) t.is(id !== null, event === 'message');
  t.deepEqual(Object.keys(frames.at(-1)?.data).sort(), [
    'message',
    'offset',
    'part',
    'partType',
    'run',
    'text',
  ]);
});

test('a quiet stream sends its position', async (t) => {
  const served = await serveAda(t, { http: { bookmarkMs: 20 } });
  const client = await SseClient.open(served.url(EVENTS));
  const frames = await client.until(({ event }) => event === 'bookmark');
  client.close();
  const { id, data } = frames.at(-1) as Frame;
  t.is(id, data.cursor);
  t.is(id, frames[0]?.data.asOf);
});

/** Returns the text of a stream up to the end of its first frame. */
const firstFrame = async (url: string, headers: Readonly<Record<string, string>> = {}): Promise<string> => {
  const response = await fetch(url, { headers: { accept: 'text/event-stream', ...headers } });
  let text = '';
  for await (const piece of (response.body as ReadableStream<Uint8Array>).pipeThrough(
    new TextDecoderStream(),
  )) {
    text += piece;
    if (text.includes('\n\n')) break;
  }
  return text.slice(0, text.indexOf('\n\n') + 2);
};

test('the first frame of each stream has a reconnection delay and data, also if the stream ends at once', async (t) => {
  const served = await serveAda(t, { class: Forgetful, http: { bookmarkMs: 20 } });
  const first = (path: string, headers = {}) => firstFrame(served.url(path), headers);
  t.regex(await first(EVENTS), /^retry: \d{4}\nid: \S+\nevent: snapshot\ndata: .+\n\n$/);
  t.regex(await first(`${EVENTS}?after=start`), /^retry: \d{4}\nid: \S+\ndata: .+\n\n$/);
  t.regex(await first(EVENTS, { 'last-event-id': 'gone' }), /^retry: \d{4}\nevent: reset\ndata: .+\n\n$/);
  const { asOf } = await served.runtime.readEvents('ada');
  const quiet = await first(`${EVENTS}?after=${asOf}&deltas=0`);
  t.regex(quiet, /^retry: \d{4}\nid: \S+\nevent: bookmark\ndata: .+\n\n$/);
  t.regex(await first('watch'), /^retry: \d{4}\nevent: worker\ndata: .+\n\n$/);

  const full = await serveAda(t, { limits: { subscriptions: 1 } });
  const holder = await SseClient.open(full.url(EVENTS));
  await holder.next();
  for (const path of [EVENTS, 'watch']) {
    const only = await firstFrame(full.url(path));
    t.regex(only, /^retry: \d{4}\nevent: closing\ndata: \{"reason":"LIMIT_REACHED"\}\n\n$/);
  }
  holder.close();
});

test('a stream request with a permanent error is refused with a problem', async (t) => {
  const served = await serveAda(t);
  await served.call('workers', { method: 'POST', body: { engine: 'puppet', workerId: 'bob' } });
  const { asOf } = await served.runtime.readEvents('bob');
  const headers = { accept: 'text/event-stream' };
  isProblem(t, await served.call('workers/eve/events', { headers }), 404, 'WORKER_NOT_FOUND');
  isProblem(t, await served.call(`${EVENTS}?after=nonsense`, { headers }), 400, 'CURSOR_INVALID');
  isProblem(t, await served.call(`${EVENTS}?after=${asOf}`, { headers }), 400, 'CURSOR_FOREIGN');
  isProblem(t, await served.call(`${EVENTS}?deltas=no`, { headers }), 400, 'INVALID_REQUEST');
  isProblem(t, await served.call(`${EVENTS}?limit=0`, { headers }), 400, 'INVALID_REQUEST');
});

test('a stream request with a transient error is answered with 200 and a closing frame', async (t) => {
  const served = await serveAda(t, { limits: { subscriptions: 1 } });
  const client = await SseClient.open(served.url(EVENTS));
  await client.next();
  const refused = await SseClient.open(served.url(EVENTS));
  t.is(refused.response.status, 200);
  t.deepEqual(
    (await refused.rest()).map(({ event, data }) => [event, data]),
    [['closing', { reason: 'LIMIT_REACHED' }]],
  );
  const watch = await served.call('watch', { headers: { accept: 'application/x-ndjson' } });
  t.deepEqual(watch.body, { type: 'closing', reason: 'LIMIT_REACHED' });
  client.close();
});

/** A runtime where the position `gone` has expired, as with a store of limited history. */
class Forgetful extends Runtime {
  override async openStream(
    ...[workerId, options]: Parameters<Runtime['openStream']>
  ): ReturnType<Runtime['openStream']> {
    if (options?.after === 'gone') throw new RuntimeError('CURSOR_EXPIRED');
    return super.openStream(workerId, options);
  }
}

test('a stream with an expired position sends reset and a snapshot instead of 410', async (t) => {
  const served = await serveAda(t, { class: Forgetful });
  const client = await SseClient.open(served.url(EVENTS), { 'last-event-id': 'gone' });
  t.is(client.response.status, 200);
  const [reset, snapshot] = [await client.next(), await client.next()];
  t.deepEqual([reset.event, reset.data], ['reset', { code: 'CURSOR_EXPIRED' satisfies ErrorCode }]);
  t.is(snapshot.event, 'snapshot');
  client.close();
});

/** A runtime whose store fails while a stream reads. */
class Failing extends Runtime {
  override async openStream(...args: Parameters<Runtime['openStream']>): ReturnType<Runtime['openStream']> {
    const stream = await super.openStream(...args);
    stream.pull = async () => {
      throw new RuntimeError('STORE_UNAVAILABLE', undefined, { cause: new Error('/srv/canary') });
    };
    return stream;
  }
}

test('P19: a stream that fails closes with the code, and the log has the cause', async (t) => {
  const served = await serveAda(t, { class: Failing });
  const client = await SseClient.open(served.url(EVENTS), { 'x-request-id': 'trace-2' });
  const frames = await client.rest();
  t.deepEqual(
    frames.map(({ event, data }) => [event, data]),
    [['closing', { reason: 'STORE_UNAVAILABLE' }]],
  );
  await served.logged('a stream failed');
  t.is(served.log.at(-1)?.fields.correlationId, 'trace-2');
});

/** A runtime whose log has a gap. */
class Holed extends Runtime {
  override async openStream(...args: Parameters<Runtime['openStream']>): ReturnType<Runtime['openStream']> {
    const stream = await super.openStream(...args);
    const pull = stream.pull.bind(stream);
    let isSent = false;
    stream.pull = (maxBytes) => {
      if (isSent) return pull(maxBytes);
      isSent = true;
      return { type: 'gap', afterSeq: 2, beforeSeq: 7, code: 'STORE_CORRUPT' };
    };
    return stream;
  }
}

test('P13: a stream reports the gaps of a damaged log', async (t) => {
  const served = await serveAda(t, { class: Holed });
  const client = await SseClient.open(served.url(EVENTS));
  const gap = await client.next();
  t.deepEqual(
    [gap.event, gap.id, gap.data],
    ['gap', null, { afterSeq: 2, beforeSeq: 7, code: 'STORE_CORRUPT' }],
  );
  t.is((await client.next()).event, 'snapshot');
  client.close();
});

test('the stream of a deleted Worker closes with the reason', async (t) => {
  const served = await serveAda(t);
  const client = await SseClient.open(served.url(EVENTS));
  await client.until(isCaughtUp);
  await served.call('workers/ada/stop', { method: 'POST' });
  await served.call('workers/ada', { method: 'DELETE' });
  const frames = await client.rest();
  t.deepEqual(frames.at(-1)?.data, { reason: 'WORKER_NOT_FOUND' });
});

test('P4: a stop sends what is due and then closing, to streams, watches and waiting requests', async (t) => {
  const served = await serveAda(t);
  const client = await SseClient.open(served.url(`${EVENTS}?after=start`));
  const watch = await SseClient.open(served.url('watch'));
  await served.call('workers/ada/inputs', { method: 'POST', body: { text: 'go' } });
  const waiting = served.call('workers/ada/inputs', {
    method: 'POST',
    body: { text: 'say it', whenBusy: 'queue' },
    headers: { prefer: 'wait=60' },
  });
  await served.puppet.say({ type: 'message', parts: [{ type: 'text', text: 'hello' }] });
  await client.until(({ data }) => data.type === 'message.completed');
  // the request waits only once its input is accepted
  while ((await served.call('workers/ada')).body.queued === 0);
  await served.runtime.stop({ deadlineMs: 2_000 });

  const frames = await client.rest();
  const finished = frames.find(({ data }) => data.type === 'run.finished');
  t.is(finished?.data.data.outcome, 'interrupted');
  t.deepEqual([frames.at(-1)?.event, frames.at(-1)?.data], ['closing', { reason: 'RUNTIME_STOPPING' }]);
  const watched = await watch.rest();
  t.deepEqual([watched.at(-1)?.event, watched.at(-1)?.data], ['closing', { reason: 'RUNTIME_STOPPING' }]);
  t.true([200, 202, 503].includes((await waiting).status));
});

test('P4: a client that does not read does not delay a stop', async (t) => {
  const served = await serveAda(t, { http: { drainMs: 50 } });
  const socket = await stalled(served);
  const closed = once(socket, 'close');
  await served.runtime.stop({ deadlineMs: 5_000 });
  t.is(served.runtime.status, 'stopped');
  t.deepEqual(
    served.log.filter(({ level }) => level === 'error' || level === 'warn'),
    [],
  );
  socket.resume();
  await closed;
});

/** Opens a stream of ada's events whose client stops reading, with more due to it than the kernel buffers. */
const stalled = async (served: Served) => {
  const socket = await connectTo(served.web.url);
  socket.on('error', () => {});
  socket.write(
    `GET /v1/runtimes/self/${EVENTS}?after=start HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n`,
  );
  await once(socket, 'readable');
  await served.call('workers/ada/inputs', { method: 'POST', body: { text: 'go' } });
  const message = { type: 'message', parts: [{ type: 'text', text: 'x'.repeat(500_000) }] } as const;
  for (let count = 0; count < 40; count++) await served.puppet.say(message);
  return socket;
};

test('P8: a client that stops reading delays no other, is disconnected at the stall limit, and resumes where it was', async (t) => {
  const served = await serveAda(t, { http: { stallMs: 4_000 } });
  const socket = await stalled(served);
  await served.puppet.finish();
  t.is((await send(served, 'say more')).status, 200);
  await served.logged('disconnected a client that stopped reading');

  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  await once(socket, 'close');
  const log = await stored(served);
  const whole = Buffer.concat(pieces).toString().split('\n\n').slice(0, -1);
  const seen = whole.flatMap((block) => /id: (\S+)\ndata: /.exec(block)?.[1] ?? []);
  t.true(seen.length < log.length);
  const again = await SseClient.open(served.url(`${EVENTS}?after=start`), {
    'last-event-id': seen.at(-1) ?? '',
  });
  const rest = durable(await again.until(isCaughtUp));
  again.close();
  t.deepEqual(rest, log.slice(seen.length));
});

test('the watch sends each Worker, then synced, then changes, and can be resumed', async (t) => {
  const served = await serveAda(t);
  const client = await SseClient.open(served.url('watch'));
  const first = await client.until(({ event }) => event === 'synced');
  t.deepEqual(
    first.map(({ event }) => event),
    ['worker', 'synced'],
  );
  t.is(first[0]?.data.workerId, 'ada');
  t.is(first[0]?.data.tools, undefined);
  const cursor = first[1]?.id ?? '';
  t.is(first[1]?.data.cursor, cursor);

  await served.call('workers', { method: 'POST', body: { engine: 'puppet', workerId: 'bob' } });
  await client.until(({ data }) => data.workerId === 'bob');
  await served.call('workers/ada/stop', { method: 'POST' });
  await client.until(({ data }) => data.workerId === 'ada' && data.status === 'stopped');
  await served.call('workers/ada', { method: 'DELETE' });
  await client.until(({ event, data }) => event === 'worker-removed' && data.workerId === 'ada');
  client.close();

  const resumed = await SseClient.open(served.url('watch?after=start'), { 'last-event-id': cursor });
  const rest = await resumed.until(({ event }) => event === 'synced');
  resumed.close();
  t.deepEqual(
    rest.map(({ event, data }) => [event, data.workerId]),
    [
      ['worker', 'bob'],
      ['worker-removed', 'ada'],
      ['synced', undefined],
    ],
  );
});

test('a watch with a position from before a restart begins with reset', async (t) => {
  const served = await serveAda(t);
  const foreign = `log_${'0'.repeat(26)}.w1`;
  const client = await SseClient.open(served.url('watch'), { 'last-event-id': foreign });
  const frames = await client.until(({ event }) => event === 'synced');
  client.close();
  t.deepEqual(
    frames.map(({ event }) => event),
    ['reset', 'worker', 'synced'],
  );
  isProblem(t, await served.call('watch?after=nonsense'), 400, 'CURSOR_INVALID');
});

test('the watch as NDJSON has one item a line', async (t) => {
  const served = await serveAda(t, { http: { bookmarkMs: 20 } });
  const response = await fetch(served.url('watch'), { headers: { accept: 'application/x-ndjson' } });
  const items: WatchItem[] = [];
  let text = '';
  for await (const piece of (response.body as ReadableStream<Uint8Array>).pipeThrough(
    new TextDecoderStream(),
  )) {
    text += piece;
    const lines = text.split('\n');
    text = lines.pop() ?? '';
    items.push(...lines.map((line) => JSON.parse(line)));
    if (items.length >= 3) break;
  }
  t.deepEqual(
    items.slice(0, 3).map(({ type }) => type as string),
    ['worker', 'synced', 'bookmark'],
  );
});

test('P20: a stream whose client disconnects releases its subscription', async (t) => {
  const served = await serveAda(t, { limits: { subscriptions: 1 } });
  for (let round = 0; round < 5; round++) {
    // the server notices the disconnection a little later
    for (let isOpen = false; !isOpen; ) {
      const client = await SseClient.open(served.url(EVENTS));
      const { event } = await client.next();
      isOpen = event === 'snapshot';
      client.close();
    }
  }
  t.pass();
});
