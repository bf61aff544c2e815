import { RuntimeError } from '@worker-runtime/core';
import type { Piece, ReceivedRequest } from '@worker-runtime/test-environment/fake-model-server';
import test from 'ava';
import { z } from 'zod';
import { type EmbeddedModel, tool } from '../src/index.ts';
import { FakeMcpServer } from './fake-mcp-server.ts';
import { ModelScene } from './model-scene.ts';

const PNG = Buffer.from('89504e470d0a1a0a00', 'hex');
const JPEG = Buffer.from('ffd8ffe000104a46', 'hex');
const PDF = Buffer.from('%PDF-1.7 and so on');

const put = (scene: ModelScene, workerId: string, bytes: Uint8Array, mediaType: string, name?: string) =>
  scene.runtime.putFile(workerId, bytes, { mediaType, ...(name !== undefined && { name }) });

const lastLines = (scene: ModelScene): readonly string[] => scene.server.requests.at(-1)?.lines ?? [];

const refusal = async (attempt: Promise<unknown>): Promise<RuntimeError> =>
  attempt.then(
    () => new RuntimeError('INTERNAL', 'it was accepted'),
    (error: unknown) => RuntimeError.from(error),
  );

for (const type of ['openai-compatible', 'anthropic'] as const) {
  test(`${type}: a model gets the files of inputs as they are and text as text, also after a restart`, async (t) => {
    const scene = await ModelScene.open(t, { type });
    scene.server.answer = () => [{ text: 'I see.' }];
    const config = type === 'anthropic' ? {} : { files: ['image/*', 'application/pdf'] };
    const workerId = await scene.create(config);
    const parts = [
      { type: 'text' as const, text: 'Compare' },
      await put(scene, workerId, PNG, 'image/png', 'a.png'),
      await put(scene, workerId, PDF, 'application/pdf'),
      { type: 'text' as const, text: 'with' },
      await put(scene, workerId, Buffer.from('a,b\n1,2'), 'text/csv', 'b.csv'),
      await put(scene, workerId, Buffer.from('{"é":1}'), 'application/json'),
    ];
    t.is((await scene.say(workerId, { parts })).outcome, 'completed');
    const lines = [
      'user: Compare',
      'user: <image/png 9 bytes>',
      'user: <application/pdf 18 bytes>',
      'user: with',
      'user: [file b.csv, text/csv, 7 bytes]\na,b\n1,2',
      'user: [file application/json, 8 bytes]\n{"é":1}',
    ];
    t.deepEqual(lastLines(scene), lines);
    await scene.start();
    t.is((await scene.say(workerId, 'And now?')).outcome, 'completed');
    t.deepEqual(lastLines(scene), [...lines, 'assistant: I see.', 'user: And now?']);
  });

  test(`${type}: the files of tool results follow all results of their answer`, async (t) => {
    const tools = await FakeMcpServer.open(t);
    const image = { type: 'image', data: PNG.toString('base64'), mimeType: 'image/png; charset=binary' };
    const photo = { uri: 'file:///tmp/photo.jpg', mimeType: 'image/jpeg', blob: JPEG.toString('base64') };
    tools.call = () => ({
      content: [{ type: 'text', text: 'Here' }, image, { type: 'resource', resource: photo }],
    });
    const mcpServers = { web: { url: tools.url, permission: 'allow' as const } };
    const scene = await ModelScene.open(t, { type, mcpServers });
    scene.server.answer = ({ lines }: ReceivedRequest): readonly Piece[] =>
      lines.some((line) => line.startsWith('tool '))
        ? [{ text: 'Two pictures.' }]
        : [
            { call: 'web_look', input: {} },
            { call: 'web_look', input: {} },
          ];
    const workerId = await scene.create({ files: ['image/*'] }, { tools: ['web.look'] });
    t.is((await scene.say(workerId, 'Look')).outcome, 'completed');
    const withoutIds = (): readonly string[] =>
      lastLines(scene).map((line) => line.replace(/^(tool|assistant calls) \w+/, '$1'));
    const result =
      'tool: Here\n[image image/png; charset=binary, 9 bytes]\n[resource image/jpeg, 8 bytes] file:///tmp/photo.jpg';
    const files = [
      'user: [file image/png, 9 bytes] of web_look:',
      'user: <image/png 9 bytes>',
      'user: [file photo.jpg, image/jpeg, 8 bytes] of web_look:',
      'user: <image/jpeg 8 bytes>',
    ];
    const expected = [
      'user: Look',
      'assistant calls web_look({})',
      'assistant calls web_look({})',
      result,
      result,
      ...files,
      ...files,
    ];
    t.deepEqual(withoutIds(), expected);
    const finished = (await scene.log(workerId)).filter(({ type }) => type === 'tool.finished');
    for (const { data } of finished)
      t.deepEqual(
        (data as { files: { mediaType: string; name?: string }[] }).files.map((file) => [
          file.mediaType,
          file.name,
        ]),
        [
          ['image/png', undefined],
          ['image/jpeg', 'photo.jpg'],
        ],
      );
    await scene.start();
    await scene.say(workerId, 'Thanks');
    t.deepEqual(withoutIds(), [...expected, 'assistant: Two pictures.', 'user: Thanks']);
  });
}

