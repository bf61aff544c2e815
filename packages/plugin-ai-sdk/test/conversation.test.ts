import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Piece, Reply } from '@worker-runtime/test-environment/fake-model-server';
import { tool } from 'ai';
import test from 'ava';
import { z } from 'zod';
import { ModelScene } from './model-scene.ts';

const errorOf = async (attempt: Promise<unknown>): Promise<string> =>
  attempt.then(
    () => 'no error',
    (error: unknown) => `${(error as { code: string }).code}: ${(error as Error).message}`,
  );

for (const type of ['openai-compatible', 'anthropic'] as const) {
  test(`${type}: an answer is streamed and recorded, and its tokens are counted`, async (t) => {
    const scene = await ModelScene.open(t, { type });
    let continueAnswer: () => void = () => {};
    const until = new Promise<void>((resolve) => {
      continueAnswer = resolve;
    });
    scene.server.answer = (): readonly Piece[] => [
      { reasoning: 'Hm.' },
      { text: 'The sky ' },
      { until },
      { text: 'is blue.' },
    ];
    const workerId = await scene.create({
      system: 'Be brief.',
      settings: { temperature: 0.5, maxOutputTokens: 50 },
    });
    const { cursor, runId } = await scene.runtime.sendInput(workerId, { text: 'Why?' });
    await scene.shown(workerId, 'Hm.The sky ', cursor);
    continueAnswer();
    t.deepEqual(await scene.ended(workerId, runId), { outcome: 'completed' });
    const log = await scene.log(workerId);
    t.deepEqual(
      log.slice(2).map(({ type }) => type),
      [
        'input.accepted',
        'run.started',
        'step.started',
        'message.completed',
        'usage.recorded',
        'step.finished',
        'run.finished',
      ],
    );
    const message = log.find(({ type }) => type === 'message.completed')?.data as {
      parts: { type: string; text: string }[];
    };
    t.deepEqual(
      message.parts.map(({ type, text }) => [type, text]),
      [
        ['reasoning', 'Hm.'],
        ['text', 'The sky is blue.'],
      ],
    );
    const { usage } = await scene.runtime.overview(workerId);
    t.like(usage, { inputTokens: 100, outputTokens: 7, cacheReadTokens: 40 });
    const [request] = scene.server.requests;
    t.deepEqual(request?.lines, ['system: Be brief.', 'user: Why?']);
    t.deepEqual(request?.tools, [], 'a Worker has only granted tools');
    t.like(request?.body, { model: 'm', temperature: 0.5, max_tokens: 50, stream: true });
  });

  test(`P7: ${type}: the model gets the whole conversation in the order of its runs, also after a restart`, async (t) => {
    const scene = await ModelScene.open(t, { type });
    const workerId = await scene.create();
    let continueAnswer: () => void = () => {};
    const until = new Promise<void>((resolve) => {
      continueAnswer = resolve;
    });
    scene.server.answer = ({ last }) =>
      last === 'one' ? [{ text: '1' }, { until }] : [{ text: `(${last})` }];
    await scene.runtime.sendInput(workerId, { text: 'one' });
    await scene.server.arrival(1);
    // Accepted during the first run, so it comes before the answer of that run in the log.
    const queued = await scene.runtime.sendInput(workerId, { text: 'two', whenBusy: 'queue' });
    continueAnswer();
    await scene.ended(workerId, queued.runId);
    t.deepEqual(scene.server.requests[0]?.lines, ['user: one']);
    t.deepEqual(scene.server.requests[1]?.lines, ['user: one', 'assistant: 1', 'user: two']);
    await scene.start();
    await scene.runtime.sendInput(workerId, { text: 'be kind', role: 'system' }, { waitMs: 60_000 });
    t.deepEqual(scene.server.requests[2]?.lines.slice(0, 4), [
      'user: one',
      'assistant: 1',
      'user: two',
      'assistant: (two)',
    ]);
    t.regex(scene.server.requests[2]?.last ?? '', /<system-message>\nbe kind\n<\/system-message>/);
  });

  test(`${type}: a request that fails before the first token is retried after the pause that the provider asks for`, async (t) => {
    const scene = await ModelScene.open(t, { type, retries: 2 });
    const workerId = await scene.create();
    scene.server.answer = () =>
      scene.server.requests.length === 1
        ? { status: 429, headers: { 'retry-after': '0.01' }, body: '{"error":{"message":"slow down"}}' }
        : scene.server.requests.length === 2
          ? { status: 503, headers: { 'retry-after-ms': '5' } }
          : [{ text: 'Now.' }];
    t.is((await scene.say(workerId, 'hello')).outcome, 'completed');
    t.is(scene.server.requests.length, 3);
    // The pauses of Retry-After are far shorter than the default ones, with which the test would time out.
    scene.server.answer = () => ({ status: 503, headers: { 'retry-after': '0' } });
    const { outcome, error } = await scene.say(workerId, 'again');
    t.deepEqual(
      [outcome, error],
      ['failed', { code: 'ENGINE_UNAVAILABLE', message: 'The provider is not available (503)' }],
    );
    t.is(scene.server.requests.length, 6);
  });

  for (const [how, broken] of [
    ['the connection breaks', 'cut'],
    ['it is closed normally, but too early', 'end'],
    ['the provider sends an error in the stream', { error: 'overloaded' }],
  ] as const)
    test(`${type}: a stream that ends early fails its run: ${how}`, async (t) => {
      const scene = await ModelScene.open(t, { type, retries: 2 });
      const workerId = await scene.create();
      let continueAnswer = (): void => {};
      const until = new Promise<void>((resolve) => {
        continueAnswer = resolve;
      });
      scene.server.answer = () => [{ text: 'So far, ' }, { until }, broken];
      const run = scene.say(workerId, 'hello');
      await scene.shown(workerId, 'So far, ');
      continueAnswer();
      const { outcome, error } = await run;
      t.deepEqual([outcome, error?.code], ['failed', 'ENGINE_UNAVAILABLE']);
      t.is(scene.server.requests.length, 1, 'it is not retried, because its output was shown');
      t.deepEqual(await scene.transcript(workerId), ['user: hello', 'assistant (partial): So far, ']);
      scene.server.answer = () => [{ text: 'On.' }];
      t.is((await scene.say(workerId, 'go on')).outcome, 'completed');
      t.deepEqual(scene.server.requests[1]?.lines.slice(0, 2), ['user: hello', 'assistant: So far, ']);
    });

  test(`P19: ${type}: keys are sent to the provider and redacted everywhere else, even if the provider quotes them`, async (t) => {
    const variable = `TEST_KEY_${type.replace('-', '_').toUpperCase()}`;
    const key = 'sk-canary-0123456789';
    process.env[variable] = key;
    const scene = await ModelScene.open(t, { type, key: { apiKeyEnv: variable } });
    const workerId = await scene.create();
    const leak = JSON.stringify({ error: { message: `Incorrect API key: ${key}`, type: 'auth' } });
    const replies = [
      { status: 401, body: leak },
      { status: 400, body: leak },
      [{ text: 'x' }, { error: `${key} is not valid` }] as const,
    ];
    for (const reply of replies) {
      scene.server.answer = () => reply;
      t.is((await scene.say(workerId, 'hello')).outcome, 'failed');
    }
    // A model that knows the key repeats it in pieces and passes it to a tool.
    scene.server.answer = ({ last }) =>
      last === 'tell'
        ? Array.from(`It is ${key}.`).map((text) => ({ text }))
        : [{ reasoning: `${key}?` }, { call: 'nothing', input: { key } }, { call: key, input: {} }];
    await scene.say(workerId, 'tell');
    t.is((await scene.transcript(workerId)).at(-1), 'assistant: It is [secret].');
    t.is((await scene.say(workerId, 'call')).outcome, 'failed');
    const { headers } = scene.server.requests[0] ?? {};
    t.is(type === 'anthropic' ? headers?.['x-api-key'] : headers?.authorization?.replace('Bearer ', ''), key);
    const shownToClients = JSON.stringify([
      await scene.log(workerId),
      await scene.runtime.getWorker(workerId),
      await scene.runtime.diagnostics(),
      await scene.runtime.summary(),
    ]);
    for (const secret of [key, variable, scene.server.url, '127.0.0.1'])
      t.false(shownToClients.includes(secret), secret);
    const logged = scene.logged.join('\n');
    t.false(logged.includes(key), 'the key is not in the log of the operator');
    t.true(logged.includes('Incorrect API key: [secret]'), 'the log has the rest of the error');
  });
}

