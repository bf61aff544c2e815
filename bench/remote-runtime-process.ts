import { once } from 'node:events';
import { Runtime } from '@worker-runtime/core';
import { fsStore } from '@worker-runtime/plugin-fs-store';
import { http } from '@worker-runtime/plugin-http';
import { wsObservation } from '@worker-runtime/plugin-ws';
import { benchEngines } from './engines.ts';
import { TEXT } from './workload.ts';

/*
 * A served runtime in a process of its own, as a registry has it. It tells its parent its port and its id, and ends with it. In
 * a new store, the Worker `ada` has a log of 5,000 messages, and `worker-0` to `worker-15` answer each input with one message.
 */

const [dir = ''] = process.argv.slice(2);
const web = http({ port: 0 });
const runtime = await Runtime.start({
  plugins: [fsStore({ dir }), web, wsObservation({ on: web }), benchEngines],
});
if ((await runtime.listWorkers()).items.length === 0) {
  await runtime.createWorker({ engine: 'chatty', workerId: 'ada' });
  await runtime.sendInput('ada', { text: TEXT }, { waitMs: 60_000 });
  for (let at = 0; at < 16; at += 1)
    await runtime.createWorker({ engine: 'talker', workerId: `worker-${at}` });
}
process.send?.({ port: Number(new URL(web.url).port), runtimeId: runtime.runtimeId });
await once(process, 'disconnect');
await runtime.stop({ deadlineMs: 500 });
