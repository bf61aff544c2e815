import { connect } from 'node:net';
import type { Observation, WatchItem, WorkerSummary } from '@worker-runtime/core';
import type { ScriptStep } from '@worker-runtime/core/testing';
import test, { type ExecutionContext } from 'ava';
import { type ClientOptions, type RuntimeClient, runtimeClient } from '../../src/index.ts';
import { TRANSPORTS } from '../live-transports.ts';
import { Rebuilt, storedLines } from '../rebuilt.ts';
import { Served } from '../served.ts';

const serve = async (
  t: ExecutionContext,
  options: Partial<ClientOptions> = {},
): Promise<{ readonly served: Served; readonly api: RuntimeClient }> => {
  const served = await Served.start();
  t.teardown(() => served.dispose());
  return { served, api: runtimeClient({ url: served.address, retryMs: 1, retryMaxMs: 5, ...options }) };
};

const TALK: readonly ScriptStep[] = [
  { type: 'text', text: 'Let me ' },
  { type: 'text', text: 'look 👩‍👩‍👧, naïve.' },
  { type: 'message' },
  { type: 'tool-call', call: 'c1', name: 'read', input: { file: 'a "quoted" \u2028 name' } },
  { type: 'tool-result', call: 'c1', output: ['found', null] },
  { type: 'text', text: 'There.' },
  { type: 'message' },
];

/** Creates the Worker `ada` and completes some runs of it. Returns its log. */
const createTalkingWorker = async (
  { served, api }: Awaited<ReturnType<typeof serve>>,
  rounds = 2,
): Promise<readonly string[]> => {
  served.engine.script = { talk: TALK };
  await api.createWorker({ engine: 'scripted', workerId: 'ada' });
  for (let round = 0; round < rounds; round++)
    await api.sendInput('ada', { text: 'talk' }, { waitMs: 20_000 });
  return storedLines(served.address, 'ada');
};

/** Returns the end of each event in a complete answer, in bytes. */
const boundariesOf = async ({
  url,
}: Served): Promise<{ readonly ends: readonly number[]; readonly total: number }> => {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.write(
    'GET /v1/runtimes/self/workers/ada/events?after=start HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\n\r\n',
  );
  let bytes = Buffer.alloc(0);
  for await (const piece of socket) {
    bytes = Buffer.concat([bytes, piece as Buffer]);
    if (bytes.includes('event: in-flight')) break;
  }
  const ends: number[] = [];
  for (let at = bytes.indexOf('\n\n'); at !== -1; at = bytes.indexOf('\n\n', at + 2)) ends.push(at + 2);
  return { ends, total: bytes.length };
};

/** Creates a generator of pseudorandom numbers from 0 to 1 that are the same in each test run. */
const seeded = (seed: number) => (): number => {
  seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
  return seed / 2 ** 32;
};

test('P5, P6: a stream that is cut at any event or byte resumes without gap or repetition', async (t) => {
  const at = await serve(t, TRANSPORTS.sse);
  const { served } = at;
  const log = await createTalkingWorker(at);
  const { ends, total } = await boundariesOf(served);
  t.true(ends.length > log.length);
  const random = seeded(7);
  const cuts = [
    ...ends.flatMap((end) => [end - 1, end, end + 1]),
    ...Array.from({ length: 120 }, () => 1 + Math.floor(random() * total)),
  ];
  let uncut = 0;
  for (const cutAfter of cuts) {
    // the stream gets a new connection, so that the cut is at the intended byte
    served.proxy.reset();
    const connections = served.proxy.connections;
    served.proxy.treatment = () => (served.proxy.connections === connections + 1 ? { cutAfter } : {});
    const api = runtimeClient({ url: served.address, retryMs: 1, ...TRANSPORTS.sse });
    const rebuilt = new Rebuilt(t);
    const read = async (): Promise<void> => {
      for await (const item of api.observe('ada', { after: 'start' })) {
        rebuilt.take(item);
        if (rebuilt.lines.length === log.length && item.type === 'in-flight') return;
      }
    };
    await read();
    t.deepEqual(rebuilt.lines, log, `cut after ${cutAfter}`);
    if (served.proxy.connections === connections + 1) uncut++;
  }
  t.true(uncut < cuts.length / 10, `${uncut} of ${cuts.length} were not cut`);
});

