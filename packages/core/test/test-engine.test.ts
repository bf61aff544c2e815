import assert from 'node:assert/strict';
import test from 'ava';
import { type Engine, engine, inputText } from '../src/contracts/engine.ts';
import { scriptedEngine } from '../src/testing/scripted-engine.ts';
import type { TestContext, TestFunction } from '../src/testing/store/harness.ts';
import { testEngine } from '../src/testing/test-engine.ts';
import { runContract } from './fixtures/run-contract.ts';

/** Returns ava's `test` with a prefix for all titles, because this file runs the contract for two engines. */
const prefixed = (name: string): TestFunction =>
  Object.assign((title: string, run: (t: TestContext) => Promise<void>) => test(`${name}: ${title}`, run), {
    skip: (title: string, run: (t: TestContext) => Promise<void>) => test.skip(`${name}: ${title}`, run),
  });

testEngine(
  prefixed('scripted engine'),
  async () => ({
    engine: scriptedEngine((run, context) => {
      const text = inputText(run.input);
      if (text === 'long') return [{ type: 'text', text: 'working' }, { type: 'hang' }];
      return [
        { type: 'step-start' },
        { type: 'text', text: `you wrote ${text} ` },
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
  { recall: 'its scripts are computed before the run' },
);

testEngine(
  prefixed('engine()'),
  async () => ({
    engine: engine('parrot', async function* (run, worker) {
      const text = inputText(run.input);
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
  { config: 'it accepts any config' },
);

/** Makes an engine that answers each input with the texts of all inputs so far, of all Workers. */
const mixingEngine = (): Engine => {
  const texts: string[] = [];
  return engine('mixing', async function* (run) {
    texts.push(inputText(run.input));
    yield { type: 'message', parts: [{ type: 'text', text: texts.join() }] };
  });
};

const failsToDetach = (): Engine => {
  const scripted = scriptedEngine(() => [{ type: 'text', text: 'hello' }, { type: 'message' }]);
  scripted.detachScript = [{ type: 'throw', error: new Error('detach failed') }];
  return scripted;
};

const BROKEN: readonly (readonly [defect: string, titlePart: string, makeEngine: () => Engine])[] = [
  ['sends no message', 'a run completes with a message', () => engine('mute', async function* () {})],
  ['mixes conversations', 'concurrent runs of several Workers', mixingEngine],
  [
    'accepts any config',
    'P18: a config with an unknown key',
    () => ({ ...mixingEngine(), checkConfig: () => {} }),
  ],
  ['fails to detach', 'an idle Worker can be stopped', failsToDetach],
  [
    'ends a long run by itself',
    'P3: a cancelled run',
    () =>
      engine('hasty', async function* () {
        yield { type: 'message', parts: [{ type: 'text', text: 'done' }] };
      }),
  ],
  [
    'streams a text that its message does not have',
    'P5: the streamed text',
    () =>
      engine('fickle', async function* () {
        yield { type: 'text', text: 'yes' };
        await new Promise((resolve) => setImmediate(resolve));
        yield { type: 'message', parts: [{ type: 'text', text: 'no' }] };
      }),
  ],
];

for (const [defect, titlePart, makeEngine] of BROKEN) {
  test(`the engine contract notices an engine that ${defect}`, async (t) => {
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
    t.is(count, 1, `the number of tests whose title contains "${titlePart}"`);
    t.is(failures.length, 1);
    t.true(failures[0] instanceof assert.AssertionError, String(failures[0]));
  });
}