test('the current key is read from its file, and a missing key refuses the creation', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'ai-sdk-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'key');
  const scene = await ModelScene.open(t, { key: { apiKeyFile: path } });
  const code = await errorOf(scene.create());
  t.is(
    code,
    'ENGINE_UNAVAILABLE: The key of the provider "fake" is missing; the log of the runtime names its source',
  );
  await writeFile(path, 'first-key\n', { mode: 0o600 });
  const workerId = await scene.create();
  await scene.say(workerId, 'hello');
  await writeFile(path, 'second-key\n', { mode: 0o600 });
  await scene.say(workerId, 'hello');
  t.deepEqual(
    scene.server.requests.map(({ headers }) => headers.authorization),
    ['Bearer first-key', 'Bearer second-key'],
  );
});

test('P18: an invalid configuration is refused with a pointer to the invalid key', async (t) => {
  const scene = await ModelScene.open(t);
  const pointers: unknown[] = [];
  for (const config of [
    { provider: 'other' },
    { apiKey: 'sk-1' },
    { baseUrl: 'http://evil.example' },
    { model: '' },
    { settings: { temperature: 9 } },
    { maxSteps: 0 },
    { context: { maxTokens: 1_000, whenFull: 'forget' } },
  ])
    await scene.create(config).catch((error: unknown) => {
      const { code, details } = error as { code: string; details: { issues: { pointer: string }[] } };
      t.is(code, 'CONFIG_UNSUPPORTED');
      pointers.push(details.issues[0]?.pointer);
    });
  t.deepEqual(pointers, [
    '/config/provider',
    '/config/apiKey',
    '/config/baseUrl',
    '/config/model',
    '/config/settings/temperature',
    '/config/maxSteps',
    '/config/context/whenFull',
  ]);
});

