import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UnsupportedOperationError } from '@a2a-js/sdk/errors';
import { runtimeClient } from '@worker-runtime/client';
import { startKillable } from '@worker-runtime/test-facades/killable-server';
import test, { type ExecutionContext } from 'ava';
import { clientOf, Held, held, stateOf, textMessage, textsOf } from './scene.ts';

const begin = (t: ExecutionContext, folder: string, port: string) =>
  startKillable(t, new URL('../src/index.ts', import.meta.url), folder, port);

for (const whenInterrupted of ['continue', 'stop'] as const)
  test(`P83: after a kill in mid answer a client finds its task and follows it, ${whenInterrupted}`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'worker-runtime-a2a-'));
    t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
    const first = await begin(t, folder, '0');
    const runtime = runtimeClient({ url: first.url });
    await runtime.createWorker({ engine: 'slow', workerId: 'ada', whenInterrupted });
    const agent = `${first.url}/v1/runtimes/self/x/a2a/ada`;
    const client = await clientOf(agent, fetch);
    const before = new Held();
    const message = textMessage('hello');
    await t.throwsAsync(async () => {
      for await (const item of client.sendMessageStream(message)) {
        before.apply(item);
        if (before.texts.join('') === 'You said hello. And th') first.child.kill('SIGKILL');
      }
    });
    t.is(before.texts.join(''), 'You said hello. And th');

    await begin(t, folder, new URL(first.url).port);
    const subscribe = () => held(client.resubscribeTask({ tenant: '', id: before.id }));
    const last = { tenant: '', id: before.id };
    if (whenInterrupted === 'continue') {
      // the task may end before the client is back
      const after = await subscribe().catch(async (error: unknown) => {
        if (error instanceof UnsupportedOperationError) return null;
        throw error;
      });
      if (after)
        t.deepEqual([after.state, ...after.texts], ['COMPLETED', 'You said hello. ', 'And that is all.']);
      const task = await client.getTask(last);
      t.deepEqual([stateOf(task), ...textsOf(task)], ['COMPLETED', 'You said hello. ', 'And that is all.']);
    } else {
      await t.throwsAsync(subscribe(), { instanceOf: UnsupportedOperationError });
      const task = await client.getTask(last);
      t.deepEqual([stateOf(task), ...textsOf(task)], ['FAILED', 'You said hello. ']);
      t.like(task.status?.message?.parts[0]?.content, { $case: 'text' });
      t.regex(JSON.stringify(task.status), /EXECUTION_LOST: /);
    }
    // the same message again is the same task
    const again = await held(client.sendMessageStream(message));
    t.is(again.id, before.id);
    t.is((await runtime.events('ada', { types: ['input.accepted'] })).items.length, 1);
  });
