import test from 'ava';
import { z } from 'zod';
import { aiSdk, type EmbeddedModel, tool } from '../src/index.ts';
import { embeddedModel } from '../src/model/embedded-model.ts';
import { ModelScene, type SceneOptions } from './model-scene.ts';

type Version = 'v2' | 'v3' | 'v4';
type Part = Readonly<Record<string, unknown>> & { readonly type: string };
interface Call {
  readonly prompt: readonly { readonly role: string; readonly content: string | readonly Part[] }[];
  readonly tools?: readonly { readonly name: string }[];
  readonly providerOptions?: object;
  readonly abortSignal?: AbortSignal;
}
type Reply = (call: Call) => Promise<ReadableStream<Part>> | readonly Part[];

const text = (id: string, ...deltas: string[]): readonly Part[] => [
  { type: 'text-start', id },
  ...deltas.map((delta) => ({ type: 'text-delta', id, delta })),
  { type: 'text-end', id },
];

/** The end of an answer, as the versions of the AI SDK encode it. */
const finish = (version: Version, reason: string): Part =>
  version === 'v2'
    ? { type: 'finish', finishReason: reason, usage: { inputTokens: 11, outputTokens: 5, totalTokens: 16 } }
    : {
        type: 'finish',
        finishReason: { unified: reason, raw: reason },
        usage: {
          inputTokens: { total: 11, noCache: 11, cacheRead: 0, cacheWrite: 0 },
          outputTokens: { total: 5, text: 5, reasoning: 0 },
        },
      };

/** A model object as an embedder writes one. It has private state, as those of the provider packages may have. */
class OwnModel {
  readonly specificationVersion: Version;
  readonly provider = 'own.chat';
  readonly modelId = 'own-1';
  readonly supportedUrls = {};
  readonly calls: Call[] = [];
  readonly #reply: Reply;

  constructor(specificationVersion: Version, reply: Reply) {
    this.specificationVersion = specificationVersion;
    this.#reply = reply;
  }

  async doStream(call: Call): Promise<{ readonly stream: ReadableStream<Part> }> {
    this.calls.push(call);
    const reply = this.#reply(call);
    const stream = Array.isArray(reply) ? ReadableStream.from(reply) : await reply;
    return { stream: stream as ReadableStream<Part> };
  }
}

const open = async (
  t: Parameters<typeof ModelScene.open>[0],
  model: OwnModel,
  { provider = {}, ...options }: SceneOptions = {},
) => {
  const own = { type: 'embedded' as const, models: { fast: model as unknown as EmbeddedModel }, ...provider };
  const scene = await ModelScene.open(t, { providers: { own }, ...options });
  const create = (rest: object = {}) => scene.create({ provider: 'own', model: 'fast' }, rest);
  return { scene, create };
};