/** Options with which a client could give a model tools, servers, another model or another place. */
const OPERATOR_OPTIONS = {
  'openai-compatible': {
    web_search_options: {},
    plugins: [{ id: 'web' }],
    models: ['expensive'],
    model: 'expensive',
    messages: [],
    tools: [{ type: 'x' }],
    stream: false,
    functions: [],
    provider: { order: ['elsewhere'] },
    extra_body: { tools: [] },
    user: 'someone',
    metadata: { team: 'x' },
    headers: { authorization: 'x' },
    reasoning: { effort: 'low', tools: [] },
    reasoningEffort: { tools: [] },
    chat_template_kwargs: { enable_thinking: true, tools: [] },
  },
  anthropic: {
    mcpServers: [{ type: 'url', name: 'evil', url: 'https://evil.example/mcp' }],
    container: { skills: [{ type: 'anthropic', skillId: 'xlsx' }] },
    anthropicBeta: ['code-execution-2025-08-25'],
    fallbacks: [{ model: 'expensive' }],
    speed: 'fast',
    inferenceGeo: 'us',
    contextManagement: { edits: [] },
    metadata: { userId: 'someone' },
    thinking: { type: 'enabled', budgetTokens: 2_000, tools: [] },
    cacheControl: { type: 'ephemeral', url: 'https://evil.example' },
    constructor: {},
  },
};

