import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import test from 'ava';
import {
  type EngineOutput,
  type EngineOutputs,
  engine,
  inputText,
  type Run,
} from '../../src/contracts/engine.ts';
import type { WorkerEvent } from '../../src/contracts/event.ts';
import type { Observation, WatchItem } from '../../src/contracts/observation.ts';
import type { RuntimeStore } from '../../src/contracts/store.ts';
import { memoryStore } from '../../src/memory-store/memory-store.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { faultyStore } from '../../src/testing/faulty-store.ts';
import { Puppet } from '../fixtures/puppet.ts';
import { codeOf, logOf, makeRig, onClock, settle, shutDown, startRig } from '../fixtures/rig.ts';

setFlagsFromString('--expose_gc');
const collect = runInNewContext('gc') as () => void;

/** Returns the bytes of the heap that are in use after a garbage collection. */
const heapUsed = async (): Promise<number> => {
  for (let round = 0; round < 3; round += 1) {
    await settle();
    collect();
  }
  return process.memoryUsage().heapUsed;
};

const notice: EngineOutput = { type: 'notice', severity: 'info', code: 'tick', message: 'tick '.repeat(10) };

/** An engine that answers each input with as many events as the input's number says. */
const chatty = engine('chatty', async function* ({ input }) {
  const count = Number(inputText(input));
  for (let sent = 0; sent < count; sent += 50) yield Array.from({ length: 50 }, () => notice);
});

const say = async (runtime: Runtime, workerId: string, count: number): Promise<void> => {
  const { run } = await runtime.sendInput(workerId, { text: `${count}` }, { waitMs: 1_000 });
  if (run?.outcome !== 'completed') throw new TypeError('The run did not end');
};

test.serial(
  'P8: 1,000 stalled readers need no memory for 20,000 events, and later receive all of them',
  async (t) => {
    const { runtime } = await startRig(t, { engines: [chatty] });
    await runtime.createWorker({ workerId: 'w', engine: 'chatty' });
    await say(runtime, 'w', 1_000);
    const growth = async (): Promise<number> => {
      const before = await heapUsed();
      await say(runtime, 'w', 20_000);
      return (await heapUsed()) - before;
    };
    await growth();
    const alone = await growth();

    const { asOf } = await runtime.getWorker('w');
    const streams = await Promise.all(
      Array.from({ length: 500 }, async () => {
        const stream = await runtime.openStream('w', { after: asOf });
        // The reader has received one chunk and does not pull again.
        await stream.pull(65_536);
        return stream;
      }),
    );
    const iterators = await Promise.all(
      Array.from({ length: 500 }, async () => {
        const iterator = runtime.observe('w')[Symbol.asyncIterator]();
        await iterator.next();
        return iterator;
      }),
    );
    const beside = await growth();
    t.true(beside - alone < 2_000_000, `${beside} instead of ${alone} bytes`);

    const first = streams[0];
    const found: WorkerEvent[] = [];
    for (let chunk = await first?.pull(65_536); chunk; chunk = await first?.pull(65_536)) {
      if (chunk.type !== 'events') continue;
      for (const { line } of chunk.entries())
        found.push(JSON.parse(Buffer.from(line).toString()) as WorkerEvent);
    }
    const log = await logOf(runtime, 'w');
    t.deepEqual(found, log.slice(-found.length));
    t.true(found.length > 20_000);
    for (const stream of streams) stream.close();
    for (const iterator of iterators) await iterator.return?.(undefined);
  },
);

test.serial(
  'P20: 2,000 creations and deletions, with streams, leave no memory and no timer in use',
  async (t) => {
    const seen: WeakRef<object>[] = [];
    const echo = engine('echo', async function* (run, worker) {
      seen.push(new WeakRef(worker), new WeakRef(run));
      yield { type: 'text', text: inputText(run.input) };
      yield { type: 'message' };
    });
    const { runtime, clock } = await startRig(t, { engines: [echo], limits: { removedWorkers: 10 } });
    const round = async (): Promise<void> => {
      for (let n = 0; n < 50; n += 1) {
        const { worker } = await runtime.createWorker(
          {
            engine: 'echo',
            labels: { n: `${n}` },
            claims: [{ name: 'it', resource: `fs:/${n}/x`, mode: 'write' }],
          },
          { idempotencyKey: `create ${n}` },
        );
        const { workerId } = worker;
        const stream = runtime.observe(workerId)[Symbol.asyncIterator]();
        const watch = runtime.watch()[Symbol.asyncIterator]();
        await Promise.all([stream.next(), watch.next()]);
        await runtime.sendInput(workerId, { text: 'go' }, { idempotencyKey: 'key', waitMs: 1_000 });
        await runtime.stopWorker(workerId);
        await runtime.deleteWorker(workerId);
        await Promise.all([stream.return?.(undefined), watch.return?.(undefined)]);
      }
    };
    await round();
    const timers = clock.timers;
    const before = await heapUsed();
    for (let n = 0; n < 39; n += 1) await round();
    const grown = (await heapUsed()) - before;
    t.is(clock.timers, timers);
    t.is((await runtime.summary()).workers.total, 0);
    const alive = seen.filter((ref) => ref.deref() !== undefined).length;
    t.true(alive < 40, `${alive} executions and runs of ${seen.length} are still held`);
    t.true(grown < 2_000_000, `${grown} bytes more`);
  },
);

