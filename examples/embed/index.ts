// A runtime inside this process: nothing is installed beside it, nothing listens, nothing is kept.
import { setTimeout as delay } from 'node:timers/promises';
import { engine, Runtime } from '@worker-runtime/core';

// An engine is an async generator. It yields what it says as it says it; the runtime keeps what is finished.
const shout = engine('shout', async function* (run) {
  for (const part of run.input?.parts ?? []) {
    for (const word of part.text.split(' ')) {
      await delay(20); // a model would think here
      yield { type: 'text', text: `${word.toUpperCase()} ` };
    }
  }
  yield { type: 'message' };
});

const runtime = await Runtime.start({
  plugins: [{ name: 'shout', apply: (host) => host.useEngine(shout) }],
});
const { worker } = await runtime.createWorker({ engine: 'shout', displayName: 'Ada' });
const { cursor } = await runtime.sendInput(worker.workerId, { text: 'good morning' });

// From the cursor of the input on, nothing of its run is missed, however late one begins to look.
for await (const item of runtime.observe(worker.workerId, { after: cursor })) {
  if (item.type === 'delta') console.log(`… ${item.text}`);
  if (item.type !== 'event') continue;
  if (item.event.type === 'message.completed') console.log('said:', item.event.data.parts[0]);
  if (item.event.type === 'run.finished') break;
}

const { runs } = await runtime.overview(worker.workerId);
await runtime.stop();
console.log(`done: ${runs.completed} run completed`);
