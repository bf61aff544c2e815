import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runtimeClient } from '@worker-runtime/client';
import { startKillable } from '@worker-runtime/test-facades/killable-server';
import test, { type ExecutionContext } from 'ava';
import { connectTo, textOf } from './scene.ts';

const begin = (t: ExecutionContext, folder: string, port: string) =>
  startKillable(t, new URL('../src/index.ts', import.meta.url), folder, port);

for (const whenInterrupted of ['continue', 'stop'] as const)
  test(`P78: after a kill in mid answer a client follows the same run by its key, ${whenInterrupted}`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'worker-runtime-mcp-'));
    t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
    const first = await begin(t, folder, '0');
    await runtimeClient({ url: first.url }).createWorker({
      engine: 'slow',
      workerId: 'ada',
      whenInterrupted,
    });
    const url = `${first.url}/v1/runtimes/self/x/mcp`;
    const connected = await connectTo(url);
    const input = { workerId: 'ada', text: 'hello', key: 'once' };
    const broken = once(first.child, 'exit');
    const sent = connected.call('send_input', input, {
      onText: (text) => text === 'You said hello. And th' && first.child.kill('SIGKILL'),
    });
    sent.catch(() => {});
    await broken;

    await begin(t, folder, new URL(first.url).port);
    // the session is gone, and its client gets an error
    await t.throwsAsync(connected.client.ping(), { message: /Session not found/ });
    await connected.client.close();
    await t.throwsAsync(sent, { message: /Connection closed/ });
    const again = await connectTo(url);
    const result = await again.call('send_input', input);
    if (whenInterrupted === 'continue') {
      t.is(textOf(result), 'You said hello. And that is all.');
      t.is(again.text, 'You said hello. And that is all.');
    } else {
      t.true(result.isError);
      t.regex(textOf(result), /^You said hello\. EXECUTION_LOST: /);
      t.like(result.structuredContent, { status: 'finished', outcome: 'interrupted' });
    }
  });
