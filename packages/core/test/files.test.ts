import { createHash } from 'node:crypto';
import test from 'ava';
import type { Command } from '../src/contracts/hooks.ts';
import { RuntimeError } from '../src/contracts/runtime-error.ts';
import type { StoreHost } from '../src/contracts/store.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { faultyStore } from '../src/testing/faulty-store.ts';
import { storedLogs } from '../src/testing/stored-logs.ts';
import { Puppet } from './fixtures/puppet.ts';
import { codeOf, errorOf, logOf, plugin, settle, startRig } from './fixtures/rig.ts';

const BYTES = Buffer.from('the bytes');
const IMAGE = { mediaType: 'image/png', name: 'a.png' };
const DIGEST = `sha256-${createHash('sha256').update(BYTES).digest('hex')}`;
const FILE = { type: 'file', digest: DIGEST, sizeBytes: BYTES.length, ...IMAGE } as const;

test('P56: the bytes of a file are stored before its event, and a failure leaves no file', async (t) => {
  const store = faultyStore(memoryStore());
  const { runtime } = await startRig(t, { store });
  await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  const put = () => runtime.putFile('w', BYTES, IMAGE);
  for (const method of ['putBlob', 'append'] as const) {
    store.failNext(method, 'full');
    t.is(await codeOf(put()), 'STORE_FULL', method);
    t.is(await codeOf(runtime.getFile('w', DIGEST)), 'FILE_NOT_FOUND', method);
    t.is(await codeOf(runtime.sendInput('w', { parts: [FILE] })), 'FILE_NOT_FOUND', method);
  }
  t.deepEqual(await put(), FILE);
  const writes = store.calls.filter(({ isWrite }) => isWrite).map(({ method }) => method);
  t.deepEqual(writes.slice(-2), ['putBlob', 'append']);
  const log = await logOf(runtime, 'w');
  t.deepEqual(
    log.slice(-1).map(({ type, data }) => [type, data]),
    [['file.stored', { digest: DIGEST, mediaType: 'image/png', sizeBytes: BYTES.length }]],
  );
  t.false(JSON.stringify(log).includes(BYTES.toString('base64')));
});

test('a store that does not answer fails an upload in time, and the next one works', async (t) => {
  const store = faultyStore(memoryStore());
  const { runtime, clock } = await startRig(t, { store, limits: { commitTimeoutMs: 500 } });
  await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  const stall = store.stall('putBlob');
  const codes = Promise.all([
    codeOf(runtime.putFile('w', BYTES, IMAGE)),
    codeOf(runtime.getFile('w', DIGEST)),
  ]);
  await stall.reached;
  await clock.advance(500);
  t.deepEqual(await codes, ['STORE_UNAVAILABLE', 'FILE_NOT_FOUND']);
  stall.release('done');
  t.deepEqual(await runtime.putFile('w', BYTES, IMAGE), FILE);
});

test('P13: bytes that are lost or changed are reported, and never returned', async (t) => {
  const store = memoryStore();
  const { runtime, puppet } = await startRig(t, { store });
  await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  await runtime.putFile('w', BYTES, IMAGE);
  for (const bytes of [null, new Uint8Array(0), BYTES.subarray(1), Buffer.from('the byteZ')]) {
    store.blob = async () => bytes;
    t.is(await codeOf(runtime.getFile('w', DIGEST)), 'STORE_CORRUPT');
    t.is(await codeOf(puppet.context('w').getFile(DIGEST)), 'STORE_CORRUPT');
  }
});

test('a caller may change its bytes after an upload', async (t) => {
  const { runtime } = await startRig(t);
  await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  const bytes = Buffer.from(BYTES);
  await runtime.putFile('w', bytes, IMAGE);
  bytes.fill(0);
  t.true(Buffer.from((await runtime.getFile('w', DIGEST)).bytes).equals(BYTES));
});

test('P50: an upload is admitted before anything is stored', async (t) => {
  const commands: Command[] = [];
  let isOpen = false;
  const gate = plugin('gate', ({ hooks }) => {
    hooks.admit.tapPromise(async (command) => {
      if (command.type !== 'file.put') return;
      commands.push(command);
      if (!isOpen) throw new RuntimeError('FORBIDDEN');
    });
  });
  const store = faultyStore(memoryStore());
  const { runtime, puppet } = await startRig(t, { store, plugins: [gate] });
  await runtime.createWorker({ workerId: 'w', engine: 'puppet', labels: { team: 'x' } });
  t.is(await codeOf(runtime.putFile('w', BYTES, IMAGE)), 'FORBIDDEN');
  t.deepEqual(
    store.calls.filter(({ method }) => method === 'putBlob'),
    [],
  );
  isOpen = true;
  await runtime.putFile('w', BYTES, IMAGE);
  t.like(commands[1], { workerId: 'w', worker: { labels: { team: 'x' } }, file: FILE });
  // the files of an engine are output, and not commands
  await puppet.context('w').putFile(Buffer.from('other'), IMAGE);
  t.is(commands.length, 2);
});

