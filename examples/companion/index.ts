// A companion: one Worker that only talks, in a backend of your own. It has no tools, since none are granted.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Runtime } from '@worker-runtime/core';
import { aiSdk } from '@worker-runtime/plugin-ai-sdk';
import { fsStore } from '@worker-runtime/plugin-fs-store';
import { backend } from './backend.ts';
import { standIn } from './stand-in.ts';

const { MODEL_URL, MODEL = 'stand-in', COMPANION_DIR, PORT = '0' } = process.env;
const stand = MODEL_URL === undefined ? await standIn() : null;

const runtime = await Runtime.start({
  plugins: [
    // without a directory it lives in memory, and forgets at exit
    ...(COMPANION_DIR === undefined ? [] : [fsStore({ dir: COMPANION_DIR })]),
    aiSdk({
      providers: {
        model: {
          type: 'openai-compatible',
          baseUrl: MODEL_URL ?? stand?.url ?? '',
          ...(process.env.MODEL_KEY !== undefined && { apiKeyEnv: 'MODEL_KEY' }),
        },
      },
    }),
  ],
});

// With a directory, the companion of the last time is still there, and remembers.
const { items } = await runtime.listWorkers();
if (!items.some(({ workerId }) => workerId === 'companion'))
  await runtime.createWorker({
    workerId: 'companion',
    engine: 'ai-sdk',
    config: {
      provider: 'model',
      model: MODEL,
      system: 'You are good company. You answer in a sentence or two.',
      context: { maxTokens: 8_000, whenFull: 'summarize' },
    },
  });

const server = backend(runtime, 'companion').listen(Number(PORT), '127.0.0.1');
await once(server, 'listening');
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
console.log(`curl -N ${url}/say -d 'Good morning'`);

if (stand !== null) {
  // nobody is there to talk to a stand-in: two messages, and that is it
  for (const text of ['Good morning.', 'How are you?']) {
    const answer = await fetch(`${url}/say`, { method: 'POST', body: text });
    console.log((await answer.text()).trim());
  }
  const said = (await (await fetch(`${url}/conversation`)).json()) as readonly unknown[];
  server.close();
  await runtime.stop();
  stand.close();
  console.log(`done: ${said.length} items remembered`);
}
