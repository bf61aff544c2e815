import { silentLogger } from '@worker-runtime/core';
import { testEngine } from '@worker-runtime/core/testing';
import {
  FakeModelServer,
  type Piece,
  type ReceivedRequest,
} from '@worker-runtime/test-environment/fake-model-server';
import test from 'ava';
import { AiSdkEngine } from '../src/ai-sdk-engine.ts';
import { resolveOptions } from '../src/options.ts';
import { Secrets } from '../src/secrets.ts';
import { Toolbox } from '../src/tools/toolbox.ts';

/** A model that follows the instructions of its user. */
const obey = ({ lines, last }: ReceivedRequest): readonly Piece[] => {
  if (last === 'long') return [{ text: 'It takes a while.' }, 'hang'];
  if (last === 'recall')
    return [{ text: `The first was: ${lines.find((line) => line.startsWith('user: '))}` }];
  return [{ reasoning: 'They speak to me.' }, { text: 'You said: ' }, { text: last }];
};

for (const type of ['openai-compatible', 'anthropic'] as const)
  testEngine(((title: string, run: never) => test(`${type}: ${title}`, run)) as typeof test, async () => {
    const server = await FakeModelServer.open();
    server.answer = obey;
    const options = resolveOptions({ providers: { fake: { type, baseUrl: server.url } }, retries: 0 });
    const secrets = new Secrets(silentLogger);
    const toolbox = new Toolbox(options, secrets, silentLogger);
    return {
      engine: new AiSdkEngine(options, secrets, toolbox),
      config: { provider: 'fake', model: 'obedient', system: 'Do what you are told.' },
      input: { text: 'Hello' },
      longInput: { text: 'long' },
      echoInput: (marker) => ({ text: `say ${marker}` }),
      recallInput: { text: 'recall' },
      dispose: () => server.close(),
    };
  });