const LARGE = 200_000;
/** The endings of a run, each with a large value that the run received or produced. */
const endings: Readonly<Record<string, (run: Run, large: string) => EngineOutputs>> = {
  async *'a large input'() {
    yield { type: 'text', text: 'ok' };
  },
  async *'a large text'(_, large) {
    yield { type: 'text', text: large };
  },
  async *'a large message'(_, large) {
    yield { type: 'message', parts: [{ type: 'text', text: large }] };
  },
  async *'a large call of a tool'(_, large) {
    yield { type: 'tool-call', call: 'call', name: 'tool', input: { large } };
    yield { type: 'tool-result', call: 'call', output: large };
  },
  async *'a large request'(run, large) {
    const { decision } = await run.ask({
      kind: 'question',
      prompt: large.slice(0, 100_000),
      options: ['yes'],
    });
    yield { type: 'text', text: String(decision) };
  },
  async *'a large error'(_, large) {
    yield { type: 'text', text: 'ok' };
    throw new Error(large);
  },
};

test.serial('P20: a Worker at rest keeps nothing of its last run in the heap', async (t) => {
  const large = (n: number): string => `${n}`.padEnd(LARGE, 'x');
  const engines = Object.entries(endings).map(([ending, run]) =>
    engine(
      ending.replaceAll(' ', '-'),
      (handle) => run(handle, large(Number(inputText(handle.input).slice(0, 5)))),
      { requests: true },
    ),
  );
  const { runtime } = await startRig(t, { engines });
  for (const { name } of engines) {
    const round = async (first: number, count: number): Promise<void> => {
      for (let n = first; n < first + count; n += 1) {
        const workerId = `${name}-${n}`;
        await runtime.createWorker({ engine: name, workerId });
        const text = name === 'a-large-input' ? large(n) : `${n}`;
        const { runId } = await runtime.sendInput(workerId, { text }, { waitMs: 1_000 });
        const { requestId } = (await runtime.listRequests(workerId)).items[0] ?? {};
        if (requestId !== undefined) await runtime.respond(workerId, requestId, { decision: 'yes' });
        const { run } = await runtime.waitForRun(workerId, runId ?? '');
        t.is(run?.outcome, name === 'a-large-error' ? 'failed' : 'completed');
      }
    };
    await round(10_000, 5);
    const before = await heapUsed();
    await round(20_000, 30);
    const grown = (await heapUsed()) - before;
    t.true(grown < 30 * 50_000, `${name}: ${grown} bytes more`);
  }
});

test.serial('P20: stored lines take no more memory than they are long, beside large ones too', async (t) => {
  const { runtime } = await startRig(t, { engines: [chatty], limits: { tailBytes: 4_096 } });
  const arrayBuffers = async (): Promise<number> => {
    await heapUsed();
    return process.memoryUsage().arrayBuffers;
  };
  const storedBytes = async (): Promise<number> => {
    const { items } = await runtime.listWorkers({ limit: 100 });
    return items.reduce((sum, { stored }) => sum + stored.eventBytes, 0);
  };
  const round = async (first: number, count: number): Promise<void> => {
    for (let n = first; n < first + count; n += 1) {
      const workerId = `w${n % 10}`;
      await runtime.createWorker({ engine: 'chatty', workerId }).catch(() => {});
      // every second input is large, and events of a small one follow
      const text = n % 2 === 0 ? '1'.padEnd(150_000 + n) : '50';
      await runtime.sendInput(workerId, { text }, { waitMs: 1_000 });
    }
  };
  await round(0, 10);
  const [memory, stored] = [await arrayBuffers(), await storedBytes()];
  await round(10, 100);
  const [kept, added] = [(await arrayBuffers()) - memory, (await storedBytes()) - stored];
  t.true(added > 7_000_000, `${added} bytes stored`);
  t.true(kept < added * 1.2, `${kept} bytes kept for ${added} stored`);
});

