import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runtimeClient } from '@worker-runtime/client';
import { startKillable } from '@worker-runtime/test-facades/killable-server';
import test, { type ExecutionContext } from 'ava';
import OpenAI from 'openai';

const PATH = '/v1/runtimes/self/x/openai';

const begin = (t: ExecutionContext, folder: string, port: string) =>
  startKillable(t, new URL('../src/index.ts', import.meta.url), folder, port);

for (const whenInterrupted of ['continue', 'stop'] as const)
  test(`P79: after a kill in mid answer a client resumes by the number of the last event, ${whenInterrupted}`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'worker-runtime-openai-'));
    t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
    const first = await begin(t, folder, '0');
    await runtimeClient({ url: first.url }).createWorker({
      engine: 'slow',
      workerId: 'ada',
      whenInterrupted,
    });
    const client = new OpenAI({ apiKey: 'none', baseURL: first.url + PATH, maxRetries: 0 });
    let id = '';
    let number = -1;
    const texts = new Map<string, string>();
    const text = (): string => [...texts.values()].join('');
    const read = async (stream: AsyncIterable<OpenAI.Responses.ResponseStreamEvent>) => {
      for await (const event of stream) {
        number = event.sequence_number;
        if (event.type === 'response.created') id = event.response.id;
        if (event.type === 'response.output_text.delta')
          texts.set(event.item_id, (texts.get(event.item_id) ?? '') + event.delta);
        if (text() === 'You said hello. And th') first.child.kill('SIGKILL');
        if (event.type === 'response.completed' || event.type === 'response.failed') return event.response;
      }
      return null;
    };
    await t.throwsAsync(read(await client.responses.create({ model: 'ada', input: 'hello', stream: true })));
    t.is(text(), 'You said hello. And th');

    await begin(t, folder, new URL(first.url).port);
    const end = await read(await client.responses.retrieve(id, { stream: true, starting_after: number }));
    if (whenInterrupted === 'continue') {
      t.is(end?.status, 'completed');
      t.is((await client.responses.retrieve(id)).output_text, 'You said hello. And that is all.');
      // the second execution writes a text of its own, and the client gets all of it
      t.deepEqual([...texts.values()], ['You said hello. ', 'And th', 'And that is all.']);
    } else {
      t.is(end?.status, 'failed');
      t.regex(end?.error?.message ?? '', /^EXECUTION_LOST: /);
    }
  });