test('P17: a session may take fewer files than its engine', async (t) => {
  const capabilities = { placement: 'backendInternal', files: ['image/*', 'text/plain'] } as const;
  const puppet = new Puppet({ capabilities, sessionFiles: ['text/plain'] });
  const { runtime } = await startRig(t, { engines: [puppet] });
  const { worker } = await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  t.deepEqual(worker.capabilities.files, { accepted: ['text/plain'] });
  const image = await runtime.putFile('w', BYTES, IMAGE);
  const text = await runtime.putFile('w', Buffer.from('text'), { mediaType: 'text/plain' });
  const error = await errorOf(runtime.sendInput('w', { parts: [text, image] }));
  t.is(error.code, 'OPERATION_UNSUPPORTED');
  t.like(error.details, { engine: 'puppet', mediaType: 'image/png', accepted: ['text/plain'] });
  t.is(await codeOf(runtime.sendInput('w', { parts: [text] })), 'none');
  // a session that began before a change of the config says nothing about the next one
  await runtime.updateWorker('w', { config: { changed: true } });
  t.is(await codeOf(runtime.sendInput('w', { parts: [image], whenBusy: 'queue' })), 'none');
  // without an execution, the engine alone says what it takes
  await runtime.stopWorker('w');
  const stopped = await runtime.getWorker('w');
  t.deepEqual(stopped.capabilities.files, { accepted: ['image/*', 'text/plain'] });
});

test('an engine that refers to a file that is not stored fails its run', async (t) => {
  const { runtime, puppet } = await startRig(t);
  await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  for (const output of [
    { type: 'message', parts: [FILE] },
    { type: 'tool-result', call: 'c', files: [FILE] },
  ] as const) {
    await runtime.sendInput('w', { text: 'go' });
    await settle();
    puppet.last('w').yield([{ type: 'tool-call', call: 'c', name: 'read', input: null }, output]);
    await settle();
    t.like((await runtime.getWorker('w')).execution.lastError, { code: 'ENGINE_FAILED' });
  }
  const types = (await logOf(runtime, 'w')).map(({ type }) => type);
  t.false(types.includes('message.completed') || types.includes('tool.finished'));
});

test('an engine can only give a file its own name: type and size are those of the bytes', async (t) => {
  const { runtime, puppet } = await startRig(t);
  await runtime.createWorker({ workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } });
  await settle();
  await puppet.context('w').putFile(BYTES, IMAGE);
  const part = { ...FILE, mediaType: 'text/html', sizeBytes: 1, name: 'b.png' };
  puppet.last('w').yield({ type: 'message', parts: [part] });
  await settle();
  const message = (await logOf(runtime, 'w')).find(({ type }) => type === 'message.completed');
  t.like(message?.data, { parts: [{ ...FILE, name: 'b.png' }] });
});

test('P2: a detached execution neither stores nor reads files', async (t) => {
  const { runtime, puppet } = await startRig(t);
  await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  const context = puppet.context('w');
  await context.putFile(BYTES, IMAGE);
  await runtime.stopWorker('w');
  t.is(await codeOf(context.putFile(Buffer.from('late'), IMAGE)), 'EXECUTION_LOST');
  t.is(await codeOf(context.getFile(DIGEST)), 'EXECUTION_LOST');
  t.is((await logOf(runtime, 'w')).filter(({ type }) => type === 'file.stored').length, 1);
});

test('an engine begins a run with a file that it stored', async (t) => {
  const { runtime, puppet } = await startRig(t);
  await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  const context = puppet.context('w');
  t.is(await codeOf(context.beginRun({ role: 'user', parts: [FILE] })), 'FILE_NOT_FOUND');
  await context.beginRun({ role: 'user', parts: [await context.putFile(BYTES, IMAGE)] });
  await settle();
  t.deepEqual(puppet.last('w').run.input?.parts, [FILE]);
});

test('a store of a version without files opens, and its Workers take files', async (t) => {
  const store = memoryStore();
  const before = await startRig(t, { store });
  await before.runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  await before.runtime.stop();
  const snapshots: string[] = [];
  const observed = new Proxy(store, {
    get: (inner, name: keyof typeof store) => {
      const member: unknown = inner[name];
      if (name !== 'open') return typeof member === 'function' ? member.bind(inner) : member;
      return async (host: StoreHost) => {
        const opened = await inner.open(host);
        const logs = await storedLogs(opened);
        for (const { snapshot } of logs) snapshots.push(snapshot?.text ?? '');
        return { ...opened, logs };
      };
    },
  });
  const { runtime } = await startRig(t, { store: observed });
  // what an earlier version writes: its state has no field for files
  t.deepEqual(
    snapshots.map((text) => [text.includes('"engine":"puppet"'), text.includes('"files"')]),
    [[true, false]],
  );
  t.is(await codeOf(runtime.getFile('w', DIGEST)), 'FILE_NOT_FOUND');
  t.is(await codeOf(runtime.sendInput('w', { parts: [FILE] })), 'FILE_NOT_FOUND');
  t.deepEqual(await runtime.putFile('w', BYTES, IMAGE), FILE);
  t.true(Buffer.from((await runtime.getFile('w', DIGEST)).bytes).equals(BYTES));
});