test('P21: a page costs the same number of reads in a short and in a long log, and a list costs none', async (t) => {
  const costs: number[] = [];
  for (const count of [500, 10_000]) {
    const store = faultyStore(memoryStore());
    const { runtime } = await startRig(t, { store, engines: [chatty], limits: { tailBytes: 1_000 } });
    await runtime.createWorker({ workerId: 'w', engine: 'chatty' });
    await say(runtime, 'w', count);
    const { asOf } = await runtime.events('w', { limit: 200 });
    const reads = async (read: () => Promise<unknown>): Promise<number> => {
      const before = store.calls.length;
      await read();
      return store.calls.slice(before).filter(({ method }) => method !== 'append').length;
    };
    costs.push(
      await reads(() => runtime.events('w', { after: asOf, limit: 100 })),
      await reads(() => runtime.events('w', { limit: 100 })),
      await reads(() => runtime.transcript('w', { before: 'end', limit: 1 })),
    );
    for (const read of [
      () => runtime.listWorkers(),
      () => runtime.getWorker('w'),
      () => runtime.overview('w'),
      () => runtime.summary(),
    ])
      t.is(await reads(read), 0);
  }
  const [after, start, transcript, ...long] = costs;
  t.is(long[0], after);
  t.is(long[1], start);
  t.true((after ?? 99) <= 2);
  // A transcript page skips events that are not part of it, but reads a bounded number of them.
  t.true((transcript ?? 99) <= 20 && (long[2] ?? 99) <= 20);
});

/** Applies the items of a watch to the display names, by Worker id, that a client keeps. */
const follow = (items: readonly WatchItem[], known: Map<string, string | null>): void => {
  for (const item of items) {
    if (item.type === 'reset') known.clear();
    else if (item.type === 'worker') known.set(item.worker.workerId, item.worker.displayName);
    else if (item.type === 'worker-removed') known.delete(item.workerId);
  }
};

const present = async (runtime: Runtime): Promise<ReadonlyMap<string, string | null>> =>
  new Map(
    (await runtime.listWorkers({ limit: 1_000 })).items.map((worker) => [
      worker.workerId,
      worker.displayName,
    ]),
  );

const sorted = (known: ReadonlyMap<string, string | null>): readonly unknown[] =>
  [...known].sort(([a], [b]) => (a < b ? -1 : 1));

test('a watch that is read rarely delivers each changed Worker once, in its current state', async (t) => {
  const { runtime } = await startRig(t);
  for (let n = 0; n < 200; n += 1) await runtime.createWorker({ workerId: `w${n}`, engine: 'puppet' });
  const watch = runtime.openWatch();
  const known = new Map<string, string | null>();
  for (let round = 0; round < 5; round += 1) {
    for (let n = 0; n < 50; n += 1) {
      for (const name of ['first', `name ${round}`])
        await runtime.updateWorker(`w${n}`, { displayName: name });
    }
    await runtime.stopWorker(`w${100 + round}`);
    await runtime.deleteWorker(`w${100 + round}`);
    const items: WatchItem[] = [];
    for (let pulled = watch.pull(7); pulled; pulled = watch.pull(7)) items.push(...pulled);
    follow(items, known);
    t.deepEqual(sorted(known), sorted(await present(runtime)));
    if (round > 0) {
      t.is(items.filter((item) => item.type === 'worker').length, 50);
      t.deepEqual(items.at(-1)?.type, 'synced');
    }
  }
  const { cursor } = watch;
  watch.close();
  t.is(watch.pull(1), null);
  await runtime.updateWorker('w7', { displayName: 'later' });
  const again = runtime.openWatch({ after: cursor });
  t.deepEqual(
    again.pull(10)?.map((item) => (item.type === 'worker' ? item.worker.workerId : item.type)),
    ['w7', 'synced'],
  );
  again.close();
});