test('P5, P6: streams on a socket that is cut at random bytes resume without gap or repetition', async (t) => {
  const at = await serve(t, TRANSPORTS.ws);
  const { served } = at;
  const log = await createTalkingWorker(at);
  const read = async (): Promise<void> => {
    const api = runtimeClient({ url: served.address, retryMs: 1, ...TRANSPORTS.ws });
    const rebuilt = new Rebuilt(t);
    for await (const item of api.observe('ada', { after: 'start' })) {
      rebuilt.take(item);
      if (rebuilt.lines.length === log.length && item.type === 'in-flight') break;
    }
    t.deepEqual(rebuilt.lines, log);
  };
  served.proxy.reset();
  const before = served.proxy.forwarded;
  await read();
  const total = served.proxy.forwarded - before;
  const random = seeded(7);
  let uncut = 0;
  for (let round = 0; round < 250; round++) {
    served.proxy.reset();
    const connections = served.proxy.connections;
    const cutAfter = 1 + Math.floor(random() * total);
    served.proxy.treatment = () => (served.proxy.connections === connections + 1 ? { cutAfter } : {});
    await read();
    if (served.proxy.connections === connections + 1) uncut++;
  }
  t.true(uncut < 25, `${uncut} of 250 were not cut`);
});

for (const [name, transport] of Object.entries(TRANSPORTS)) {
  test(`P5: text and events of an active run are complete although the connection is cut repeatedly (over ${name})`, async (t) => {
    const { served, api } = await serve(t, transport);
    const random = seeded(11);
    const words = Array.from({ length: 40 }, (_, at) => `word ${at} 👩‍👩‍👧 ${'and so on '.repeat(5)}`);
    served.engine.script = {
      go: Array.from({ length: 12 }, (_, round): readonly ScriptStep[] => [
        ...words.flatMap((text, at): readonly ScriptStep[] =>
          at % 8 === 0
            ? [
                { type: 'text', text },
                { type: 'gate', gate: `${round}.${at}` },
              ]
            : [{ type: 'text', text }],
        ),
        { type: 'message' },
      ]).flat(),
    };
    await api.createWorker({ engine: 'scripted', workerId: 'ada' });
    const rebuilt = new Rebuilt(t);
    const seen: string[] = [];
    let cutting = true;
    let wake = (): void => {};
    served.proxy.reset();
    served.proxy.treatment = () => (cutting ? { cutAfter: 1_000 + Math.floor(random() * 6_000) } : {});
    const reader = runtimeClient({ url: served.address, retryMs: 1, retryMaxMs: 3, ...transport });
    const reading = (async () => {
      for await (const item of reader.observe('ada', { after: 'start' })) {
        rebuilt.take(item);
        seen.push(item.type);
        wake();
        if (item.type === 'event' && item.event.type === 'run.finished') return;
      }
    })();
    await served.runtime.sendInput('ada', { text: 'go' });
    for (let round = 0; round < 12; round++) {
      for (let at = 0; at < words.length; at += 8) {
        await served.engine.gate(`${round}.${at}`).reached;
        // the run continues when the reader has caught up, so that the reader sees text while it is written
        while (![...rebuilt.text.values()].some((text) => text.endsWith(words[at] ?? '')))
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        served.engine.gate(`${round}.${at}`).open();
      }
    }
    await reading;
    cutting = false;
    t.deepEqual(rebuilt.lines, await storedLines(served.address, 'ada'));
    t.true(served.proxy.connections > 10, `${served.proxy.connections} connections`);
    t.true(seen.includes('delta'));
  });

  test(`P5: text in flight continues at the right offset after a lost connection (over ${name})`, async (t) => {
    const { served, api } = await serve(t, transport);
    served.engine.script = {
      go: [
        { type: 'text', text: 'one 👩' },
        { type: 'gate', gate: 'cut' },
        { type: 'text', text: ' two' },
        { type: 'gate', gate: 'end' },
      ],
    };
    await api.createWorker({ engine: 'scripted', workerId: 'ada' });
    const { cursor } = await api.sendInput('ada', { text: 'go' });
    await served.engine.gate('cut').reached;
    const rebuilt = new Rebuilt(t, 2);
    const kinds: string[] = [];
    for await (const item of api.observe('ada', { after: cursor })) {
      rebuilt.take(item);
      kinds.push(item.type);
      const text = [...rebuilt.text.values()].join('');
      if (item.type === 'in-flight' && kinds.filter((kind) => kind === 'in-flight').length === 1) {
        t.is(text, 'one 👩');
        served.proxy.reset();
        served.engine.gate('cut').open();
      }
      if (text === 'one 👩 two') break;
    }
    t.is(kinds.filter((kind) => kind === 'in-flight').length, 2);
    served.engine.gate('end').open();
  });

  test(`P8: events that the consumer has not requested stay in the runtime (over ${name})`, async (t) => {
    const { served, api } = await serve(t, transport);
    const text = 'x'.repeat(900_000);
    served.engine.script = {
      flood: Array.from(
        { length: 40 },
        () => ({ type: 'message', parts: [{ type: 'text', text }] }) as const,
      ),
    };
    await api.createWorker({ engine: 'scripted', workerId: 'ada' });
    await api.sendInput('ada', { text: 'flood' }, { waitMs: 20_000 });
    const { lastSeq } = await served.runtime.getWorker('ada');
    const before = served.proxy.forwarded;
    const items = api.observe('ada', { after: 'start', deltas: false })[Symbol.asyncIterator]();
    await items.next();
    // enough time for all of it to arrive, if the runtime had sent it
    for (let round = 0; round < 200; round++) await api.getWorker('ada');
    const arrived = served.proxy.forwarded - before;
    t.true(arrived < 24_000_000, `${arrived} of 36 MB`);
    const rebuilt = new Rebuilt(t, 1);
    for (let at = 1; at < lastSeq; at++) {
      const { value } = (await items.next()) as { readonly value: Observation };
      rebuilt.take(value);
    }
    t.is(rebuilt.lines.length, lastSeq - 1);
    await items.return?.();
  });

  test(`leaving a stream ends its connection, even while no event arrives (over ${name})`, async (t) => {
    const { served, api } = await serve(t, transport);
    await api.createWorker({ engine: 'scripted', workerId: 'ada' });
    const closes: Promise<void>[] = [];
    const opened = async (signal?: AbortSignal) => {
      const closed = new Promise<void>((resolve) => {
        served.proxy.treatment = () => ({ onClose: resolve });
      });
      closes.push(closed);
      served.proxy.reset();
      const own = runtimeClient({ url: served.address, ...transport });
      const items = own.observe('ada', { ...(signal && { signal }) })[Symbol.asyncIterator]();
      await items.next();
      await items.next();
      return items;
    };
    const returned = await opened();
    const pending = returned.next();
    await returned.return?.();
    t.deepEqual(await pending, { done: true, value: undefined });

    const abort = new AbortController();
    const aborted = await opened(abort.signal);
    const waiting = aborted.next();
    abort.abort();
    t.deepEqual(await waiting, { done: true, value: undefined });
    await Promise.all(closes);
  });

  for (const way of ['stop', 'kill'] as const) {
    test(`P5: streams with acrossRestarts resume after a ${way} of the runtime (over ${name})`, async (t) => {
      const { served, api } = await serve(t, transport);
      await createTalkingWorker({ served, api }, 1);
      const rebuilt = new Rebuilt(t);
      const kinds: string[] = [];
      const workers = new Map<string, WorkerSummary>();
      const abort = new AbortController();
      const watching = (async () => {
        for await (const item of api.watch({ acrossRestarts: true, signal: abort.signal })) {
          kinds.push(item.type);
          if (item.type === 'reset') workers.clear();
          if (item.type === 'worker') workers.set(item.worker.workerId, item.worker);
          if (item.type === 'synced' && workers.has('bob')) return;
        }
      })();
      let isBack = false;
      for await (const item of api.observe('ada', { after: 'start', acrossRestarts: true })) {
        rebuilt.take(item);
        if (item.type !== 'in-flight' && !(item.type === 'event' && item.event.type === 'run.finished'))
          continue;
        if (item.type === 'in-flight' && !isBack) {
          isBack = true;
          await served[way]();
          await served.begin();
          await served.runtime.createWorker({ engine: 'scripted', workerId: 'bob' });
          await served.runtime.sendInput('ada', { text: 'talk' });
        } else if (isBack && item.type === 'event') break;
      }
      t.deepEqual(rebuilt.lines, await storedLines(served.address, 'ada'));
      await watching;
      abort.abort();
      t.true(kinds.includes('reset'));
      t.deepEqual(
        workers.get('bob'),
        await api.getWorker('bob').then(({ workerId }) => workers.get(workerId)),
      );
    });
  }

  test(`a stream ends if its Worker is deleted while the stream is disconnected (over ${name})`, async (t) => {
    const { served, api } = await serve(t, transport);
    await createTalkingWorker({ served, api }, 1);
    const items: Observation[] = [];
    for await (const item of api.observe('ada', { after: 'start' })) {
      items.push(item);
      if (item.type !== 'in-flight') continue;
      served.lead(null);
      served.proxy.reset();
      await served.runtime.stopWorker('ada');
      await served.runtime.deleteWorker('ada');
      served.lead(served);
    }
    t.deepEqual(items.at(-1), { type: 'ended', code: 'WORKER_NOT_FOUND' });
  });

  test(`P6: a watch that is cut anywhere ends up with the current Workers (over ${name})`, async (t) => {
    const { served, api } = await serve(t, transport);
    for (let at = 0; at < 12; at++) await api.createWorker({ engine: 'scripted', workerId: `w${at}` });
    const random = seeded(3);
    for (let round = 0; round < 60; round++) {
      served.proxy.reset();
      const first = served.proxy.connections + 1;
      const cutAfter = 200 + Math.floor(random() * 7_000);
      const gone = `w${round % 12}`;
      served.proxy.treatment = () => (served.proxy.connections === first ? { cutAfter } : {});
      const own = runtimeClient({ url: served.address, retryMs: 1, ...transport });
      const known = new Map<string, string | null>();
      const items: WatchItem['type'][] = [];
      let isChanged = false;
      for await (const item of own.watch()) {
        items.push(item.type);
        if (item.type === 'reset') known.clear();
        if (item.type === 'worker') known.set(item.worker.workerId, item.worker.displayName);
        if (item.type === 'worker-removed') known.delete(item.workerId);
        if (!isChanged) {
          isChanged = true;
          await served.runtime.stopWorker(gone);
          await served.runtime.deleteWorker(gone);
          await served.runtime.createWorker({
            engine: 'scripted',
            workerId: `${gone}`,
            displayName: `again ${round}`,
          });
          await served.runtime.updateWorker('w0', { displayName: `round ${round}` });
        }
        if (item.type === 'synced' && known.get('w0') === `round ${round}`) break;
      }
      const { items: all } = await served.runtime.listWorkers();
      t.deepEqual(
        Object.fromEntries(known),
        Object.fromEntries(all.map(({ workerId, displayName }) => [workerId, displayName])),
        `cut after ${cutAfter}: ${items.join()}`,
      );
    }
  });
}