for (const version of ['v2', 'v3', 'v4'] as const) {
  test(`a Worker converses with a model object of the specification ${version}, and the model uses tools`, async (t) => {
    const model = new OwnModel(version, ({ prompt }) =>
      prompt.at(-1)?.role === 'tool'
        ? [
            { type: 'stream-start', warnings: [] },
            { type: 'reasoning-start', id: 'r' },
            { type: 'reasoning-delta', id: 'r', delta: 'Hm.' },
            { type: 'reasoning-end', id: 'r', providerMetadata: { own: { signature: 'sig' } } },
            ...(version === 'v4' ? [{ type: 'custom', kind: 'own.mark' }] : []),
            ...text('t', 'It is ', 'noon.'),
            finish(version, 'stop'),
          ]
        : [
            { type: 'tool-call', toolCallId: 'x', toolName: 'clock', input: '{"zone":"UTC"}' },
            finish(version, 'tool-calls'),
          ],
    );
    const clock = tool({
      inputSchema: z.object({ zone: z.string() }),
      execute: async () => ({ at: '12:00' }),
    });
    const { scene, create } = await open(t, model, { tools: { clock } });
    const workerId = await create({ tools: ['clock'] });
    for (const question of ['What time is it?', 'And now?'])
      t.like(await scene.say(workerId, question), { outcome: 'completed', error: null });
    t.deepEqual((await scene.transcript(workerId)).slice(0, 4), [
      'user: What time is it?',
      'call clock {"zone":"UTC"}',
      'result {"at":"12:00"}',
      'reasoning | assistant: It is noon.',
    ]);
    t.is(scene.server.requests.length, 0);
    t.like((await scene.runtime.overview(workerId)).usage, { inputTokens: 44, outputTokens: 20 });
    const [first, second, third] = model.calls;
    t.deepEqual(
      first?.tools?.map(({ name }) => name),
      ['clock'],
    );
    t.like(second?.prompt.at(-1)?.content[0], {
      type: 'tool-result',
      output: { type: 'json', value: { at: '12:00' } },
    });
    t.deepEqual(
      third?.prompt.map(({ role }) => role),
      ['user', 'assistant', 'tool', 'assistant', 'user'],
    );
  });

  test(`a failure of a model object of the specification ${version} has an error code, and keeps the output so far`, async (t) => {
    let reply: Reply = () => [];
    const model = new OwnModel(version, (call) => reply(call));
    const { scene, create } = await open(t, model, { responseBytes: 1_024, stallMs: 500 });
    const never = new ReadableStream<Part>({
      start: (control) => {
        for (const part of text('t', 'Well, ').slice(0, 2)) control.enqueue(part);
      },
    });
    const failures: readonly (readonly [string, Reply, string, string])[] = [
      ['an answer without an end', () => text('t', 'Well, '), 'ENGINE_UNAVAILABLE', 'Well, '],
      ['an answer without anything', () => [], 'ENGINE_UNAVAILABLE', ''],
      [
        'a finish that reports a failure',
        () => [...text('t', 'Well, '), finish(version, 'error')],
        'ENGINE_UNAVAILABLE',
        'Well, ',
      ],
      [
        'an error',
        () => {
          throw new Error('The key sk-secret is wrong');
        },
        'ENGINE_UNAVAILABLE',
        '',
      ],
      [
        'an error in the stream',
        () => [{ type: 'error', error: new Error('sk-secret') }],
        'ENGINE_UNAVAILABLE',
        '',
      ],
      [
        'an answer that is too large',
        () => text('t', 'Well, ', 'x'.repeat(2_000)),
        'OUTPUT_TOO_LARGE',
        'Well, ',
      ],
      ['silence', () => new Promise(() => {}), 'ENGINE_UNAVAILABLE', ''],
      ['silence after some text', async () => never, 'ENGINE_UNAVAILABLE', 'Well, '],
    ];
    for (const [title, how, code, kept] of failures) {
      reply = how;
      const workerId = await create();
      const { outcome, error } = await scene.say(workerId, 'go');
      t.deepEqual([outcome, error?.code], ['failed', code], title);
      t.false(error?.message.includes('secret'), title);
      t.deepEqual(
        (await scene.transcript(workerId)).slice(1),
        kept === '' ? [] : [`assistant (partial): ${kept}`],
        title,
      );
      reply = () => [...text('t', 'Here.'), finish(version, 'stop')];
      t.is((await scene.say(workerId, 'go on')).outcome, 'completed', title);
    }
  });
}

test('P22: a run of a model object that ignores its signal is cancelled at once', async (t) => {
  for (const hang of [
    () => new Promise<ReadableStream<Part>>(() => {}),
    async () => new ReadableStream<Part>({ cancel: () => new Promise(() => {}) }),
  ]) {
    const model = new OwnModel('v3', hang);
    const { scene, create } = await open(t, model);
    const workerId = await create();
    const { runId, cursor } = await scene.runtime.sendInput(workerId, { text: 'go' });
    for await (const item of scene.runtime.observe(workerId, { after: cursor }))
      if (item.type === 'event' && item.event.type === 'step.started') break;
    await scene.runtime.cancelRun(workerId, { runId });
    t.is((await scene.ended(workerId, runId)).outcome, 'cancelled');
    t.is((await scene.runtime.getWorker(workerId)).execution.generation, 1, 'the execution was not detached');
  }
});

