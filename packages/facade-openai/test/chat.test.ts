import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { logged, PLACES } from '@worker-runtime/test-facades/facade-scene';
import { words } from '@worker-runtime/test-facades/facade-script';
import test from 'ava';
import { APIError } from 'openai';
import { start } from './scene.ts';

const run = promisify(execFile);

for (const place of PLACES) {
  test(`P79: a chat completion is the answer of a run, as a whole and as a stream, ${place}`, async (t) => {
    const usage = { type: 'usage', model: 'm', inputTokens: 3, outputTokens: 2 } as const;
    const scene = await start(t, place, {
      hello: [{ type: 'reasoning', text: 'Hm' }, ...words('Hi ', 'there'), usage],
    });
    const { client } = scene;
    const messages = [{ role: 'user' as const, content: 'hello' }];
    const whole = await client.chat.completions.create({ model: 'ada', messages });
    t.like(whole, {
      object: 'chat.completion',
      choices: { 0: { message: { role: 'assistant', content: 'Hi there' }, finish_reason: 'stop' } },
      usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
    });
    const stream = client.chat.completions.stream({
      model: 'ada',
      messages: [...messages, { role: 'assistant', content: 'Hi there' }, ...messages],
      stream_options: { include_usage: true },
    });
    const completion = await stream.finalChatCompletion();
    t.like(completion, {
      choices: { 0: { message: { content: 'Hi there' } } },
      usage: { total_tokens: 5 },
    });
    const { data } = await client.models.list();
    t.deepEqual(
      data.map(({ id }) => id),
      ['ada'],
    );
    t.is((await client.models.retrieve('ada')).id, 'ada');
    await t.throwsAsync(client.models.retrieve('bob'), { message: /WORKER_NOT_FOUND/ });
  });

  test(`P19: a completion that fails is reported by its code, and is not sent again, ${place}`, async (t) => {
    const scene = await start(
      t,
      place,
      {
        hello: [
          ...words('Well, '),
          { type: 'throw', error: new Error('cannot read /srv/canary/token-4711') },
        ],
      },
      { maxRetries: 2 },
    );
    const { client, runtime } = scene;
    const ask = { model: 'ada', messages: [{ role: 'user' as const, content: 'hello' }] };
    const failed = await t.throwsAsync(client.chat.completions.create(ask), { instanceOf: APIError });
    t.is(failed?.code, 'ENGINE_FAILED');
    t.false(JSON.stringify(failed?.error).includes('canary'));
    const { items } = await runtime.events('ada', { types: ['input.accepted'] });
    t.is(items.length, 1);
    let text = '';
    await t.throwsAsync(
      (async () => {
        for await (const chunk of await client.chat.completions.create({ ...ask, stream: true }))
          text += chunk.choices[0]?.delta.content ?? '';
      })(),
      { message: /ENGINE_FAILED/ },
    );
    t.is(text, 'Well, ');
  });
}

for (const [path, ask] of [
  ['/responses', { model: 'ada', input: 'hello' }],
  ['/chat/completions', { model: 'ada', messages: [{ role: 'user', content: 'hello' }] }],
] as const)
  test(`P79: a request to ${path} that the stop of the runtime ends is not to be sent again, unless it has a key`, async (t) => {
    for (const key of [null, 'once']) {
      const scene = await start(t, 'mounted', { hello: [{ type: 'hang' }] });
      const answering = scene.send(path, ask, key === null ? {} : { 'idempotency-key': key });
      await logged(scene, 0, 'run.started');
      await scene.runtime.stop({ deadlineMs: 1_000 });
      const answer = await answering;
      t.regex(await answer.text(), /EXECUTION_LOST|RUNTIME_STOPPING/);
      if (key === null) t.not(answer.headers.get('x-should-retry'), 'true');
      else if (answer.status === 503) t.is(answer.headers.get('x-should-retry'), 'true');
    }
  });