test('a list and a watch from its asOf miss no Worker that is created, changed or deleted in the meantime', async (t) => {
  const { runtime } = await startRig(t);
  for (let n = 0; n < 30; n += 1) await runtime.createWorker({ workerId: `w${n}`, engine: 'puppet' });
  const known = new Map<string, string | null>();
  let after: string | undefined;
  let asOf: string | undefined;
  let turn = 0;
  for (;;) {
    const page = await runtime.listWorkers({ limit: 7, ...(after !== undefined && { after }) });
    asOf ??= page.asOf;
    for (const worker of page.items) known.set(worker.workerId, worker.displayName);
    turn += 1;
    await runtime.updateWorker(`w${turn}`, { displayName: 'changed' });
    await runtime.stopWorker(`w${30 - turn}`);
    await runtime.deleteWorker(`w${30 - turn}`);
    await runtime.createWorker({ workerId: `new${turn}`, engine: 'puppet' });
    if (page.next === null) break;
    after = page.next;
  }
  const watch = runtime.openWatch({ after: asOf });
  for (let items = watch.pull(5); items; items = watch.pull(5)) follow(items, known);
  t.deepEqual(sorted(known), sorted(await present(runtime)));
  watch.close();
});

test('P6: a watch resumes from a cursor of the same start, and begins with `reset` for another one', async (t) => {
  const store = memoryStore();
  const first = makeRig({ store });
  await first.runtime.start();
  await first.runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  const { asOf } = await first.runtime.listWorkers();
  t.deepEqual(
    first.runtime
      .openWatch({ after: asOf })
      .pull(5)
      ?.map((item) => item.type),
    ['synced'],
  );
  await shutDown(first);
  const { runtime } = await startRig(t, { store });
  t.deepEqual(
    runtime
      .openWatch({ after: asOf })
      .pull(5)
      ?.map((item) => item.type),
    ['reset', 'worker', 'synced'],
  );
});

test('P5: a reader does not miss a change that happens just before it waits', async (t) => {
  const { runtime } = await startRig(t);
  await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  const controller = new AbortController();
  const seen: Observation[] = [];
  const watched: WatchItem[] = [];
  const observing = (async () => {
    for await (const item of runtime.observe('w', { signal: controller.signal })) seen.push(item);
  })();
  const watching = (async () => {
    for await (const item of runtime.watch({ signal: controller.signal })) watched.push(item);
  })();
  await settle();
  for (let ticks = 0; ticks < 40; ticks += 1) {
    const update = runtime.updateWorker('w', { displayName: `after ${ticks}` });
    for (let tick = 0; tick < ticks; tick += 1) await Promise.resolve();
    await runtime.updateWorker('w', { displayName: `and ${ticks}` });
    await update;
    await settle(3);
    const { lastSeq } = await runtime.getWorker('w');
    const last = seen.findLast((item) => item.type === 'event');
    t.is(last?.type === 'event' ? last.event.seq : 0, lastSeq, `after ${ticks} microtasks`);
    const worker = watched.findLast((item) => item.type === 'worker');
    t.is(worker?.type === 'worker' ? worker.worker.lastSeq : 0, lastSeq);
  }
  controller.abort();
  await Promise.all([observing, watching]);
});

test('a reader that is behind when its Worker is deleted receives `ended`', async (t) => {
  const { runtime } = await startRig(t, { engines: [chatty], limits: { tailBytes: 1_000 } });
  await runtime.createWorker({ workerId: 'w', engine: 'chatty' });
  await say(runtime, 'w', 500);
  const stream = await runtime.openStream('w', { after: 'start' });
  const iterator = runtime.observe('w', { after: 'start' })[Symbol.asyncIterator]();
  await iterator.next();
  await stream.pull(500);
  await runtime.stopWorker('w');
  await runtime.deleteWorker('w');
  let last = await stream.pull(65_536);
  for (let next = last; next; next = await stream.pull(65_536)) last = next;
  t.deepEqual(last, { type: 'ended', code: 'WORKER_NOT_FOUND' });
  let item = await iterator.next();
  for (let next = item; !next.done; next = await iterator.next()) item = next;
  t.deepEqual(item.value, { type: 'ended', code: 'WORKER_NOT_FOUND' });
});

test('P4: streams and watches receive `ended`, after the last event, when the runtime stops', async (t) => {
  const rig = makeRig();
  const { runtime } = rig;
  await runtime.start();
  await runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } });
  const seen: string[] = [];
  const watched: string[] = [];
  const observing = (async () => {
    for await (const item of runtime.observe('w', { after: 'start', deltas: false }))
      seen.push(item.type === 'event' ? item.event.type : item.type);
  })();
  const watching = (async () => {
    for await (const item of runtime.watch()) watched.push(item.type);
  })();
  await settle();
  await shutDown(rig);
  await Promise.all([observing, watching]);
  t.deepEqual(seen.slice(-2), ['run.finished', 'ended']);
  t.is(watched.at(-1), 'ended');
});