for (const [name, transport] of Object.entries(TRANSPORTS)) {
  test(`P6, P12: another runtime at the address does not count as a deletion, a missed deletion does (over ${name})`, async (t) => {
    const { served, api } = await serve(t, transport);
    const other = await Served.start();
    t.teardown(() => other.dispose());
    for (const workerId of ['ada', 'both']) await api.createWorker({ engine: 'scripted', workerId });
    await other.runtime.createWorker({ engine: 'scripted', workerId: 'both' });
    const follow = async (workerId: string): Promise<AsyncIterator<Observation>> => {
      const items = api.observe(workerId, { after: 'start', acrossRestarts: true })[Symbol.asyncIterator]();
      for (;;) {
        const { value } = await items.next();
        if ((value as Observation).type === 'in-flight') return items;
      }
    };
    const followed = await Promise.all(['ada', 'both'].map(follow));
    served.lead(other);
    served.proxy.reset();
    for (const items of followed) {
      const error = await t.throwsAsync(items.next(), { code: 'RUNTIME_NOT_FOUND' });
      t.is(error?.message, 'Another runtime answers at this address now');
    }

    served.lead(served);
    served.proxy.reset();
    const items = await follow('ada');
    served.lead(null);
    served.proxy.reset();
    await served.runtime.stopWorker('ada');
    await served.runtime.deleteWorker('ada');
    served.lead(served);
    t.deepEqual((await items.next()).value, { type: 'ended', code: 'WORKER_NOT_FOUND' });
  });
}
