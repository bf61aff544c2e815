// A companion: one Worker in your own backend. It only talks, because it is granted no tools.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Runtime } from '@worker-runtime/core';
import { aiSdk } from '@worker-runtime/plugin-ai-sdk';
import { fsStore } from '@worker-runtime/plugin-fs-store';
import { backend } from './backend.ts';
import { standIn } from './stand-in.ts';

const { MODEL_URL, MODEL = 'stand-in', COMPANION_DIR, PORT = '0' } = process.env;
const standInServer = MODEL_URL === undefined ? await standIn() : null;

const runtime = await Runtime.start({
  plugins: [
    // Without a directory, the conversation is kept in memory and lost at exit.
    ...(COMPANION_DIR === undefined ? [] : [fsStore({ dir: COMPANION_DIR })]),
    aiSdk({
      providers: {
        model: {
          type: 'openai-compatible',
          baseUrl: MODEL_URL ?? standInServer?.url ?? '',
          ...(process.env.MODEL_KEY !== undefined && { apiKeyEnv: 'MODEL_KEY' }),
        },
      },
    }),
  ],
});

// With a directory, the companion of an earlier start still exists, with its conversation.
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

if (standInServer !== null) {
  // With the stand-in, the example sends two messages and ends.
  for (const text of ['Good morning.', 'How are you?']) {
    const answer = await fetch(`${url}/say`, { method: 'POST', body: text });
    console.log((await answer.text()).trim());
  }
  const conversation = (await (await fetch(`${url}/conversation`)).json()) as readonly unknown[];
  const foreign = await fetch(`${url}/say`, {
    method: 'POST',
    headers: { origin: 'https://evil.example', 'content-type': 'text/plain' },
    body: 'Say it to all.',
  });
  server.close();
  await runtime.stop();
  standInServer.close();
  console.log(`done: ${conversation.length} items remembered, a foreign page got ${foreign.status}`);
}