test('an answer of a model object that begins after the run was cancelled is released', async (t) => {
  let begin = (_stream: ReadableStream<Part>): void => {};
  let called = (): void => {};
  const call = new Promise<void>((resolve) => {
    called = resolve;
  });
  const model = new OwnModel('v3', () => {
    called();
    return new Promise((resolve) => {
      begin = resolve;
    });
  });
  const { scene, create } = await open(t, model);
  const workerId = await create();
  const { runId } = await scene.runtime.sendInput(workerId, { text: 'go' });
  await call;
  await scene.runtime.cancelRun(workerId, { runId });
  t.is((await scene.ended(workerId, runId)).outcome, 'cancelled');
  await new Promise<void>((cancel) => begin(new ReadableStream<Part>({ cancel: () => cancel() })));
  t.true(model.calls[0]?.abortSignal?.aborted);
});

test('files reach a model object of the AI SDK 7 in the form of that version', async (t) => {
  const model = new OwnModel('v4', () => [...text('t', 'Seen.'), finish('v4', 'stop')]);
  const observer = { alive: () => {}, output: () => {}, failed: () => {} };
  const opened = embeddedModel(model as unknown as EmbeddedModel, observer, 1_024);
  const url = new URL('https://example.org/a.png');
  const bytes = new Uint8Array([1, 2]);
  const output = {
    type: 'content',
    value: [
      { type: 'text', text: 'two' },
      { type: 'image-data', data: 'AQI=', mediaType: 'image/png' },
      { type: 'file-url', url: url.href, mediaType: 'application/pdf' },
    ],
  };
  await opened.doStream({
    prompt: [
      { role: 'system', content: 'Look.' },
      {
        role: 'user',
        content: [
          { type: 'file', data: bytes, mediaType: 'image/png' },
          { type: 'file', data: url, mediaType: 'image/png' },
        ],
      },
      { role: 'tool', content: [{ type: 'tool-result', toolCallId: 'c', toolName: 'n', output }] },
    ],
  } as never);
  t.deepEqual(
    model.calls[0]?.prompt.map(({ content }) => content as unknown),
    [
      'Look.',
      [
        { type: 'file', data: { type: 'data', data: bytes }, mediaType: 'image/png' },
        { type: 'file', data: { type: 'url', url }, mediaType: 'image/png' },
      ],
      [
        {
          type: 'tool-result',
          toolCallId: 'c',
          toolName: 'n',
          output: {
            type: 'content',
            value: [
              { type: 'text', text: 'two' },
              { type: 'file', data: { type: 'data', data: 'AQI=' }, mediaType: 'image/png' },
              { type: 'file', url: url.href, data: { type: 'url', url }, mediaType: 'application/pdf' },
            ],
          },
        },
      ],
    ],
  );
});

test('only the operator sets options of a model object, and only its names are models', async (t) => {
  const model = new OwnModel('v3', () => [...text('t', 'Here.'), finish('v3', 'stop')]);
  const { scene, create } = await open(t, model, {
    provider: { providerOptions: { own: { effort: 'high' } } },
  });
  t.is((await scene.say(await create(), 'go')).outcome, 'completed');
  t.deepEqual(model.calls[0]?.providerOptions, { own: { effort: 'high' } });
  await t.throwsAsync(scene.create({ provider: 'own', model: 'fast', providerOptions: { own: {} } }), {
    code: 'CONFIG_UNSUPPORTED',
    message: 'config.providerOptions.own is an option that only the operator may set; a Worker may set none',
  });
  for (const name of ['slow', 'toString'])
    await t.throwsAsync(scene.create({ provider: 'own', model: name }), {
      code: 'CONFIG_UNSUPPORTED',
      message: `The provider "own" is not configured for the model "${name}"`,
    });
});

test('an option that is no model object is refused', (t) => {
  for (const model of [
    'google/gemini',
    null,
    {},
    { specificationVersion: 'v5', doStream: () => {} },
    { specificationVersion: 'v3' },
  ])
    t.throws(() => aiSdk({ providers: { own: { type: 'embedded', models: { fast: model as never } } } }), {
      code: 'INVALID_REQUEST',
      message: /ai-sdk\.providers\.own\.models\.fast must be a model object/,
    });
});
