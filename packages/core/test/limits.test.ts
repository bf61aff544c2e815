import test, { type ExecutionContext } from 'ava';
import { bundleDigest } from '../src/commands/bundles.ts';
import { type EngineOutput, engine } from '../src/contracts/engine.ts';
import { DEFAULT_LIMITS, type Limits, resolveLimits } from '../src/contracts/limits.ts';
import type { PluginState } from '../src/contracts/plugin.ts';
import { type ErrorCode, RuntimeError } from '../src/contracts/runtime-error.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { Runtime } from '../src/runtime/runtime.ts';
import { faultyStore } from '../src/testing/faulty-store.ts';
import { Puppet } from './fixtures/puppet.ts';
import {
  codeOf,
  errorOf,
  logOf,
  makeRig,
  onClock,
  plugin,
  settle,
  shutDown,
  startRig,
} from './fixtures/rig.ts';

type Reach = (t: ExecutionContext) => Promise<void>;

const never = (): Promise<never> => new Promise(() => {});

/** Checks that the call fails with this code and, if `limit` is given, with the limit's name and value. */
const refused = async (
  t: ExecutionContext,
  call: Promise<unknown>,
  code: ErrorCode,
  limit?: keyof Limits,
  value?: number,
): Promise<void> => {
  const error = await errorOf(call);
  t.is(error.code, code);
  if (limit) t.like(error.details, { limit, value });
};

/** Runs an engine with these outputs. Returns the error code of the run, or its outcome. */
const outcomeOf = async (
  t: ExecutionContext,
  limits: Partial<Limits>,
  outputs: readonly EngineOutput[],
): Promise<unknown> => {
  const yields = engine('yields', async function* () {
    yield* outputs;
  });
  const { runtime, clock } = await startRig(t, { engines: [yields], limits });
  const { worker } = await runtime.createWorker({ engine: 'yields' });
  const sent = runtime.sendInput(worker.workerId, { text: 'go' }, { waitMs: 10_000 });
  const { run } = await onClock(clock, sent);
  return run?.error?.code ?? run?.outcome;
};

const bundleOf = (id: string) => ({ id, profiles: {} });
const textOf = (length: number): string => 'x'.repeat(length);