for (const type of ['openai-compatible', 'anthropic'] as const)
  test(`${type}: files that a function returns for the model are sent in each later request, also after a restart`, async (t) => {
    let calls = 0;
    const chart = tool({
      inputSchema: z.object({}),
      execute: async () => {
        calls += 1;
        return { rows: 2, pixels: PNG };
      },
      toModelOutput: ({ output: { rows, pixels } }) => ({
        type: 'content',
        value: [
          { type: 'text', text: `${rows} rows` },
          { type: 'image-data', data: pixels.toString('base64'), mediaType: 'image/png' },
          {
            type: 'file-data',
            data: JPEG.toString('base64'),
            mediaType: 'image/jpeg',
            filename: 'photo.jpg',
          },
          { type: 'file-url', url: 'https://example.org/a.pdf', mediaType: 'application/pdf' },
        ],
      }),
    });
    const scene = await ModelScene.open(t, { type, tools: { chart } });
    const steps: readonly Piece[] = [
      { call: 'chart', input: {} },
      { text: 'A chart.' },
      { text: 'Still one.' },
    ];
    scene.server.answer = () => [steps[scene.server.requests.length - 1] as Piece];
    const workerId = await scene.create({ files: ['image/*'] }, { tools: ['chart'] });
    t.is((await scene.say(workerId, 'Draw')).outcome, 'completed');
    const withoutIds = (): readonly string[] =>
      lastLines(scene).map((line) => line.replace(/^(tool|assistant calls) \w+/, '$1'));
    const expected = [
      'user: Draw',
      'assistant calls chart({})',
      'tool: 2 rows\n[image image/png, 9 bytes]\n[resource image/jpeg, 8 bytes] photo.jpg\n[resource_link application/pdf] https://example.org/a.pdf',
      'user: [file image/png, 9 bytes] of chart:',
      'user: <image/png 9 bytes>',
      'user: [file photo.jpg, image/jpeg, 8 bytes] of chart:',
      'user: <image/jpeg 8 bytes>',
    ];
    t.deepEqual(withoutIds(), expected);
    const finished = (await scene.log(workerId)).find(({ type }) => type === 'tool.finished')?.data;
    const { files } = finished as { files: { digest: string }[] };
    t.deepEqual(
      await Promise.all(
        files.map(async ({ digest }) => Buffer.from((await scene.runtime.getFile(workerId, digest)).bytes)),
      ),
      [PNG, JPEG],
    );
    await scene.start();
    t.is((await scene.say(workerId, 'And now?')).outcome, 'completed');
    t.deepEqual(withoutIds(), [...expected, 'assistant: A chart.', 'user: And now?']);
    t.is(calls, 1);
  });

