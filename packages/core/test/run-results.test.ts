import test, { type ExecutionContext } from 'ava';
import type { EngineOutput } from '../src/contracts/engine.ts';
import type { InputReceipt } from '../src/contracts/run.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { faultyStore } from '../src/testing/faulty-store.ts';
import type { PuppetRun } from './fixtures/puppet.ts';
import { settle, startRig } from './fixtures/rig.ts';

const LONG = 'x'.repeat(20_000);
const USAGE: EngineOutput = { type: 'usage', model: 'm', inputTokens: 3, outputTokens: 4 };

type Play = (run: PuppetRun) => void;

/** Plays a run while its caller waits, and returns what the caller gets and what the log says afterwards. */
const playedOf = async (t: ExecutionContext, play: Play, limits = {}) => {
  const { runtime, puppet } = await startRig(t, { limits });
  await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  const sent: Promise<InputReceipt> = runtime.sendInput('w', { text: 'go' }, { waitMs: 60_000 });
  await settle();
  play(puppet.last());
  const { run, runId } = await sent;
  const { run: stored } = await runtime.waitForRun('w', runId);
  return { run, stored };
};

const RUNS: readonly (readonly [name: string, play: Play, limits?: object])[] = [
  ['of one text', (run) => run.say('done').finish()],
  ['of nothing', (run) => run.finish()],
  [
    'whose last message is returned',
    (run) => run.finish({ type: 'message', parts: [{ type: 'text', text: 'a' }] }),
  ],
  [
    'of several parts and the opaque data of an engine',
    (run) =>
      run
        .yield({
          type: 'message',
          parts: [
            { type: 'reasoning', text: 'hm', opaque: { signature: [1] } },
            { type: 'text', text: 'half a pair: \ud800' },
          ],
        })
        .finish(),
  ],
  [
    'with streamed text',
    (run) => run.yield({ type: 'text', text: 'a' }).yield({ type: 'text', text: 'b' }).finish(),
  ],
  ['with usage', (run) => run.yield(USAGE).say('done').yield(USAGE).finish()],
  [
    'with tool calls',
    (run) =>
      run
        .say('first')
        .yield({ type: 'tool-call', call: 'c', name: 'look', input: { at: [1] } })
        .yield({ type: 'tool-result', call: 'c', output: { seen: true } })
        .say('last')
        .finish(),
  ],
  ['that fails', (run) => run.say('so far').fail(new TypeError('broken'))],
  ['with a long text', (run) => run.say('before').say(LONG).say('after').finish()],
  [
    'of more messages than a page has',
    (run) => run.say('1').say('2').say('3').say('4').finish(),
    { pageItems: 3, pageItemsDefault: 3 },
  ],
  [
    'of more bytes than a page has',
    (run) => run.say('1').say('2'.repeat(600)).say('3').finish(),
    { pageBytes: 500 },
  ],
];

for (const [name, play, limits] of RUNS)
  test(`P7: a caller that waits gets the result of a run ${name} as the log has it`, async (t) => {
    const { run, stored } = await playedOf(t, play, limits);
    t.truthy(run);
    t.deepEqual(run, stored);
  });

test('P7: a result does not change with what an engine does to its outputs afterwards', async (t) => {
  const input = { path: 'a' };
  const parts = [{ type: 'text' as const, text: 'said' }];
  const { run, stored } = await playedOf(t, (puppet) => {
    puppet.yield({ type: 'message', parts }).yield({ type: 'tool-call', call: 'c', name: 'look', input });
    void settle().then(() => {
      input.path = 'b';
      parts[0] = { type: 'text', text: 'changed' };
      puppet.finish();
    });
  });
  t.deepEqual(run, stored);
});

test('P9: a caller that waits for a run of text gets its result, although the log cannot be read', async (t) => {
  const store = faultyStore(memoryStore());
  const { runtime, puppet } = await startRig(t, { store, limits: { tailBytes: 1 } });
  await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  store.failWhile('read', 'unavailable-lost');
  const sent = runtime.sendInput('w', { text: 'go' }, { waitMs: 60_000 });
  await settle();
  puppet.last().say('done').finish();
  t.like((await sent).run, { outcome: 'completed', messages: [{ parts: [{ text: 'done' }] }] });
});