/** For each limit, a function that sets it low, reaches it and checks the result. */
const limits: Record<keyof Limits, Reach> = {
  async workers(t) {
    const { runtime } = await startRig(t, { limits: { workers: 2 } });
    await runtime.createWorker({ workerId: 'a', engine: 'puppet' });
    // A creation counts from its call on, before anything is awaited.
    const codes = await Promise.all(
      ['b', 'c', 'd'].map((workerId) => codeOf(runtime.createWorker({ workerId, engine: 'puppet' }))),
    );
    t.deepEqual(codes, ['none', 'LIMIT_REACHED', 'LIMIT_REACHED']);
    await runtime.stopWorker('a');
    await refused(t, runtime.createWorker({ engine: 'puppet' }), 'LIMIT_REACHED', 'workers', 2);
    await runtime.deleteWorker('a');
    await runtime.createWorker({ engine: 'puppet' });
  },
  async forks(t) {
    const store = faultyStore(memoryStore());
    const parrot = engine('parrot', async function* () {});
    const { runtime } = await startRig(t, { engines: [parrot], store, limits: { forks: 1 } });
    await runtime.createWorker({ workerId: 'w', engine: 'parrot' });
    const stall = store.stall(({ method }) => method === 'create');
    const first = runtime.forkWorker('w');
    await stall.reached;
    await refused(t, runtime.forkWorker('w'), 'LIMIT_REACHED', 'forks', 1);
    stall.release('done');
    await first;
    t.is(await codeOf(runtime.forkWorker('w')), 'none');
  },
  async inputBytes(t) {
    const { runtime } = await startRig(t, { limits: { inputBytes: 100 } });
    await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
    const long = { text: textOf(101) };
    await refused(t, runtime.sendInput('w', long), 'PAYLOAD_TOO_LARGE', 'inputBytes', 100);
    await refused(
      t,
      runtime.createWorker({ engine: 'puppet', initialInput: long }),
      'PAYLOAD_TOO_LARGE',
      'inputBytes',
      100,
    );
    t.is(await codeOf(runtime.sendInput('w', { text: textOf(50) })), 'none');
  },
  async metadataBytes(t) {
    const { runtime } = await startRig(t, { limits: { metadataBytes: 20 } });
    await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
    const metadata = { note: textOf(20) };
    await refused(
      t,
      runtime.sendInput('w', { text: 'hi', metadata }),
      'PAYLOAD_TOO_LARGE',
      'metadataBytes',
      20,
    );
    t.is(await codeOf(runtime.sendInput('w', { text: 'hi', metadata: { a: 1 } })), 'none');
  },
  async configBytes(t) {
    const { runtime } = await startRig(t, { limits: { configBytes: 20 } });
    const config = { note: textOf(20) };
    await refused(
      t,
      runtime.createWorker({ engine: 'puppet', config }),
      'PAYLOAD_TOO_LARGE',
      'configBytes',
      20,
    );
  },
  async fileBytes(t) {
    const { runtime } = await startRig(t, { limits: { fileBytes: 100 } });
    await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
    const put = (size: number) => runtime.putFile('w', new Uint8Array(size), { mediaType: 'image/png' });
    await refused(t, put(101), 'PAYLOAD_TOO_LARGE', 'fileBytes', 100);
    t.is(await codeOf(put(100)), 'none');
  },
  async workerFileBytes(t) {
    const { runtime, puppet } = await startRig(t, { limits: { workerFileBytes: 100 } });
    for (const workerId of ['w', 'v']) await runtime.createWorker({ workerId, engine: 'puppet' });
    const image = { mediaType: 'image/png' };
    const put = (size: number, workerId = 'w') => runtime.putFile(workerId, new Uint8Array(size), image);
    await put(60);
    await refused(t, put(41), 'LIMIT_REACHED', 'workerFileBytes', 100);
    const own = puppet.context('w').putFile(new Uint8Array(41), image);
    await refused(t, own, 'LIMIT_REACHED', 'workerFileBytes', 100);
    // the same bytes count once, and each Worker counts for itself
    t.deepEqual(await Promise.all([put(60), put(40), put(41, 'v')].map(codeOf)), ['none', 'none', 'none']);
    // bytes count too whose event could not be stored, but not those that the store refused
    const faulty = faultyStore(memoryStore());
    const other = await startRig(t, { store: faulty, limits: { workerFileBytes: 100 } });
    await other.runtime.createWorker({ workerId: 'w', engine: 'puppet' });
    const attempt = (size: number) => codeOf(other.runtime.putFile('w', new Uint8Array(size), image));
    for (const [method, code] of [
      ['putBlob', 'STORE_FULL'],
      ['append', 'STORE_FULL'],
      ['append', 'STORE_FULL'],
    ] as const) {
      faulty.failNext(method, 'full');
      t.is(await attempt(60), code);
    }
    t.deepEqual([await attempt(41), await attempt(60), await attempt(40)], ['LIMIT_REACHED', 'none', 'none']);
  },
  async files(t) {
    const store = faultyStore(memoryStore());
    const { runtime } = await startRig(t, { store, limits: { files: 2 } });
    await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
    const put = (size: number) => runtime.putFile('w', new Uint8Array(size), { mediaType: 'image/png' });
    const codes = await Promise.all([1, 2, 1, 3, 4].map((size) => codeOf(put(size))));
    t.deepEqual(codes, ['none', 'none', 'none', 'LIMIT_REACHED', 'LIMIT_REACHED']);
    await refused(t, put(5), 'LIMIT_REACHED', 'files', 2);
    t.is(store.calls.filter(({ method }) => method === 'putBlob').length, 2, 'nothing more was written');
  },
  async inputFiles(t) {
    const { runtime } = await startRig(t, { limits: { inputFiles: 2 } });
    await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
    const file = await runtime.putFile('w', new Uint8Array(1), { mediaType: 'image/png' });
    const text = { type: 'text', text: 'x' } as const;
    await refused(t, runtime.sendInput('w', { parts: [file, file, file] }), 'INVALID_REQUEST');
    t.is(await codeOf(runtime.sendInput('w', { parts: [text, text, file, file] })), 'none');
  },
  async queuedInputs(t) {
    const { runtime } = await startRig(t, { limits: { queuedInputs: 2 } });
    await runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } });
    const queue = () => runtime.sendInput('w', { text: 'next', whenBusy: 'queue' });
    await Promise.all([queue(), queue()]);
    await refused(t, queue(), 'LIMIT_REACHED', 'queuedInputs', 2);
    await runtime.cancelRun('w');
    t.is(await codeOf(queue()), 'none');
  },
  async openInputBytes(t) {
    const { runtime, puppet } = await startRig(t, { limits: { openInputBytes: 10_000 } });
    const initialInput = { text: textOf(3_000) };
    for (const workerId of ['a', 'b'])
      await runtime.createWorker({ workerId, engine: 'puppet', initialInput });
    // The inputs of all Workers count, active or queued, and so does their metadata.
    const queue = () =>
      runtime.sendInput('a', { text: textOf(1_500), metadata: { a: textOf(500) }, whenBusy: 'queue' });
    await queue();
    await refused(t, queue(), 'LIMIT_REACHED', 'openInputBytes', 10_000);
    await refused(
      t,
      runtime.createWorker({ engine: 'puppet', initialInput }),
      'LIMIT_REACHED',
      'openInputBytes',
      10_000,
    );
    t.is((await runtime.listWorkers()).items.length, 2);
    puppet.last('b').finish();
    await settle();
    t.is(await codeOf(queue()), 'none');
    await refused(t, queue(), 'LIMIT_REACHED', 'openInputBytes', 10_000);
    await runtime.stopWorker('a');
    await runtime.createWorker({ engine: 'puppet', initialInput });
  },
  async totalStateBytes(t) {
    const limit = 12_000;
    const store = memoryStore();
    const rig = makeRig({ store, limits: { totalStateBytes: limit } });
    await rig.runtime.start();
    const { runtime, puppet } = rig;
    const isRefused = (call: Promise<unknown>) => refused(t, call, 'LIMIT_REACHED', 'totalStateBytes', limit);
    const labels = { text: textOf(200) };
    let created = 0;
    for (let code = 'none'; code === 'none'; created += 1)
      code = await codeOf(runtime.createWorker({ workerId: `w${created}`, engine: 'puppet', labels }));
    created -= 1;
    t.true(created >= 10 && created <= 40, `${created}`);
    t.is((await runtime.summary()).workers.total, created, 'a refused Worker leaves nothing');
    await isRefused(runtime.createWorker({ engine: 'puppet', displayName: textOf(200), labels }));
    await isRefused(runtime.updateWorker('w0', { labels: { text: textOf(200), more: textOf(200) } }));
    await runtime.updateWorker('w0', { labels: { text: textOf(150) } });
    // Open requests, open calls and recorded values count too, and what ends something is accepted.
    await runtime.stopWorker('w1');
    await runtime.deleteWorker('w1');
    await runtime.sendInput('w2', { text: 'go' });
    await settle();
    const ask = () =>
      puppet.last('w2').run.ask({ kind: 'question', prompt: textOf(5_000), options: ['yes'] });
    await isRefused(ask());
    puppet.last('w2').yield({ type: 'record', value: { text: textOf(4_000) } });
    await settle();
    t.like((await runtime.getWorker('w2')).execution.lastError, { code: 'LIMIT_REACHED' });
    await runtime.sendInput('w3', { text: 'go' });
    await settle();
    for (let call = 0; call < 20; call += 1)
      puppet.last('w3').yield({ type: 'tool-call', call: `${textOf(500)}${call}`, name: 'look', input: {} });
    await settle();
    t.like((await runtime.getWorker('w3')).execution.lastError, { code: 'LIMIT_REACHED' });
    // Files count by their entries, and the bytes of a refused one are not written.
    const room = 'w4';
    await runtime.sendInput(room, { text: 'go' });
    let files = 0;
    for (let code = 'none'; code === 'none'; files += 1)
      code = await codeOf(runtime.putFile(room, Buffer.from(`${files}`), { mediaType: 'image/png' }));
    t.true(files > 1 && files < 100, `${files}`);
    await isRefused(runtime.putFile(room, Buffer.from('more'), { mediaType: 'image/png' }));
    await shutDown(rig);
    // A store that holds more than the limit opens, resting or not, and everything counts.
    const lower = await startRig(t, { store, limits: { totalStateBytes: 2_000 } });
    t.is((await lower.runtime.summary()).workers.total, created - 1);
    t.is(await codeOf(lower.runtime.createWorker({ engine: 'puppet', labels })), 'LIMIT_REACHED');
    for (const { workerId } of (await lower.runtime.listWorkers()).items) {
      await lower.runtime.stopWorker(workerId);
      await lower.runtime.deleteWorker(workerId);
    }
    t.is(await codeOf(lower.runtime.createWorker({ engine: 'puppet', labels })), 'none');
    // Concurrent creations do not pass the limit together.
    const codes = await Promise.all(
      Array.from({ length: 20 }, () => codeOf(lower.runtime.createWorker({ engine: 'puppet', labels }))),
    );
    t.deepEqual([...new Set(codes)].sort(), ['LIMIT_REACHED', 'none']);
    t.true((await lower.runtime.listWorkers()).items.length <= 5);
  },
  async runAttempts(t) {
    const store = memoryStore();
    const capabilities = { placement: 'backendInternal', continues: true } as const;
    const options = { store, engines: [new Puppet({ capabilities })], limits: { runAttempts: 2 } };
    const first = makeRig(options);
    await first.runtime.start();
    await first.runtime.createWorker({
      workerId: 'w',
      engine: 'puppet',
      whenInterrupted: 'continue',
      initialInput: { text: 'go' },
    });
    await settle();
    await store.close();
    const second = makeRig(options);
    await second.runtime.start();
    await settle();
    t.is((await second.runtime.getWorker('w')).status, 'running');
    await store.close();
    const { runtime } = await startRig(t, options);
    const end = (await logOf(runtime, 'w')).find(({ type }) => type === 'run.finished');
    t.like(end?.data, { outcome: 'interrupted' });
  },
  async openRequests(t) {
    const { runtime, puppet } = await startRig(t, { limits: { openRequests: 1 } });
    await runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } });
    await settle();
    const ask = () => puppet.last().run.ask({ kind: 'question', prompt: 'Well?', options: ['yes'] });
    void ask();
    await refused(t, ask(), 'LIMIT_REACHED', 'openRequests', 1);
    t.is((await runtime.listRequests('w')).items.length, 1);
  },
  async openCalls(t) {
    const called = (call: string) => ({ type: 'tool-call', call, name: 'look', input: {} }) as const;
    const finished = (call: string) => ({ type: 'tool-result', call, output: 1 }) as const;
    const outputs = [called('a'), finished('a'), called('b')];
    t.is(await outcomeOf(t, { openCalls: 1 }, outputs), 'completed');
    t.is(await outcomeOf(t, { openCalls: 1 }, [...outputs, called('c')]), 'LIMIT_REACHED');
  },
  async labels(t) {
    const { runtime } = await startRig(t, { limits: { labels: 1 } });
    const labels = { a: '1', b: '2' };
    await refused(t, runtime.createWorker({ engine: 'puppet', labels }), 'INVALID_REQUEST');
    await runtime.createWorker({ workerId: 'w', engine: 'puppet', labels: { a: '1' } });
    await refused(t, runtime.updateWorker('w', { labels }), 'INVALID_REQUEST');
  },
  async labelChars(t) {
    const { runtime } = await startRig(t, { limits: { labelChars: 3 } });
    for (const labels of [{ long: 'x' }, { a: 'long' }])
      await refused(t, runtime.createWorker({ engine: 'puppet', labels }), 'INVALID_REQUEST');
    t.is(await codeOf(runtime.createWorker({ engine: 'puppet', labels: { abc: 'abc' } })), 'none');
  },
  async tools(t) {
    const { runtime } = await startRig(t, { limits: { tools: 1 } });
    await refused(t, runtime.createWorker({ engine: 'puppet', tools: ['read', 'write'] }), 'INVALID_REQUEST');
    t.is(await codeOf(runtime.createWorker({ engine: 'puppet', tools: ['read'] })), 'none');
  },
  async claims(t) {
    const { runtime } = await startRig(t, { limits: { claims: 1 } });
    const claim = (name: string) => ({ name, resource: `fs:/${name}`, mode: 'write' }) as const;
    await refused(
      t,
      runtime.createWorker({ engine: 'puppet', claims: [claim('a'), claim('b')] }),
      'INVALID_REQUEST',
    );
    t.is(await codeOf(runtime.createWorker({ engine: 'puppet', claims: [claim('a')] })), 'none');
  },
  async eventBytes(t) {
    const notice = { type: 'notice', severity: 'info', code: 'x', message: textOf(1_000) } as const;
    t.is(await outcomeOf(t, { eventBytes: 1_000 }, [notice]), 'OUTPUT_TOO_LARGE');
    t.is(await outcomeOf(t, { eventBytes: 2_000 }, [notice]), 'completed');
    // Streamed text that fits inFlightBytes but not an event ends the run, too.
    const text = { type: 'text', text: textOf(1_000) } as const;
    t.is(await outcomeOf(t, { eventBytes: 1_000 }, [text, { type: 'message' }]), 'OUTPUT_TOO_LARGE');
    t.is(await outcomeOf(t, { eventBytes: 1_000 }, [text]), 'OUTPUT_TOO_LARGE');
  },
  async recordedBytes(t) {
    const record = { type: 'record', value: { text: textOf(100) } } as const;
    t.is(await outcomeOf(t, { recordedBytes: 100 }, [record]), 'OUTPUT_TOO_LARGE');
    t.is(await outcomeOf(t, { recordedBytes: 200 }, [record]), 'completed');
  },
  async inFlightBytes(t) {
    const text = { type: 'text', text: textOf(10) } as const;
    t.is(await outcomeOf(t, { inFlightBytes: 25 }, [text, text, text]), 'OUTPUT_TOO_LARGE');
    t.is(await outcomeOf(t, { inFlightBytes: 25 }, [text, text, { type: 'message' }, text]), 'completed');
  },
  async totalInFlightBytes(t) {
    const { runtime, puppet } = await startRig(t, { limits: { totalInFlightBytes: 1_000 } });
    for (const workerId of ['long', 'short', 'next'])
      await runtime.createWorker({ workerId, engine: 'puppet', initialInput: { text: 'go' } });
    await settle();
    const say = async (workerId: string, length: number) => {
      puppet.last(workerId).yield({ type: 'text', text: textOf(length) });
      await settle();
      return (await runtime.getWorker(workerId)).execution.lastError?.code ?? null;
    };
    t.is(await say('long', 800), null);
    t.is(await say('short', 300), null, 'a run with less than its share goes on');
    t.is(await say('long', 10), 'LIMIT_REACHED');
    // The text of the failed run is kept as a partial message, and its share is free again.
    t.true((await logOf(runtime, 'long')).some(({ type }) => type === 'message.completed'));
    t.is(await say('short', 600), null);
    puppet.last('short').yield({ type: 'message' });
    await settle();
    t.is(await say('next', 1_000), null, 'a completed message is not in flight');
    t.is(await say('next', 1), 'LIMIT_REACHED');
  },
  async totalTailBytes(t) {
    const faulty = faultyStore(memoryStore());
    const { runtime } = await startRig(t, { store: faulty, limits: { totalTailBytes: 3_000 } });
    const reads = (): number => faulty.calls.filter((call) => call.method === 'read').length;
    /** The number of reads of the store that a page needs. */
    const readsFor = async (workerId: string, after = 'start'): Promise<number> => {
      const before = reads();
      await runtime.events(workerId, { after });
      return reads() - before;
    };
    for (const workerId of ['a', 'b', 'c', 'd', 'e'])
      await runtime.createWorker({ workerId, engine: 'puppet', displayName: textOf(200) });
    t.is(await readsFor('e'), 0);
    t.is(await readsFor('a'), 1, 'the tail that was used the longest time ago is gone');
    const { asOf } = await runtime.updateWorker('a', { displayName: 'a' });
    await runtime.updateWorker('a', { displayName: 'b' });
    t.is(await readsFor('a', asOf), 0, 'a new line begins a new tail');
    const events: number[] = [];
    for (const { seq } of await logOf(runtime, 'a')) events.push(seq);
    t.deepEqual(events, [1, 2, 3, 4]);
  },
  async totalIdempotencyKeys(t) {
    const faulty = faultyStore(memoryStore());
    const { runtime } = await startRig(t, { store: faulty, limits: { totalIdempotencyKeys: 4 } });
    const loads = (): number => faulty.calls.filter((call) => call.method === 'keys').length;
    const send = (workerId: string, key: number) =>
      runtime.sendInput(workerId, { text: `${key}`, whenBusy: 'queue' }, { idempotencyKey: `${key}` });
    for (const workerId of ['a', 'b']) {
      await runtime.createWorker({ workerId, engine: 'puppet' });
      for (const key of [1, 2, 3, 4]) await send(workerId, key);
    }
    t.is(loads(), 2);
    t.true((await send('b', 1)).replayed);
    t.is(loads(), 2);
    t.true((await send('a', 1)).replayed, 'keys that were released are read again');
    t.is(loads(), 3);
  },
  async pageItemsDefault(t) {
    const { runtime } = await startRig(t, { limits: { pageItemsDefault: 1 } });
    await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
    await runtime.createWorker({ workerId: 'v', engine: 'puppet' });
    t.is((await runtime.events('w')).items.length, 1);
    t.is((await runtime.listWorkers()).items.length, 1);
    t.truthy((await runtime.listWorkers()).next);
  },
  async pageItems(t) {
    const { runtime } = await startRig(t, { limits: { pageItems: 1 } });
    await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
    const pages = [
      runtime.events('w', { limit: 2 }),
      runtime.transcript('w', { limit: 2 }),
      runtime.listWorkers({ limit: 2 }),
      runtime.diagnostics({ limit: 2 }),
      runtime.listBundles({ limit: 2 }),
    ];
    for (const page of pages) await refused(t, page, 'LIMIT_TOO_LARGE', 'pageItems', 1);
    t.is((await runtime.events('w')).items.length, 1, 'the default page size is not larger');
  },
  async pageBytes(t) {
    const { runtime, puppet } = await startRig(t, { limits: { pageBytes: 200 } });
    await runtime.createWorker({
      workerId: 'w',
      engine: 'puppet',
      initialInput: { text: textOf(300) },
    });
    let after = 'start';
    let count = 0;
    for (;;) {
      const { lines, count: found, next, asOf } = await runtime.readEvents('w', { after });
      t.true(found === 1 || lines.length <= 200, 'only a single item may be larger');
      count += found;
      after = asOf;
      if (!next) break;
    }
    t.is(count, 4);
    // one overview is larger, and so is one request
    await runtime.createWorker({ workerId: 'other', engine: 'puppet' });
    const page = await runtime.listWorkers({ include: 'overview' });
    t.is(page.items.length, 1);
    t.is(
      (await runtime.listWorkers({ include: 'overview', after: page.next ?? '' })).items[0]?.workerId,
      'other',
    );
    for (const workerId of ['w', 'other']) {
      if (workerId === 'other') await runtime.sendInput(workerId, { text: 'go' });
      await settle();
      void puppet.last(workerId).run.ask({ kind: 'question', prompt: textOf(300), options: ['yes'] });
      await settle();
    }
    const open = await runtime.listOpenRequests();
    t.is(open.items.length, 1);
    t.is((await runtime.listOpenRequests({ after: open.next ?? '' })).items[0]?.workerId, 'other');
  },
  async idempotencyKeys(t) {
    const { runtime, puppet } = await startRig(t, { limits: { idempotencyKeys: 2 } });
    for (const key of ['a', 'b', 'c'])
      await runtime.createWorker({ workerId: key, engine: 'puppet' }, { idempotencyKey: key });
    t.true(
      (await runtime.createWorker({ workerId: 'b', engine: 'puppet' }, { idempotencyKey: 'b' })).replayed,
    );
    // The oldest key is no longer kept, so the call counts as a new one.
    t.is(
      await codeOf(runtime.createWorker({ workerId: 'a', engine: 'puppet' }, { idempotencyKey: 'a' })),
      'WORKER_EXISTS',
    );
    for (const key of ['1', '2', '3']) {
      await runtime.sendInput('a', { text: key }, { idempotencyKey: key });
      puppet.last('a').finish();
      await settle();
    }
    t.true((await runtime.sendInput('a', { text: '2' }, { idempotencyKey: '2' })).replayed);
    t.false((await runtime.sendInput('a', { text: '1' }, { idempotencyKey: '1' })).replayed);
  },
  async diagnostics(t) {
    const failing = engine('failing', async function* () {
      yield* [];
      throw new TypeError('no');
    });
    const { runtime } = await startRig(t, { engines: [failing], limits: { diagnostics: 3 } });
    await runtime.createWorker({ workerId: 'w', engine: 'failing' });
    for (let n = 0; n < 5; n += 1) await runtime.sendInput('w', { text: 'go' }, { waitMs: 1_000 });
    const page = await runtime.diagnostics();
    t.deepEqual(
      page.items.map(({ id }) => id),
      [5, 4, 3],
    );
    t.is(page.next, null);
    t.is((await runtime.summary()).diagnostics, 3);
    await refused(t, runtime.diagnostics({ after: 'd.2' }), 'CURSOR_EXPIRED');
  },
  async removedWorkers(t) {
    const { runtime } = await startRig(t, { limits: { removedWorkers: 1 } });
    await runtime.createWorker({ workerId: 'first', engine: 'puppet' });
    const { asOf } = await runtime.listWorkers();
    const create = async (workerId: string): Promise<void> => {
      await runtime.createWorker({ workerId, engine: 'puppet' });
      await runtime.stopWorker(workerId);
      await runtime.deleteWorker(workerId);
    };
    await create('a');
    const near = runtime.openWatch({ after: asOf });
    t.deepEqual(
      near.pull(10)?.map((item) => item.type),
      ['worker-removed', 'synced'],
    );
    near.close();
    await create('b');
    const far = runtime.openWatch({ after: asOf });
    t.deepEqual(
      far.pull(10)?.map((item) => item.type),
      ['reset', 'worker', 'synced'],
    );
    far.close();
  },
  async pendingCommits(t) {
    const faulty = faultyStore(memoryStore());
    const { runtime } = await startRig(t, { store: faulty, limits: { pendingCommits: 3 } });
    await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
    await runtime.createWorker({ workerId: 'v', engine: 'puppet' });
    const stall = faulty.stall('append');
    const held = ['1', '2', '3'].map((displayName) => runtime.updateWorker('w', { displayName }));
    await settle();
    // The limit is for all Workers together.
    await refused(t, runtime.updateWorker('v', { displayName: 'x' }), 'STORE_UNAVAILABLE');
    t.is(await codeOf(runtime.getWorker('v')), 'none');
    stall.release('done');
    await Promise.all(held);
    t.is(await codeOf(runtime.updateWorker('v', { displayName: 'x' })), 'none');
  },
  async tailBytes(t) {
    const faulty = faultyStore(memoryStore());
    const { runtime } = await startRig(t, { store: faulty, limits: { tailBytes: 2_000 } });
    await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
    for (let n = 0; n < 50; n += 1) await runtime.updateWorker('w', { displayName: `name ${n}` });
    const reads = (): number => faulty.calls.filter((call) => call.method === 'read').length;
    const stream = await runtime.openStream('w', { after: 'start', deltas: false });
    let count = 0;
    for (;;) {
      const chunk = await stream.pull(500);
      if (chunk?.type !== 'events') break;
      count += chunk.count;
    }
    stream.close();
    t.is(count, 52);
    const behind = reads();
    t.true(behind > 0, 'events before the tail are read from the store');
    const { asOf } = await runtime.events('w', { limit: 50 });
    const before = reads();
    await runtime.events('w', { after: asOf });
    t.is(reads(), before, 'events in the tail are read from memory');
  },
  async recentReadBytes(t) {
    for (const [recentReadBytes, costs] of [
      [100_000, 0],
      [1, 1],
    ] as const) {
      const faulty = faultyStore(memoryStore());
      const { runtime } = await startRig(t, { store: faulty, limits: { tailBytes: 1, recentReadBytes } });
      await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
      for (let n = 0; n < 20; n += 1) await runtime.updateWorker('w', { displayName: `name ${n}` });
      const reads = (): number => faulty.calls.filter((call) => call.method === 'read').length;
      const page = await runtime.events('w', { limit: 5 });
      const before = reads();
      t.deepEqual(await runtime.events('w', { limit: 5 }), page);
      t.is(reads() - before, costs, 'a repeated read is answered from memory if the limit allows');
    }
  },
  async idleUnloadMs(t) {
    const faulty = faultyStore(memoryStore());
    const { runtime, clock, puppet } = await startRig(t, { store: faulty, limits: { idleUnloadMs: 1_000 } });
    await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
    puppet.context().lost(new TypeError('gone'));
    await settle();
    const reads = async (): Promise<number> => {
      await runtime.events('w');
      return faulty.calls.filter((call) => call.method === 'read').length;
    };
    t.is(await reads(), 0);
    await clock.advance(3_000);
    t.true((await reads()) > 0, 'an idle Worker without readers is unloaded');
    // A command loads the Worker again.
    t.is(await codeOf(runtime.sendInput('w', { text: 'go' })), 'none');
  },
  async subscriptions(t) {
    const { runtime } = await startRig(t, { limits: { subscriptions: 2 } });
    await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
    const open = [await runtime.openStream('w'), runtime.openWatch()];
    await refused(t, runtime.openStream('w'), 'LIMIT_REACHED', 'subscriptions', 2);
    t.throws(() => runtime.openWatch(), { code: 'LIMIT_REACHED' });
    for (const stream of open) stream.close();
    for (const stream of open) stream.close();
    const again = [await runtime.openStream('w'), runtime.openWatch()];
    t.throws(() => runtime.openWatch({ after: 'nonsense' }), { code: 'LIMIT_REACHED' });
    for (const stream of again) stream.close();
    t.throws(() => runtime.openWatch({ after: 'nonsense' }), { code: 'CURSOR_INVALID' });
    runtime.openWatch().close();
  },
  async unsettledExecutions(t) {
    const puppet = new Puppet({ isStubborn: true });
    const { runtime, clock } = await startRig(t, { engines: [puppet], limits: { unsettledExecutions: 1 } });
    await runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } });
    await onClock(clock, runtime.stopWorker('w'));
    await refused(t, runtime.resumeWorker('w'), 'LIMIT_REACHED', 'unsettledExecutions', 1);
  },
  async bundles(t) {
    const { runtime } = await startRig(t, { limits: { bundles: 2 } });
    const put = (id: string) => runtime.putBundle(bundleDigest(bundleOf(id)), bundleOf(id));
    await put('a');
    // Of two concurrent calls one succeeds, because one more bundle is allowed.
    const codes = await Promise.all([codeOf(put('b')), codeOf(put('c'))]);
    t.deepEqual(codes.sort(), ['LIMIT_REACHED', 'none']);
    await refused(t, put('d'), 'LIMIT_REACHED', 'bundles', 2);
    t.is(await codeOf(put('a')), 'none', 'a bundle that is put again does not count');
    t.is((await runtime.listBundles()).items.length, 2);
  },
  async bundleBytes(t) {
    const { runtime } = await startRig(t, { limits: { bundleBytes: 30 } });
    const large = bundleOf(textOf(30));
    await refused(t, runtime.putBundle(bundleDigest(large), large), 'PAYLOAD_TOO_LARGE', 'bundleBytes', 30);
  },
  async pluginStateBytes(t) {
    let state: PluginState | undefined;
    const keeper = plugin('keeper', (host) => {
      state = host.state;
    });
    await startRig(t, { plugins: [keeper], limits: { pluginStateBytes: 30 } });
    await state?.write(textOf(28));
    for (const large of [textOf(29), 'é'.repeat(15)])
      await refused(t, state?.write(large) ?? never(), 'PAYLOAD_TOO_LARGE', 'pluginStateBytes', 30);
    t.is(await state?.read(), textOf(28));
  },
  async commitTimeoutMs(t) {
    const faulty = faultyStore(memoryStore());
    const { runtime, clock } = await startRig(t, { store: faulty, limits: { commitTimeoutMs: 500 } });
    await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
    const stall = faulty.stall('append');
    const updated = codeOf(runtime.updateWorker('w', { displayName: 'x' }));
    const since = clock.now();
    t.is(await onClock(clock, updated, 100), 'STORE_UNAVAILABLE');
    t.true(clock.now() - since <= 600, `${clock.now() - since} ms`);
    t.false((await runtime.summary()).store.healthy);
    stall.release('done');
    await clock.advance(1_000);
    t.is((await runtime.getWorker('w')).displayName, 'x', 'an append that completed late is adopted');
  },
  async storeOutageMs(t) {
    const faulty = faultyStore(memoryStore());
    const limits = { commitTimeoutMs: 100, storeOutageMs: 1_000 };
    const { runtime, clock, puppet } = await startRig(t, { store: faulty, limits });
    await runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } });
    await settle();
    faulty.failWhile('append', 'unavailable-lost');
    puppet.last().say('one').say('two');
    await clock.advance(999);
    t.false(puppet.last().isOver);
    await clock.advance(101);
    t.true(puppet.last().isOver, 'the engine is asked to end when the time has passed');
    faulty.heal();
    await clock.advance(10_000);
    const finished = (await logOf(runtime, 'w')).find((event) => event.type === 'run.finished');
    t.like(finished?.data, { outcome: 'failed', error: { code: 'STORE_UNAVAILABLE' } });
  },
  async attachTimeoutMs(t) {
    const puppet = new Puppet({ onAttach: never });
    const { runtime, clock } = await startRig(t, { engines: [puppet], limits: { attachTimeoutMs: 100 } });
    const created = errorOf(runtime.createWorker({ engine: 'puppet' }));
    await settle();
    await clock.advance(100);
    t.is((await created).code, 'ENGINE_UNAVAILABLE');
  },
  async stopDeadlineMs(t) {
    const puppet = new Puppet({ isStubborn: true });
    const { runtime, clock } = await startRig(t, { engines: [puppet], limits: { stopDeadlineMs: 100 } });
    await runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } });
    const cancelled = runtime.cancelRun('w');
    await settle();
    t.is((await runtime.getWorker('w')).status, 'running');
    await clock.advance(100);
    t.true((await cancelled).changed);
    t.false((await runtime.getWorker('w')).execution.connected);
  },
  async stopDeadlineMaxMs(t) {
    const { runtime } = await startRig(t, { limits: { stopDeadlineMaxMs: 10_000 } });
    await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
    await refused(t, runtime.stopWorker('w', { deadlineMs: 10_001 }), 'INVALID_REQUEST');
    t.is((await runtime.stopWorker('w', { deadlineMs: 10_000 })).outcome, 'graceful');
  },
  async runTimeoutMs(t) {
    const { runtime, clock } = await startRig(t, { limits: { runTimeoutMs: 100 } });
    await runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } });
    await clock.advance(100);
    const finished = (await logOf(runtime, 'w')).find((event) => event.type === 'run.finished');
    t.like(finished?.data, { outcome: 'failed', error: { code: 'RUN_DEADLINE' } });
  },
  async pluginTimeoutMs(t) {
    const { runtime, clock } = await startRig(t, {
      limits: { pluginTimeoutMs: 100 },
      plugins: [plugin('slow', (host) => host.hooks.admit.tapPromise(never))],
    });
    const created = errorOf(runtime.createWorker({ engine: 'puppet' }));
    await settle();
    await clock.advance(100);
    t.like(await created, { code: 'PLUGIN_TIMEOUT', details: { plugin: 'slow', hook: 'admit' } });
  },
  async shutdownDeadlineMs(t) {
    const puppet = new Puppet({ isStubborn: true, onDetach: never });
    const stuck = plugin('stuck', (host) => {
      host.hooks.drain.tapPromise(never);
      for (let n = 0; n < 3; n += 1) host.defer(never);
    });
    const store = faultyStore(memoryStore());
    const { runtime, clock } = makeRig({
      engines: [puppet],
      plugins: [stuck],
      store,
      limits: { shutdownDeadlineMs: 1_000 },
    });
    await runtime.start();
    await runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } });
    store.stall('close');
    const since = clock.now();
    await onClock(clock, runtime.stop(), 50);
    t.true(clock.now() - since <= 1_050, `${clock.now() - since} ms`);
    t.is(runtime.status, 'stopped');
  },
};