for (const [shape, output, line] of [
  ['a text', { type: 'text', value: 'short' }, 'result "short"'],
  ['a JSON value', { type: 'json', value: { a: [1] } }, 'result {"a":[1]}'],
  ['JSON null', { type: 'json', value: null }, 'result null'],
  ['a failure', { type: 'error-text', value: 'no such row' }, 'error no such row'],
  ['a failure as JSON', { type: 'error-json', value: { code: 4 } }, 'error {"code":4}'],
  ['a refusal', { type: 'execution-denied', reason: 'not for you' }, 'error not for you'],
  [
    'a file of the AI SDK 7',
    {
      type: 'content',
      value: [
        { type: 'file', mediaType: 'image/png', data: { type: 'data', data: PNG } },
        { type: 'file', mediaType: 'text/html', data: { type: 'url', url: new URL('https://a.example/') } },
      ],
    },
    'result "[image image/png, 9 bytes]\\n[resource_link text/html] https://a.example/"',
  ],
  [
    'a file of the provider',
    { type: 'content', value: [{ type: 'file-id', fileId: 'f' }] },
    'result "[file-id]"',
  ],
] as const)
  test(`the log has what a function returns for the model: ${shape}`, async (t) => {
    const look = tool({
      inputSchema: z.object({}),
      execute: async () => 'the whole table',
      toModelOutput: () => output as never,
    });
    const scene = await ModelScene.open(t, { tools: { look } });
    scene.server.answer = ({ lines }) =>
      lines.some((line) => line.startsWith('tool ')) ? [{ text: 'Seen.' }] : [{ call: 'look', input: {} }];
    const workerId = await scene.create({}, { tools: ['look'] });
    t.is((await scene.say(workerId, 'Look')).outcome, 'completed');
    t.is((await scene.transcript(workerId)).at(-2), line);
  });

test('a model that is not configured for files takes text only, and a change of its config applies at once', async (t) => {
  const scene = await ModelScene.open(t);
  scene.server.answer = () => [{ text: 'Well.' }];
  const workerId = await scene.create();
  const image = await put(scene, workerId, PNG, 'image/png', 'a.png');
  const { code, details } = await refusal(scene.runtime.sendInput(workerId, { parts: [image] }));
  t.is(code, 'OPERATION_UNSUPPORTED');
  t.like(details, { mediaType: 'image/png' });
  const config = { provider: 'fake', model: 'm' };
  await scene.runtime.updateWorker(workerId, { config: { ...config, files: ['image/png'] } });
  await scene.say(workerId, { parts: [image] });
  t.deepEqual(lastLines(scene), ['user: <image/png 9 bytes>']);
  await scene.runtime.updateWorker(workerId, { config });
  await scene.say(workerId, 'Again');
  t.deepEqual(lastLines(scene), [
    'user: [file a.png, image/png, 9 bytes, of a type that you cannot read]',
    'assistant: Well.',
    'user: Again',
  ]);
});

test('a file that its provider would refuse is described, so that the conversation continues', async (t) => {
  const scene = await ModelScene.open(t, { type: 'anthropic' });
  scene.server.answer = () => [{ text: 'Well.' }];
  const workerId = await scene.create();
  const parts = [
    await put(scene, workerId, Buffer.from('no image'), 'image/png', 'a.png'),
    await put(scene, workerId, Buffer.from('no document'), 'application/pdf'),
    await put(scene, workerId, Buffer.concat([JPEG, Buffer.alloc(3_750_000)]), 'image/jpeg'),
  ];
  t.is((await scene.say(workerId, { parts })).outcome, 'completed');
  t.deepEqual(lastLines(scene), [
    'user: [file a.png, image/png, 8 bytes, damaged]',
    'user: [file application/pdf, 11 bytes, damaged]',
    'user: [file image/jpeg, 3750008 bytes, too large for you]',
  ]);
});

test('files that a provider cannot be sent are refused in a config, by name', async (t) => {
  const scene = await ModelScene.open(t);
  const error = await refusal(scene.create({ files: ['image/*', 'video/mp4'] }));
  t.is(error.code, 'CONFIG_UNSUPPORTED');
  t.like(error.details, {
    issues: [{ pointer: '/config/files/1', message: 'cannot be sent to this provider' }],
  });
  t.is((await refusal(scene.create({ files: ['image'] }))).code, 'CONFIG_UNSUPPORTED');
});

test('an image counts as few tokens, and a summary names it', async (t) => {
  const scene = await ModelScene.open(t);
  scene.server.answer = ({ lines }) =>
    lines[0]?.includes('You shorten') ? [{ text: 'We spoke of a picture.' }] : [{ text: 'x'.repeat(9_000) }];
  const context = { maxTokens: 4_500, whenFull: 'summarize' as const };
  const workerId = await scene.create({ files: ['image/*'], context });
  const image = await put(
    scene,
    workerId,
    Buffer.concat([PNG, Buffer.alloc(1_000_000)]),
    'image/png',
    'a.png',
  );
  t.is((await scene.say(workerId, { parts: [image] })).outcome, 'completed');
  t.is(scene.server.requests.length, 1);
  t.is((await scene.say(workerId, 'y'.repeat(4_000))).outcome, 'completed');
  const summary = scene.server.requests.find(({ lines }) => lines[0]?.includes('You shorten'));
  t.true(summary?.lines.at(-1)?.includes('[file a.png, image/png, 1000009 bytes]'), 'the file is described');
  t.false(
    lastLines(scene).some((line) => line.includes('<image/png')),
    'and not sent again',
  );
});

