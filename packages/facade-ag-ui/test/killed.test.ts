import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HttpAgent } from '@ag-ui/client';
import { runtimeClient } from '@worker-runtime/client';
import { startKillable } from '@worker-runtime/test-facades/killable-server';
import test, { type ExecutionContext } from 'ava';
import { shownOf, shownOfLog, take } from './scene.ts';

/** A fetch whose answers end where their connection breaks. After an error of a body the client has a rejection that no caller can handle. */
const closing = async (url: string, init: RequestInit): Promise<Response> => {
  const answer = await fetch(url, init);
  const reader = answer.body?.getReader();
  const body = new ReadableStream<Uint8Array>({
    async pull(stream) {
      const { value } = (await reader?.read().catch(() => null)) ?? {};
      if (value === undefined) stream.close();
      else stream.enqueue(value);
    },
  });
  return new Response(body, answer);
};

const begin = (t: ExecutionContext, folder: string, port: string) =>
  startKillable(t, new URL('../src/index.ts', import.meta.url), folder, port);

for (const whenInterrupted of ['continue', 'stop'] as const)
  test(`P80: after a kill in mid answer a client gets what the log has, ${whenInterrupted}`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'worker-runtime-ag-ui-'));
    t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
    const first = await begin(t, folder, '0');
    const runtime = runtimeClient({ url: first.url });
    await runtime.createWorker({ engine: 'slow', workerId: 'ada', whenInterrupted });
    const agent = new HttpAgent({ url: `${first.url}/v1/runtimes/self/x/ag-ui/ada`, fetch: closing });
    agent.addMessage({ id: 'm1', role: 'user', content: 'hello' });
    const written = new Promise<void>((resolve) => {
      agent.subscribe({
        onMessagesChanged: ({ messages }) => {
          if (messages.some(({ content }) => content === 'And th')) resolve();
        },
      });
    });
    const broken = take(agent);
    await written;
    first.child.kill('SIGKILL');
    t.is((await broken).end, null);
    await begin(t, folder, new URL(first.url).port);

    const { types, end } = await take(agent);
    t.deepEqual(types.slice(0, 2), ['RUN_STARTED', 'MESSAGES_SNAPSHOT']);
    // the run of an agent that holds a part of the answer is not active any more, so its connection succeeds
    t.deepEqual(end, { type: 'success' });
    const { items } = await runtime.events('ada');
    t.deepEqual(shownOf(agent.messages), shownOfLog(items));
    t.deepEqual(
      agent.messages.map(({ content }) => content),
      ['hello', 'You said hello. ', ...(whenInterrupted === 'continue' ? ['And that is all.'] : [])],
    );

    // an agent that asks for the run of its message gets its outcome
    const again = new HttpAgent({ url: agent.url });
    again.addMessage({ id: 'm1', role: 'user', content: 'hello' });
    const followed = await take(again);
    t.deepEqual(shownOf(again.messages), shownOfLog(items));
    if (whenInterrupted === 'continue') t.deepEqual(followed.end, { type: 'success' });
    else t.regex(String(followed.end), /^EXECUTION_LOST: /);
  });
