import { rm } from 'node:fs/promises';
import { testEngine } from '@worker-runtime/core/testing';
import test from 'ava';
import { AcpEngine } from '../src/acp-engine.ts';
import { resolveOptions } from '../src/options.ts';
import { fakeAgent, makeFolder } from './agent-scene.ts';

for (const traits of [[], ['no-load']])
  testEngine(
    ((title: string, run: never) => test(`${traits.join() || 'load'}: ${title}`, run)) as typeof test,
    async () => {
      const folder = await makeFolder();
      return {
        engine: new AcpEngine(resolveOptions({ agents: { fake: await fakeAgent(folder, ...traits) } })),
        config: { agent: 'fake' },
        input: { text: 'Hello' },
        longInput: { text: 'long' },
        echoInput: (marker) => ({ text: `say ${marker}` }),
        // An agent without its session gets the earlier conversation as text.
        recallInput: { text: 'recall' },
        dispose: () => rm(folder, { recursive: true, force: true, maxRetries: 10 }),
      };
    },
  );