for (const [name, reach] of Object.entries(limits)) test(`P23: the limit ${name} is enforced`, reach);

test('P23: every limit has a test that reaches it', (t) => {
  t.deepEqual(Object.keys(limits).sort(), Object.keys(DEFAULT_LIMITS).sort());
});

test('P23: an unknown limit, or one that is not a positive integer, is refused', (t) => {
  const wrong: readonly object[] = [
    { nonsense: 1 },
    { workers: 0 },
    { workers: -1 },
    { workers: 1.5 },
    { workers: '9' },
    { workers: Number.NaN },
    { toString: 1 },
  ];
  for (const overrides of wrong) {
    t.throws(
      () => resolveLimits(overrides),
      { instanceOf: RuntimeError, code: 'INVALID_REQUEST' },
      JSON.stringify(overrides),
    );
    t.throws(() => new Runtime({ limits: overrides }), { code: 'INVALID_REQUEST' });
  }
  const unknown = t.throws(() => resolveLimits({ nonsense: 1 } as object));
  t.regex(
    unknown?.message ?? '',
    /^limits\.nonsense does not exist; the limits are workers, .*, shutdownDeadlineMs$/,
  );
  t.is(
    t.throws(() => resolveLimits({ workers: 0 }))?.message,
    'limits.workers must be a positive whole number',
  );
  t.is(resolveLimits({ workers: 7 }).workers, 7);
});

test('P23: an event with the longest id, labels and display name fits limits.eventBytes', async (t) => {
  const rig = makeRig();
  await rig.runtime.start();
  const labels = Object.fromEntries(
    Array.from({ length: DEFAULT_LIMITS.labels }, (_, n) => [
      `${n}`.padStart(DEFAULT_LIMITS.labelChars, '"'),
      '\u0001'.repeat(DEFAULT_LIMITS.labelChars),
    ]),
  );
  const workerId = 'w'.repeat(128);
  const { worker } = await rig.runtime.createWorker({
    engine: 'puppet',
    workerId,
    labels,
    displayName: '\u0001'.repeat(256),
  });
  t.deepEqual(worker.labels, labels);
  await rig.runtime.sendInput(workerId, { text: '\u0001'.repeat(43_000) });
  await shutDown(rig);
});
