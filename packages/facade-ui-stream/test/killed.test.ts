import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runtimeClient } from '@worker-runtime/client';
import { startKillable } from '@worker-runtime/test-facades/killable-server';
import { DefaultChatTransport, type UIMessage } from 'ai';
import test, { type ExecutionContext } from 'ava';
import { HeadlessChat, shownOf, textOf } from './headless-chat.ts';

const begin = (t: ExecutionContext, folder: string, port: string) =>
  startKillable(t, new URL('../src/index.ts', import.meta.url), folder, port);

for (const whenInterrupted of ['continue', 'stop'] as const)
  test(`P71: after a kill in mid answer a client resumes what the log has, ${whenInterrupted}`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'worker-runtime-chat-'));
    t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
    const first = await begin(t, folder, '0');
    await runtimeClient({ url: first.url }).createWorker({
      engine: 'slow',
      workerId: 'ada',
      whenInterrupted,
    });
    const api = `${first.url}/v1/runtimes/self/x/ui-stream`;
    const chat = new HeadlessChat({ id: 'ada', transport: new DefaultChatTransport<UIMessage>({ api }) });
    const sent = chat.sendMessage({ text: 'hello' });
    await chat.shows('You said hello. And th');
    first.child.kill('SIGKILL');
    await sent;
    t.is(chat.status, 'error');

    await begin(t, folder, new URL(first.url).port);
    await chat.resumeStream();
    t.is(chat.status, 'ready');
    const answer = await fetch(`${api}/ada`);
    const { messages } = (await answer.json()) as { readonly messages: UIMessage[] };
    t.is(messages.length, 2);
    if (whenInterrupted === 'continue') {
      t.is(textOf(chat.lastMessage), 'You said hello. And that is all.');
      t.deepEqual(shownOf(chat.lastMessage), shownOf(messages.at(-1)));
    } else {
      // nothing is left to resume, and the history has what was recorded
      t.is(textOf(messages.at(-1)), 'You said hello. ');
    }
  });