for (const type of ['openai-compatible', 'anthropic'] as const) {
  test(`P18: ${type}: options that give a model more than its Worker was granted are refused with their name`, async (t) => {
    const scene = await ModelScene.open(t, { type });
    for (const [key, value] of Object.entries(OPERATOR_OPTIONS[type])) {
      const error = await t.throwsAsync<Error & { code: string; details: { issues: { pointer: string }[] } }>(
        scene.create({ providerOptions: { [key]: value } }),
        undefined,
        key,
      );
      t.is(error?.code, 'CONFIG_UNSUPPORTED', key);
      t.true(error?.details.issues[0]?.pointer.startsWith(`/config/providerOptions/${key}`), key);
      t.true(error?.message.includes(key), error?.message);
    }
    t.is(scene.server.requests.length, 0);
  });

  test(`P18: ${type}: the options of the operator are sent, and replace those of a Worker`, async (t) => {
    const [own, forced, sent] =
      type === 'anthropic'
        ? [
            { effort: 'low', thinking: { type: 'adaptive' } },
            { effort: 'high', metadata: { userId: 'operator' } },
            {
              output_config: { effort: 'high' },
              thinking: { type: 'adaptive' },
              metadata: { user_id: 'operator' },
            },
          ]
        : [
            { reasoningEffort: 'low', top_k: 40 },
            { reasoningEffort: 'high', web_search_options: {} },
            { reasoning_effort: 'high', top_k: 40, web_search_options: {} },
          ];
    const scene = await ModelScene.open(t, {
      type,
      provider: { models: ['m', 'claude-opus-4-6'], providerOptions: forced },
    });
    t.is(
      await errorOf(scene.create({ model: 'm:online' })),
      'CONFIG_UNSUPPORTED: The provider "fake" is not configured for the model "m:online"',
    );
    scene.server.answer = () => [{ text: 'Yes.' }];
    const workerId = await scene.create({ model: 'claude-opus-4-6', providerOptions: own as never });
    t.is((await scene.say(workerId, 'hello')).outcome, 'completed');
    t.like(scene.server.requests[0]?.body, sent);
  });
}

test('a call that the provider makes with its own tool is recorded as a notice, and the run continues', async (t) => {
  const scene = await ModelScene.open(t, { type: 'anthropic' });
  scene.server.answer = () => [{ providerCall: 'look up' }, { text: 'Found.' }];
  const workerId = await scene.create();
  t.is((await scene.say(workerId, 'hello')).outcome, 'completed');
  t.deepEqual(await scene.transcript(workerId), ['user: hello', 'assistant: Found.']);
  const notice = (await scene.log(workerId)).find(({ type }) => type === 'diagnostic.recorded');
  t.like(notice?.data, { code: 'PROVIDER_TOOL', message: 'The provider called its own tool look_up' });
});

test('a redirect is refused, because not every kind of key would be removed', async (t) => {
  const scene = await ModelScene.open(t);
  const workerId = await scene.create();
  scene.server.answer = () => ({ status: 307, headers: { location: 'http://127.0.0.1:9/' } });
  const { error } = await scene.say(workerId, 'hello');
  t.is(error?.code, 'ENGINE_UNAVAILABLE');
  t.is(scene.server.requests.length, 1);
});

/** A tool that answers a text. */
const saying = (answer: string) => tool({ inputSchema: z.looseObject({}), execute: async () => answer });

test('anthropic: reasoning is sent back unchanged, also after a restart, and never without its signature', async (t) => {
  const scene = await ModelScene.open(t, { type: 'anthropic', tools: { look: saying('seen') } });
  scene.server.answer = ({ lines }) =>
    lines.filter((line) => line.startsWith('tool ')).length < 2 && !lines.at(-1)?.endsWith('again')
      ? [
          { reasoning: 'I should look.' },
          { redacted: 'ENCRYPTED==' },
          { text: 'Wait.' },
          { call: 'look', input: {} },
        ]
      : [{ reasoning: 'Done.' }, { text: 'It is there.' }];
  const workerId = await scene.create(
    { providerOptions: { thinking: { type: 'enabled', budgetTokens: 1_024 } } },
    { tools: ['look'] },
  );
  t.is((await scene.say(workerId, 'hello')).outcome, 'completed');
  const step = [
    'assistant thinks (c2ln): I should look.',
    'assistant thinks ENCRYPTED==',
    'assistant: Wait.',
    'assistant calls',
    'tool',
  ];
  const shape = (lines: readonly string[] = []): readonly string[] =>
    lines.map((line) => line.replace(/^(assistant calls|tool) .*/, '$1'));
  t.deepEqual(shape(scene.server.requests[1]?.lines), ['user: hello', ...step]);
  t.deepEqual(shape(scene.server.requests[2]?.lines), ['user: hello', ...step, ...step]);
  await scene.start();
  t.is((await scene.say(workerId, 'again')).outcome, 'completed');
  t.deepEqual(
    scene.server.requests.at(-1)?.lines.filter((line) => line.startsWith('assistant thinks')),
    [...step.slice(0, 2), ...step.slice(0, 2)],
  );
  const items = JSON.stringify((await scene.runtime.transcript(workerId)).items);
  t.false(items.includes('c2ln') || items.includes('ENCRYPTED'));
});