/** The end of an answer of a model object. */
const FINISH = {
  type: 'finish',
  finishReason: { unified: 'stop', raw: 'stop' },
  usage: {
    inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
    outputTokens: { total: 1, text: 1, reasoning: 0 },
  },
};

interface Prompt {
  readonly prompt: readonly {
    readonly role: string;
    readonly content: readonly Readonly<Record<string, unknown>>[];
  }[];
}

/** Opens a scene whose Workers converse with a model object that answers each request with these parts. */
const openOwn = async (
  t: Parameters<typeof ModelScene.open>[0],
  specificationVersion: string,
  answer: readonly object[],
) => {
  const prompts: Prompt['prompt'][] = [];
  const model = {
    specificationVersion,
    provider: 'own.chat',
    modelId: 'own-1',
    supportedUrls: {},
    doStream: async ({ prompt }: Prompt) => {
      prompts.push(prompt);
      return { stream: ReadableStream.from([{ type: 'stream-start', warnings: [] }, ...answer, FINISH]) };
    },
  };
  const own = { type: 'embedded' as const, models: { fast: model as unknown as EmbeddedModel } };
  const scene = await ModelScene.open(t, { providers: { own } });
  return { scene, prompts };
};

for (const version of ['v3', 'v4'])
  test(`an image that a model object of the specification ${version} makes is a file of its message, and the model gets it back`, async (t) => {
    const tagged = (data: unknown): unknown => (version === 'v4' ? { type: 'data', data } : data);
    const made = {
      type: 'file',
      mediaType: 'image/png',
      data: tagged(PNG.toString('base64')),
      providerMetadata: { own: { signature: 'sig' } },
    };
    const { scene, prompts } = await openOwn(t, version, [made]);
    const workerId = await scene.create({ provider: 'own', model: 'fast', files: ['*/*'] });
    t.is((await scene.say(workerId, 'Draw')).outcome, 'completed');
    const { items } = await scene.runtime.transcript(workerId);
    const [part] = items.at(-1)?.parts ?? [];
    t.like(part, { type: 'file', mediaType: 'image/png', sizeBytes: 9 });
    t.false('opaque' in (part ?? {}), 'the data of the provider is not shown');
    const digest = part?.type === 'file' && 'digest' in part ? part.digest : '';
    t.deepEqual(Buffer.from((await scene.runtime.getFile(workerId, digest)).bytes), PNG);
    t.false(
      (await scene.log(workerId)).some(({ type }) => type === 'diagnostic.recorded'),
      'it is no empty answer',
    );
    await scene.say(workerId, 'Bluer');
    const answer = prompts.at(-1)?.find(({ role }) => role === 'assistant')?.content[0];
    t.like(answer, { type: 'file', mediaType: 'image/png', providerOptions: { own: { signature: 'sig' } } });
    const { data } = answer as { data: unknown };
    const bytes = version === 'v4' ? (data as { data: unknown }).data : data;
    t.deepEqual(Buffer.from(bytes as Uint8Array), PNG);
  });

test('the newest files of a long conversation are sent, and the others are described', async (t) => {
  const { scene, prompts } = await openOwn(t, 'v3', [
    { type: 'text-start', id: 't' },
    { type: 'text-delta', id: 't', delta: 'Well.' },
    { type: 'text-end', id: 't' },
  ]);
  const workerId = await scene.create({ provider: 'own', model: 'fast', files: ['*/*'] });
  for (const name of ['a', 'b', 'c']) {
    const bytes = Buffer.alloc(8_000_000, name);
    await scene.say(workerId, { parts: [await put(scene, workerId, bytes, 'video/mp4', name)] });
  }
  const users = (prompts.at(-1) ?? []).filter(({ role }) => role === 'user');
  t.deepEqual(
    users.map(({ content: [part] }) => (part?.type === 'file' ? part.filename : part?.text)),
    ['[file a, video/mp4, 8000000 bytes, not shown again]', 'b', 'c'],
  );
});
