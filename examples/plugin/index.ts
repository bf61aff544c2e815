import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { engine, Runtime } from '@worker-runtime/core';
import { auditLog } from './audit-log.ts';

const folder = await mkdtemp(join(tmpdir(), 'audit-log-'));
const file = join(folder, 'audit.log');
const brief = engine('brief', async function* () {
  yield { type: 'message', parts: [{ type: 'text', text: 'done' }] };
});

const runtime = await Runtime.start({ engines: [brief], plugins: [auditLog({ file })] });
await runtime.createWorker({ engine: 'brief', workerId: 'ada' });
await runtime.sendInput('ada', { text: 'hello' }, { waitMs: 10_000 });
await runtime.stop();

const lines = (await readFile(file, 'utf8')).trim().split('\n');
await rm(folder, { recursive: true });
console.log(lines.join('\n'));
console.log(`done: ${lines.map((line) => line.split(' ').at(-1)).join(' ')}`);