const REASONED: Reply = [{ reasoning: 'I should look.' }, { call: 'look', input: {} }];

test('openai-compatible: the reasoning before a call is sent back, also in later runs, and no other', async (t) => {
  const scene = await ModelScene.open(t, { tools: { look: saying('seen') } });
  scene.server.answer = ({ lines, last }) => {
    const messages = lines.filter((line) => line.startsWith('assistant calls'));
    const reasoning = lines.filter((line) => line === 'assistant thinks: I should look.');
    if (messages.length !== reasoning.length)
      return {
        status: 400,
        body: '{"error":{"message":"The `reasoning_content` must be passed back to the API."}}',
      };
    return last === 'call' ? REASONED : [{ reasoning: 'Hm.' }, { text: 'It is there.' }];
  };
  const workerId = await scene.create({}, { tools: ['look'] });
  t.is((await scene.say(workerId, 'call')).error, null);
  t.is((await scene.say(workerId, 'and now?')).error, null);
  await scene.start();
  t.is((await scene.say(workerId, 'call')).error, null);
  const { lines = [] } = scene.server.requests.at(-1) ?? {};
  t.is(lines.filter((line) => line.startsWith('assistant thinks')).length, 2);
});

for (const [provider, status, message] of [
  ['Groq', 400, "'messages.1': property 'reasoning_content' is unsupported"],
  ['Mistral', 422, 'body.messages.1.assistant.reasoning_content: Extra inputs are not permitted'],
] as const)
  test(`openai-compatible: a provider that refuses reasoning gets none: ${provider}`, async (t) => {
    const scene = await ModelScene.open(t, { tools: { look: saying('seen') } });
    let refusals = 0;
    scene.server.answer = ({ text, last }) => {
      if (text.includes('reasoning_content')) {
        refusals += 1;
        return { status, body: JSON.stringify({ error: { message } }) };
      }
      return last === 'call' ? REASONED : [{ text: 'It is there.' }];
    };
    const workerId = await scene.create({}, { tools: ['look'] });
    for (let round = 0; round < 3; round += 1) t.is((await scene.say(workerId, 'call')).error, null);
    t.is(refusals, 1, 'the refusal is remembered');
  });

test('openai-compatible: the signature of a call is sent back within a run', async (t) => {
  const scene = await ModelScene.open(t, { tools: { look: saying('seen') } });
  const calls = [
    {
      index: 0,
      id: 'a',
      function: { name: 'look', arguments: '{}' },
      extra_content: { google: { thought_signature: 'c2ln' } },
    },
  ];
  const chunk = { choices: [{ index: 0, delta: { tool_calls: calls }, finish_reason: 'tool_calls' }] };
  scene.server.answer = ({ lines }) =>
    lines.at(-1)?.startsWith('tool ') ? [{ text: 'Seen.' }] : { raw: [`data: ${JSON.stringify(chunk)}\n\n`] };
  const workerId = await scene.create({}, { tools: ['look'] });
  t.is((await scene.say(workerId, 'hello')).error, null);
  t.true(scene.server.requests[1]?.text.includes('"thought_signature":"c2ln"'));
});

for (const type of ['openai-compatible', 'anthropic'] as const)
  test(`${type}: requests are well-formed Unicode, and nothing is cut inside a character`, async (t) => {
    const scene = await ModelScene.open(t, { type, tools: { look: saying('half \ud83c') } });
    // An escaped backslash is no escape of a surrogate.
    const broken = (): boolean =>
      scene.server.requests.some(({ text }) => /\\u[dD][89a-fA-F]/.test(text.replaceAll('\\\\', '')));
    scene.server.answer = ({ lines }) =>
      lines.at(-1)?.startsWith('tool ')
        ? [{ text: 'sure \ud83d' }]
        : [{ call: 'look', input: { '\udc00': '\ud83d' } }];
    const workerId = await scene.create({}, { tools: ['look'] });
    for (const text of ['hello', 'a backslash: \\ud83d', 'again'])
      t.is((await scene.say(workerId, text)).error, null);
    t.false(broken());
    const lines = scene.server.requests.at(-1)?.lines ?? [];
    t.true(lines.some((line) => line.endsWith('half \ufffd')));
    t.true(lines.includes('user: a backslash: \\ud83d'));
  });
