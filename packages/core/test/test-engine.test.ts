import assert from 'node:assert/strict';
import test from 'ava';
import { type Engine, engine } from '../src/contracts/engine.ts';
import { scriptedEngine } from '../src/testing/scripted-engine.ts';
import type { TestContext, TestFunction } from '../src/testing/store/harness.ts';
import { testEngine } from '../src/testing/test-engine.ts';
import { runContract } from './fixtures/run-contract.ts';

/** ava's `test`, with a word before each title: two engines run the contract in this file. */
const named = (name: string): TestFunction =>
  Object.assign((title: string, run: (t: TestContext) => Promise<void>) => test(`${name}: ${title}`, run), {
    skip: (title: string, run: (t: TestContext) => Promise<void>) => test.skip(`${name}: ${title}`, run),
  });

testEngine(
  named('scripted engine'),
  async () => ({
    engine: scriptedEngine((run, context) => {
      const text = run.input?.parts[0]?.text ?? '';
      if (text === 'long') return [{ type: 'text', text: 'working' }, { type: 'hang' }];
      return [
        { type: 'step-start' },
        { type: 'text', text: `you said ${text} ` },
        { type: 'text', text: `to ${context.workerId}` },
        { type: 'message' },
        { type: 'tool-call', call: `call of ${run.runId}`, name: 'read', input: {} },
        { type: 'tool-result', call: `call of ${run.runId}`, output: 1 },
        { type: 'usage', inputTokens: 1, outputTokens: 2 },
        { type: 'step-finish', finish: 'stop' },
      ];
    }),
    config: { token: 'x' },
    input: { text: 'hello' },
    longInput: { text: 'long' },
    echoInput: (marker) => ({ text: marker }),
    dispose: async () => {},
  }),
  { recall: 'its scripts are worked out before the run' },
);

testEngine(
  named('engine()'),
  async () => ({
    engine: engine('parrot', async function* (run, worker) {
      const text = run.input?.parts[0]?.text ?? '';
      yield { type: 'text', text: 'well, ' };
      if (text === 'long') {
        await new Promise((resolve) => run.signal.addEventListener('abort', resolve, { once: true }));
        return;
      }
      if (text !== 'recall') {
        yield [{ type: 'text', text }, { type: 'message' }];
        return;
      }
      for await (const { role, parts } of worker.history()) {
        const [first] = parts;
        if (role !== 'user' || first?.type !== 'text') continue;
        yield { type: 'text', text: first.text };
        break;
      }
      yield { type: 'message' };
    }),
    config: {},
    input: { text: 'hello' },
    longInput: { text: 'long' },
    echoInput: (marker) => ({ text: marker }),
    recallInput: { text: 'recall' },
    dispose: async () => {},
  }),
  { config: 'it takes any config' },
);

/** Says every text that it was ever told, whoever told it. */
const gossip = (): Engine => {
  const heard: string[] = [];
  return engine('gossip', async function* (run) {
    heard.push(run.input?.parts[0]?.text ?? '');
    yield { type: 'message', parts: [{ type: 'text', text: heard.join() }] };
  });
};

const careless = (): Engine => {
  const scripted = scriptedEngine(() => [{ type: 'text', text: 'hello' }, { type: 'message' }]);
  scripted.detachScript = [{ type: 'throw', error: new Error('cannot let go') }];
  return scripted;
};

const BROKEN: readonly (readonly [what: string, titlePart: string, makeEngine: () => Engine])[] = [
  ['says nothing', 'a run completes with a message', () => engine('mute', async function* () {})],
  ['mixes Workers', 'Workers that run at once', gossip],
  ['takes any config', 'P18: a config is checked', () => ({ ...gossip(), checkConfig: () => {} })],
  ['fails to detach', 'an idle Worker is stopped', careless],
  [
    'ends a run that was to go on',
    'P3: a cancelled run',
    () =>
      engine('hasty', async function* () {
        yield { type: 'message', parts: [{ type: 'text', text: 'done' }] };
      }),
  ],
  [
    'streams what it does not say',
    'P5: what is streamed',
    () =>
      engine('fickle', async function* () {
        yield { type: 'text', text: 'yes' };
        await new Promise((resolve) => setImmediate(resolve));
        yield { type: 'message', parts: [{ type: 'text', text: 'no' }] };
      }),
  ],
];

for (const [what, titlePart, makeEngine] of BROKEN) {
  test(`the contract notices an engine that ${what}`, async (t) => {
    const { count, failures } = await runContract(titlePart, (declare) =>
      testEngine(declare, async () => ({
        engine: makeEngine(),
        config: {},
        input: { text: 'hello' },
        longInput: { text: 'long' },
        echoInput: (marker) => ({ text: marker }),
        dispose: async () => {},
      })),
    );
    t.is(count, 1, `one test of the contract is about "${titlePart}"`);
    t.is(failures.length, 1);
    t.true(failures[0] instanceof assert.AssertionError, String(failures[0]));
  });
}