test('an input with a key is accepted once, and its files go to the Worker', async (t) => {
  const scene = await start(t, 'embedded', () => words('Seen.'));
  const { client, runtime } = scene;
  const png = Buffer.from('89504e470d0a1a0a', 'hex');
  const url = `data:image/png;base64,${png.toString('base64')}`;
  const ask = () =>
    client.responses.create(
      {
        model: 'ada',
        input: [
          {
            role: 'user',
            content: [
              { type: 'input_text', text: 'What is this?' },
              { type: 'input_image', image_url: url, detail: 'auto' },
              { type: 'input_file', file_data: url, filename: 'a.png' },
            ],
          },
        ],
      },
      { headers: { 'Idempotency-Key': 'once' } },
    );
  t.is((await ask()).id, (await ask()).id);
  await client.chat.completions.create({
    model: 'ada',
    messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }],
  });
  const { items } = await runtime.events('ada', { types: ['input.accepted'] });
  t.is(items.length, 2);
  const [first] = items;
  const file = first?.type === 'input.accepted' ? first.data.parts[2] : null;
  t.like(file, { type: 'file', mediaType: 'image/png', name: 'a.png' });
});

test('a model is mapped to a Worker, and a stranger is refused', async (t) => {
  const scene = await start(
    t,
    'embedded',
    { hello: words('hi') },
    { api: { workerOf: (model) => (model === 'gpt' ? 'ada' : 'nobody') } },
  );
  const { client } = scene;
  const response = await client.responses.create({ model: 'gpt', input: 'hello' });
  t.is(response.model, 'gpt');
  t.is((await client.responses.retrieve(response.id)).output_text, 'hi');
  await t.throwsAsync(client.responses.create({ model: 'other', input: 'hello' }), {
    message: /WORKER_NOT_FOUND/,
  });
  await t.throwsAsync(client.models.list(), { message: /ROUTE_NOT_FOUND/ });
});

test('below a mount, with or without v1, a path with other segments than a route is not found', async (t) => {
  const { url } = await start(t, 'mounted', {});
  for (const path of ['/models/ada', '/v1/models/ada']) t.is((await fetch(url + path)).status, 200, path);
  for (const path of ['/models/models/ada', '/v1/v1/models/ada', '/v2/models/ada', '/models/ada/x'])
    t.is((await fetch(url + path)).status, 404, path);
});

test('P60: through a mount, commands have the name of the token, and need its permission', async (t) => {
  const sha256 = (token: string): string => createHash('sha256').update(token).digest('hex');
  const scene = await start(
    t,
    'mounted',
    { hello: words('hi') },
    {
      http: {
        tokens: [
          { name: 'ann', sha256: sha256('a'), permission: 'operate' },
          { name: 'eve', sha256: sha256('e'), permission: 'observe' },
        ],
      },
    },
  );
  const ask = { model: 'ada', input: 'hello' };
  const eve = scene.client.withOptions({ apiKey: 'e' });
  t.is((await eve.models.list()).data.length, 1);
  const refused = await t.throwsAsync(eve.responses.create(ask), { instanceOf: APIError });
  t.is(refused?.status, 403);
  t.is((await scene.client.withOptions({ apiKey: 'a' }).responses.create(ask)).output_text, 'hi');
  const { items } = await scene.runtime.events('ada', { types: ['input.accepted'] });
  t.deepEqual(
    items.map(({ data }) => 'actor' in data && data.actor),
    ['ann'],
  );
});

/** The reason why the client for Python cannot be used here; null if it can. */
const WITHOUT_PYTHON =
  spawnSync('python3', ['-c', 'import openai']).status === 0 ? null : 'python3 has no package openai';

const PYTHON = `
import sys
from openai import OpenAI
client = OpenAI(api_key='none', base_url=sys.argv[1], max_retries=0)
with client.responses.stream(model='ada', input='hello') as stream:
    for event in stream:
        pass
    response = stream.get_final_response()
print(response.output_text)
print(client.responses.retrieve(response.id).output_text)
print(client.chat.completions.create(model='ada', messages=[{'role': 'user', 'content': 'hello'}]).choices[0].message.content)
chunks = client.chat.completions.create(model='ada', messages=[{'role': 'user', 'content': 'hello'}], stream=True)
print(''.join(chunk.choices[0].delta.content or '' for chunk in chunks))
`;

const inPython = 'P79: the client for Python streams, retrieves and completes';
if (WITHOUT_PYTHON === null)
  test(inPython, async (t) => {
    const scene = await start(t, 'mounted', { hello: words('Hi ', 'there') });
    const { stdout } = await run('python3', ['-c', PYTHON, scene.url]);
    t.deepEqual(stdout.trim().split('\n'), ['Hi there', 'Hi there', 'Hi there', 'Hi there']);
  });
else test.skip(`${inPython} (skipped: ${WITHOUT_PYTHON})`, () => {});
