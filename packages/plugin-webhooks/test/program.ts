/** A runtime in files with one endpoint, in a process of its own: it runs an input for each line that it reads. */
import { createInterface } from 'node:readline';
import { Runtime } from '@worker-runtime/core';
import { scriptedEngine } from '@worker-runtime/core/testing';
import { fsStore } from '@worker-runtime/plugin-fs-store';
import { webhooks } from '../src/index.ts';

const [dir = '', url = '', secretFile = ''] = process.argv.slice(2);
const engine = scriptedEngine();
engine.script = () => [{ type: 'text', text: 'done' }];
const runtime = await Runtime.start({
  engines: [engine],
  plugins: [fsStore({ dir }), webhooks({ endpoints: { one: { url, secretFile, allow: ['127.0.0.1'] } } })],
});
process.stdout.write('ready\n');
for await (const workerId of createInterface({ input: process.stdin })) {
  if (runtime.labelsOf(workerId) === null) await runtime.createWorker({ engine: 'scripted', workerId });
  await runtime.sendInput(workerId, { text: 'go', whenBusy: 'queue' }, { waitMs: 20_000 });
  process.stdout.write('ran\n');
}
