// A runtime inside this process. It needs no server, opens no port and stores nothing on disk.
import { setTimeout as delay } from 'node:timers/promises';
import { engine, inputText, Runtime } from '@worker-runtime/core';

// An engine is an async generator. It yields text while it is written; the runtime records the finished message.
const shout = engine('shout', async function* (run) {
  for (const word of inputText(run.input).split(' ')) {
    await delay(20); // a model would take its time here
    yield { type: 'text', text: `${word.toUpperCase()} ` };
  }
  return { type: 'message' };
});

const runtime = await Runtime.start({ engines: [shout] });
const { worker } = await runtime.createWorker({ engine: 'shout', displayName: 'Ada' });
const { cursor } = await runtime.sendInput(worker.workerId, { text: 'good morning' });

// The stream begins at the cursor of the input, so it has every event of the run, even if it is opened late.
for await (const item of runtime.observe(worker.workerId, { after: cursor })) {
  if (item.type === 'delta') console.log(`… ${item.text}`);
  if (item.type !== 'event') continue;
  if (item.event.type === 'message.completed') console.log('message:', item.event.data.parts[0]);
  if (item.event.type === 'run.finished') break;
}

const { runs } = await runtime.overview(worker.workerId);
await runtime.stop();
console.log(`done: ${runs.completed} run completed`);
