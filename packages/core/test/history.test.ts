import test, { type ExecutionContext } from 'ava';
import { type EngineContext, type EngineOutput, engine, inputText } from '../src/contracts/engine.ts';
import type { RuntimeStore } from '../src/contracts/store.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import type { Runtime } from '../src/runtime/runtime.ts';
import { makeRig, type Rig, settle, shutDown, startRig } from './fixtures/rig.ts';

const SUMMARY: EngineOutput = { type: 'message', parts: [{ type: 'text', text: 'the summary' }] };

/** The items that the engine read in its last run. */
interface Read {
  items: readonly string[];
}

/** An engine that reads the history in a run of "last". An input "summarize" makes later histories begin there. */
const reading = (read: Read) =>
  engine('reading', async function* (run, worker: EngineContext) {
    const text = inputText(run.input);
    const items: string[] = [];
    if (text === 'last')
      for await (const { role, parts } of worker.history())
        for (const spoken of parts)
          items.push(`${role}: ${spoken.type === 'text' ? spoken.text : spoken.type}`);
    read.items = items;
    if (text === 'summarize') yield [SUMMARY, { type: 'history-start' }];
    else yield { type: 'message', parts: [{ type: 'text', text: `on ${text}` }] };
  });

const say = (runtime: Runtime, text: string) => runtime.sendInput('w', { text }, { waitMs: 10_000 });

interface Cost {
  reads: number;
  bytes: number;
}

/** A memory store, and the reads of it so far with the bytes that they returned. */
const countedStore = (): { readonly store: RuntimeStore; readonly cost: Cost } => {
  const cost: Cost = { reads: 0, bytes: 0 };
  const inner = memoryStore();
  const store = new Proxy(inner, {
    get: (target, member: keyof RuntimeStore) => {
      if (member === 'read')
        return async (...args: Parameters<RuntimeStore['read']>) => {
          const slice = await inner.read(...args);
          cost.reads += 1;
          cost.bytes += slice.lines.length;
          return slice;
        };
      const value = target[member];
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { store, cost };
};

/** The cost of an input, in a runtime that has started again, after `earlier` inputs. */
const costAfter = async (t: ExecutionContext, earlier: number, isSummarized: boolean): Promise<Cost> => {
  const { store, cost } = countedStore();
  const read: Read = { items: [] };
  const rig = (): Rig => makeRig({ store, engines: [reading(read)] });
  const first = rig();
  await first.runtime.start();
  await first.runtime.createWorker({ workerId: 'w', engine: 'reading' });
  for (let n = 0; n < earlier; n += 1) await say(first.runtime, `input ${String(n).padStart(5, '0')}`);
  if (isSummarized) await say(first.runtime, 'summarize');
  await say(first.runtime, 'one more');
  await shutDown(first);
  const second = rig();
  await second.runtime.start();
  Object.assign(cost, { reads: 0, bytes: 0 });
  await say(second.runtime, 'last');
  const { reads, bytes } = cost;
  const kept = ['user: one more', 'assistant: on one more', 'user: last'];
  if (isSummarized) t.deepEqual(read.items, ['user: summarize', 'assistant: the summary', ...kept]);
  else t.is(read.items.length, 2 * earlier + 3);
  await shutDown(second);
  return { reads, bytes };
};

test('P21: an input after a summary costs the same reads and bytes, however long the log before it is', async (t) => {
  const few = await costAfter(t, 300, true);
  const many = await costAfter(t, 3_000, true);
  t.log(few, many);
  t.true(few.reads > 0 && few.bytes > 0, 'the store is read');
  t.is(many.reads, few.reads);
  // numbers and offsets have more digits in a longer log
  t.true(many.bytes <= few.bytes * 1.2, `${few.bytes} bytes, and ${many.bytes}`);
  const whole = await costAfter(t, 3_000, false);
  t.true(whole.bytes > many.bytes * 100, `${whole.bytes} bytes without a summary`);
});

test('a history that begins with a queued input has neither earlier inputs nor the answers before its run', async (t) => {
  const { runtime, puppet } = await startRig(t);
  await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  const history = async (): Promise<readonly string[]> => {
    const texts: string[] = [];
    for await (const { parts } of puppet.context().history())
      texts.push(...parts.map((part) => (part.type === 'text' ? part.text : part.type)));
    return texts;
  };
  await runtime.sendInput('w', { text: 'first' });
  await settle();
  for (const text of ['second', 'third']) await runtime.sendInput('w', { text, whenBusy: 'queue' });
  puppet.last().say('on first').finish();
  await settle();
  puppet.last().say('on second').yield({ type: 'history-start' });
  await settle();
  t.deepEqual(await history(), ['second', 'third', 'on second']);
  puppet.last().finish();
  await settle();
  puppet.last().say('on third').finish();
  await settle();
  t.deepEqual(await history(), ['second', 'third', 'on second', 'on third']);
  const { items } = await runtime.transcript('w');
  t.is(items.length, 6, 'the transcript keeps everything');
});

test('a run without an input may begin the history, and the last beginning counts', async (t) => {
  const { runtime, puppet } = await startRig(t);
  await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  await runtime.sendInput('w', { text: 'first' });
  await settle();
  puppet.last().yield({ type: 'history-start' }).say('on first').finish();
  await settle();
  await puppet.context().beginRun();
  await settle();
  puppet.last().say('by itself').yield({ type: 'history-start' }).finish();
  await settle();
  const ids: string[] = [];
  for await (const { parts } of puppet.context().history())
    for (const part of parts) if (part.type === 'text') ids.push(part.text);
  t.deepEqual(ids, ['by itself']);
});