test('P4: a call that waits for a queued run is answered when the runtime stops', async (t) => {
  const rig = makeRig();
  const { runtime, clock } = rig;
  await runtime.start();
  await runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } });
  const waiting = runtime.sendInput('w', { text: 'next', whenBusy: 'queue' }, { waitMs: 3_600_000 });
  await settle();
  await shutDown(rig);
  const { run, queued } = await onClock(clock, waiting, 1);
  t.deepEqual([run, queued], [null, true]);
  t.is(clock.timers, 0, 'no timer keeps the process alive');
});

test('an idempotency key is in flight until its first call ends, even if the Worker could be unloaded', async (t) => {
  let admit = (): void => {};
  const { runtime, clock, puppet } = await startRig(t, {
    limits: { idleUnloadMs: 1_000, pluginTimeoutMs: 100_000 },
    plugins: [
      {
        name: 'slow',
        apply: (host) =>
          host.hooks.admit.tapPromise(async ({ type }) => {
            if (type === 'worker.input')
              await new Promise<void>((resolve) => {
                admit = resolve;
              });
          }),
      },
    ],
  });
  await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  const first = runtime.sendInput('w', { text: 'go' }, { idempotencyKey: 'key' });
  await clock.advance(5_000);
  t.is(
    await codeOf(runtime.sendInput('w', { text: 'go' }, { idempotencyKey: 'key' })),
    'IDEMPOTENCY_IN_FLIGHT',
  );
  admit();
  const { runId } = await first;
  t.is((await runtime.sendInput('w', { text: 'go' }, { idempotencyKey: 'key' })).runId, runId);
  t.is(puppet.runs.length, 1);
});

test('later changes to the objects of a request have no effect', async (t) => {
  const puppet = new Puppet();
  const { runtime } = await startRig(t, { engines: [puppet] });
  const labels: Record<string, string> = { team: 'a' };
  const config = { style: 'plain' };
  const metadata: Record<string, string> = { from: 'test' };
  await runtime.createWorker({ workerId: 'w', engine: 'puppet', labels, config });
  await runtime.sendInput('w', { text: 'go', metadata, whenBusy: 'queue' });
  labels.team = 'b';
  config.style = 'rich';
  metadata.from = 'changed';
  t.deepEqual((await runtime.getWorker('w')).labels, { team: 'a' });
  t.deepEqual(puppet.context().config, { style: 'plain' });
  t.deepEqual(puppet.last().run.input?.metadata, { from: 'test' });
});

test('P10: the usage per model is right even for model names like `__proto__`', async (t) => {
  const { runtime, puppet } = await startRig(t);
  await runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } });
  for (const model of ['constructor', '__proto__', 'toString', 'constructor'])
    puppet.last().yield({ type: 'usage', model, inputTokens: 2, outputTokens: 1 });
  puppet.last().say('done').finish();
  await settle();
  const { usage, messages, runs, events } = await runtime.overview('w');
  t.like(usage, { inputTokens: 8, outputTokens: 4 });
  t.deepEqual(
    Object.entries(usage.byModel)
      .map(([model, { inputTokens }]) => [model, inputTokens] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
    [
      ['__proto__', 2],
      ['constructor', 4],
      ['toString', 2],
    ],
  );
  t.deepEqual([messages, runs.completed, events], [1, 1, (await logOf(runtime, 'w')).length]);
});

test('P5: a read that overlaps with appends does not make a later page stale', async (t) => {
  const inner = memoryStore();
  let answer = Promise.resolve();
  const store = new Proxy(inner, {
    get: (target, name: keyof RuntimeStore) => {
      const member: unknown = target[name];
      if (typeof member !== 'function') return member;
      if (name !== 'read') return member.bind(target) as unknown;
      return async (...args: Parameters<RuntimeStore['read']>) => {
        const slice = await target.read(...args);
        await answer;
        return slice;
      };
    },
  });
  const { runtime } = await startRig(t, { store, limits: { tailBytes: 1 } });
  await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  for (let n = 0; n < 5; n += 1) await runtime.updateWorker('w', { displayName: `name ${n}` });
  let release = (): void => {};
  answer = new Promise((resolve) => {
    release = resolve;
  });
  const early = runtime.events('w');
  await settle();
  for (let n = 0; n < 5; n += 1) await runtime.updateWorker('w', { displayName: `later ${n}` });
  release();
  t.is((await early).items.length, 7);
  t.is((await runtime.events('w')).items.length, 12);
});
