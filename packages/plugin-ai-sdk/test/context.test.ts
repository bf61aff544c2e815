import { memoryStore, type RuntimeStore } from '@worker-runtime/core';
import type { Answer, ReceivedRequest, Reply } from '@worker-runtime/test-environment/fake-model-server';
import { tool } from 'ai';
import test from 'ava';
import { z } from 'zod';
import { ModelScene } from './model-scene.ts';

const LONG = 'All work and no play makes Jack a dull boy. '.repeat(40);

/** Summarizes a conversation if the request is one for a summary, and answers any other request. */
const summarizing: Answer = ({ lines, last }) =>
  lines[0]?.startsWith('system: You shorten a conversation')
    ? [{ text: `Jack is dull (${lines.length}).` }]
    : [{ text: last.startsWith('All work') ? 'Noted.' : `You said: ${last}` }];

test('by default, a full context fails the run before anything is sent', async (t) => {
  const scene = await ModelScene.open(t);
  scene.server.answer = summarizing;
  const workerId = await scene.create({ context: { maxTokens: 1_000 } });
  for (const expected of ['completed', 'completed', 'failed'] as const) {
    const { outcome, error } = await scene.say(workerId, LONG);
    t.is(outcome, expected);
    if (expected === 'failed') {
      t.is(error?.code, 'CONTEXT_LIMIT');
      t.regex(error?.message ?? '', /has about \d+ tokens, and the limit of the Worker is 1000/);
    }
  }
  t.is(scene.server.requests.length, 2);
});

for (const status of [400, 413])
  test(`the context limit of the model has its own error code (${status})`, async (t) => {
    const scene = await ModelScene.open(t);
    scene.server.answer = () => ({
      status,
      body: '{"error":{"message":"This model\'s maximum context length is 8192 tokens.","code":"context_length_exceeded"}}',
    });
    const { error } = await scene.say(await scene.create(), 'hello');
    t.deepEqual(error, {
      code: 'CONTEXT_LIMIT',
      message: 'The conversation exceeds the context limit of the model',
    });
  });

test('P7: if its profile says so, a conversation is summarized when its context is full, and the log records it', async (t) => {
  const scene = await ModelScene.open(t);
  scene.server.answer = summarizing;
  const workerId = await scene.create({
    context: { maxTokens: 1_000, whenFull: 'summarize' },
    system: 'Be dull.',
  });
  for (let round = 0; round < 3; round += 1) t.is((await scene.say(workerId, LONG)).outcome, 'completed');
  t.is(scene.server.requests.length, 5, 'three answers, and a summary in two pieces');
  t.regex(scene.server.requests[2]?.last ?? '', /All work and no play.*assistant: Noted\./s);
  t.regex(scene.server.requests[3]?.last ?? '', /^Summary of the conversation so far:\nJack is dull/);
  const sent = scene.server.requests[4]?.lines ?? [];
  t.is(sent.length, 4);
  t.is(sent[0], 'system: Be dull.');
  t.regex(sent[1] ?? '', /^user: <summary-of-the-conversation-so-far>\nJack is dull \(2\)\./);
  t.is(sent[2], 'assistant: [I continue from this summary.]');
  t.true(sent[3]?.startsWith('user: All work'));
  const lines = await scene.transcript(workerId);
  t.deepEqual(lines.slice(5, 7), [
    'call ai-sdk:compact {"messages":4,"estimatedTokens":893}',
    'result {"summary":"Jack is dull (2)."}',
  ]);
  t.is((await scene.runtime.overview(workerId)).usage.inputTokens, 500, 'summaries are counted');
  // The transcript keeps the whole conversation. The request begins with the summary, also after a restart.
  t.is(lines.filter((line) => line.startsWith('user: All')).length, 3);
  await scene.start();
  await scene.say(workerId, 'hello');
  const after = scene.server.requests.at(-1)?.lines ?? [];
  t.regex(after[1] ?? '', /Jack is dull/);
  t.deepEqual(after.slice(4), ['assistant: Noted.', 'user: hello']);
});

/** A memory store as an earlier version left it: the summaries are in its logs, and nothing else says where they are. */
const storeWithoutMarks = (): RuntimeStore => {
  const inner = memoryStore();
  return new Proxy(inner, {
    get: (target, member: keyof RuntimeStore) => {
      if (member === 'open')
        return (host: Parameters<RuntimeStore['open']>[0]) =>
          inner.open({ ...host, snapshotOf: () => undefined });
      if (member === 'append')
        return (...[log, after, batch]: Parameters<RuntimeStore['append']>) => {
          const text = Buffer.from(batch.lines).toString();
          const lines = Buffer.from(text.replaceAll('"history.started"', '"history.earlier"'));
          return inner.append(log, after, { ...batch, lines });
        };
      const value = target[member];
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
};

for (const [what, store] of Object.entries({ 'a store': memoryStore, 'an older store': storeWithoutMarks }))
  test(`P7: a conversation with two summaries continues from the second one in ${what}, after a restart`, async (t) => {
    const scene = await ModelScene.open(t, { store: store() });
    scene.server.answer = summarizing;
    const workerId = await scene.create({ context: { maxTokens: 1_000, whenFull: 'summarize' } });
    for (let round = 0; round < 5; round += 1) await scene.say(workerId, `${round} ${LONG}`);
    const before = (await scene.log(workerId)).filter(({ type }) => type === 'run.finished').length;
    t.is(before, 5);
    await scene.start();
    await scene.say(workerId, 'hello');
    const sent = scene.server.requests.at(-1)?.lines ?? [];
    t.regex(sent[0] ?? '', /^user: <summary-of-the-conversation-so-far>\nJack is dull/);
    t.deepEqual(
      sent.slice(1).map((line) => line.slice(0, 20)),
      ['assistant: [I continue', 'user: 4 All work and', 'assistant: You said:', 'user: hello'].map((line) =>
        line.slice(0, 20),
      ),
    );
    const log = await scene.log(workerId);
    const results = log.flatMap(({ type, data, seq }) =>
      type === 'tool.finished' && data.output !== undefined ? seq + 1 : [],
    );
    t.true(results.length >= 2, 'two summaries');
    for (const seq of results) t.regex(log[seq - 1]?.type ?? '', /^history\./);
  });

test('a conversation that is far too long is summarized in pieces, without leaving any out', async (t) => {
  const scene = await ModelScene.open(t);
  const summarized: string[] = [];
  scene.server.answer = (request) => {
    if (request.lines[0]?.startsWith('system: You shorten')) summarized.push(request.last);
    return summarizing(request);
  };
  const workerId = await scene.create({ context: { maxTokens: 100_000 } });
  for (let round = 0; round < 4; round += 1) await scene.say(workerId, `${round} ${LONG}`);
  // The same inputs, for a Worker with a smaller context.
  const { items } = await scene.runtime.transcript(workerId, { after: 'start' });
  const narrow = await scene.create({ context: { maxTokens: 2_000, whenFull: 'summarize' } });
  for (const { parts, role } of items) {
    const [part] = parts;
    if (role === 'user' && part?.type === 'text') await scene.say(narrow, part.text);
  }
  t.is((await scene.say(narrow, `${LONG}${LONG}`)).outcome, 'completed');
  t.true(summarized.length >= 2);
  for (let round = 0; round < 4; round += 1)
    t.true(
      summarized.some((text) => text.includes(`user: ${round} All work`)),
      `${round}`,
    );
});

test('a failed summary fails the run, and the next run tries again', async (t) => {
  const scene = await ModelScene.open(t);
  let isBroken = true;
  scene.server.answer = (request) =>
    isBroken && request.lines[0]?.startsWith('system: You shorten') ? { status: 500 } : summarizing(request);
  const workerId = await scene.create({ context: { maxTokens: 1_000, whenFull: 'summarize' } });
  for (let round = 0; round < 2; round += 1) await scene.say(workerId, LONG);
  t.is((await scene.say(workerId, 'go on')).outcome, 'completed');
  t.is((await scene.say(workerId, LONG)).error?.code, 'ENGINE_UNAVAILABLE');
  isBroken = false;
  t.is((await scene.say(workerId, 'hello')).outcome, 'completed');
  t.regex(scene.server.requests.at(-1)?.lines[0] ?? '', /Jack is dull/);
});

test('a run that is too long by itself fails, because there is no earlier run to summarize', async (t) => {
  const big = tool({ inputSchema: z.strictObject({}), execute: async () => LONG.repeat(4) });
  const scene = await ModelScene.open(t, { tools: { big } });
  scene.server.answer = ({ lines }) =>
    lines.at(-1)?.startsWith('tool ') ? [{ text: 'Never asked.' }] : [{ call: 'big', input: {} }];
  const workerId = await scene.create(
    { context: { maxTokens: 1_000, whenFull: 'summarize' } },
    { tools: ['big'] },
  );
  const { outcome, error } = await scene.say(workerId, 'go');
  t.deepEqual([outcome, error?.code], ['failed', 'CONTEXT_LIMIT']);
  t.is(scene.server.requests.length, 1);
});

/** The words with which providers refuse a request that is too long, with the status of the response. */
const TOO_LONG: Readonly<Record<string, readonly [number, string]>> = {
  OpenAI: [
    400,
    "This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens.",
  ],
  'OpenAI, responses': [
    400,
    'Your input exceeds the context window of this model. Please adjust your input and try again.',
  ],
  'OpenAI, array': [
    400,
    "Invalid 'messages': array too long. Expected an array with maximum length 2048, but got 2051.",
  ],
  Azure: [
    400,
    "This model's maximum context length is 4096 tokens, however you requested 5000 tokens (4000 in your prompt; 1000 for the completion). Please reduce your prompt; or completion length.",
  ],
  Anthropic: [400, 'prompt is too long: 210000 tokens > 200000 maximum'],
  'Anthropic, with the answer': [
    400,
    'input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length or `max_tokens` and try again',
  ],
  'Anthropic, size': [413, 'Request exceeds the maximum size'],
  Gemini: [400, 'The input token count (1057726) exceeds the maximum number of tokens allowed (1048576).'],
  Vertex: [
    400,
    'Unable to submit request because the input token count is 40000 but model only supports up to 32768.',
  ],
  Groq: [400, 'Please reduce the length of the messages or completion.'],
  'Groq, size': [
    413,
    'Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 10000',
  ],
  Mistral: [
    400,
    'Prompt contains 65537 tokens and 0 draft tokens, too large for model with 32768 maximum context length',
  ],
  Ollama: [400, 'the input length exceeds the context length'],
  'Ollama, prompt': [400, 'prompt too long; exceeded max context length by 100 tokens'],
  'llama.cpp': [
    400,
    'request (124071 tokens) exceeds the available context size (123904 tokens), try increasing it',
  ],
  'llama.cpp, older': [
    500,
    'the request exceeds the available context size. try increasing the context size or enable context shift',
  ],
  vLLM: [
    400,
    "This model's maximum context length is 262144 tokens. However, you requested 0 output tokens and your prompt contains at least 262145 input tokens",
  ],
  'vLLM, engine': [
    400,
    'The decoder prompt (length 10000) is longer than the maximum model length of 4096. Make sure that `max_model_len` is no smaller than the number of text tokens.',
  ],
  SGLang: [400, "The input (5000 tokens) is longer than the model's context length (4096 tokens)."],
  TGI: [
    422,
    'Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens and 200 `max_new_tokens`',
  ],
  'LM Studio': [
    400,
    'Trying to keep the first 111490 tokens when context the overflows. However, the model is loaded with context length of only 32768 tokens',
  ],
  Bedrock: [400, 'Input is too long for requested model.'],
  'Bedrock, tokens': [400, 'Too many input tokens. Max input tokens: 8192, request input token count: 12345'],
  Cohere: [
    400,
    'too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 5000. Try using a shorter prompt',
  ],
  DeepSeek: [
    400,
    "This model's maximum context length is 65536 tokens. However, you requested 70000 tokens (62000 in the messages, 8000 in the completion).",
  ],
  xAI: [400, "This model's maximum prompt length is 131072 but the request contains 148532 tokens."],
  OpenRouter: [
    400,
    "This endpoint's maximum context length is 131072 tokens. However, you requested about 140000 tokens (132000 of text input, 8000 in the output).",
  ],
  Together: [422, 'Input validation error: `inputs` must have less than 8192 tokens. Given: 12000'],
  DashScope: [400, '<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 129024]'],
  Moonshot: [400, 'Invalid request: Your request exceeded model token limit: 8192'],
  Zhipu: [400, 'Prompt exceeds max length'],
  Fireworks: [400, 'The prompt is too long: 140000, model maximum context length: 131071'],
  'GitHub Models': [413, 'Request body too large for gpt-4o model. Max size: 8000 tokens.'],
  Copilot: [400, 'prompt token count of 72000 exceeds the limit of 64000'],
  watsonx: [400, 'the number of input tokens 5000 cannot exceed the total tokens limit 4096 for this model'],
};

/** Refusals of other things, which a shorter conversation does not change. */
const NOT_TOO_LONG: Readonly<Record<string, readonly [number, string]>> = {
  'the answer is limited': [
    400,
    'max_tokens is too large: 99999. This model supports at most 4096 completion tokens, whereas you provided 99999.',
  ],
  'the answer is limited, Anthropic': [
    400,
    'max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens for this model',
  ],
  'the answer is limited, DashScope': [400, 'Range of max_tokens should be [1, 8192]'],
  'thinking is limited': [400, '`max_tokens` must be greater than `thinking.budget_tokens`.'],
  'a rate': [400, 'Too many tokens, please wait before trying again.'],
  'a name': [
    400,
    "Invalid 'tools[0].function.name': string too long. Expected a string with maximum length 64",
  ],
  'a model': [400, 'The model does not exist'],
};

const refusal = ([status, message]: readonly [number, string]): Reply => ({
  status,
  headers: { 'retry-after-ms': '5' },
  body: JSON.stringify({ error: { message, type: 'error' } }),
});

test('a refusal for the length is understood in the words of many providers, and no other refusal is', async (t) => {
  const scene = await ModelScene.open(t);
  let reply: Reply = [];
  scene.server.answer = () => reply;
  const workerId = await scene.create();
  for (const [provider, words] of Object.entries(TOO_LONG)) {
    reply = refusal(words);
    t.is((await scene.say(workerId, 'hello')).error?.code, 'CONTEXT_LIMIT', provider);
    const error = JSON.stringify({ error: { message: words[1], code: words[0] } });
    reply = { raw: [`data: ${error}\n\n`] };
    t.is((await scene.say(workerId, 'hello')).error?.code, 'CONTEXT_LIMIT', `${provider}, in a stream`);
  }
  for (const [what, words] of Object.entries(NOT_TOO_LONG)) {
    reply = refusal(words);
    t.is((await scene.say(workerId, 'hello')).error?.code, 'ENGINE_FAILED', what);
  }
});

/**
 * Counts tokens like many tokenizers: one for each character that is not ASCII, one for two of encoded data, and one for
 * four of other text.
 */
const countTokens = ({ text }: ReceivedRequest): number => {
  const encoded = (text.match(/[A-Za-z0-9+/=]{80,}/g) ?? []).join('').length;
  const other = text.length - text.replace(/[^ -~]/g, '').length;
  return Math.ceil(other + encoded / 2 + (text.length - other - encoded) / 4);
};

/** A model with a limit. Counts the tokens of each request that it answers. */
const limited =
  (maxTokens: number): Answer =>
  (request) => {
    const tokens = countTokens(request);
    if (tokens > maxTokens) return refusal([400, 'Please reduce the length of the messages or completion.']);
    const content = request.lines[0]?.startsWith('system: You shorten') ? '要約。' : 'はい。';
    const chunk = (more: object): string =>
      `data: ${JSON.stringify({ id: 'c', created: 1, model: 'm', ...more })}\n\n`;
    return {
      raw: [
        chunk({ choices: [{ index: 0, delta: { content }, finish_reason: 'stop' }] }),
        chunk({ choices: [], usage: { prompt_tokens: tokens, completion_tokens: 3 } }),
        'data: [DONE]\n\n',
      ],
    };
  };

const compactions = async (scene: ModelScene, workerId: string): Promise<number> =>
  (await scene.transcript(workerId)).filter((line) => line.startsWith('result {"summary"')).length;

for (const [script, text] of [
  ['Japanese', '長い会話の一文です。'.repeat(70)],
  ['Korean', '이것은 긴 대화의 한 문장이다.'.repeat(45)],
  ['emoji', '🎯🏆'.repeat(180)],
  ['English', 'a long sentence of a person. '.repeat(100)],
  [
    'base64',
    `see ${'QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3ODkr'.repeat(25)}`,
  ],
] as const)
  test(`a conversation in ${script} is summarized before the model refuses it`, async (t) => {
    const scene = await ModelScene.open(t);
    scene.server.answer = limited(4_000);
    const workerId = await scene.create({ context: { maxTokens: 4_000, whenFull: 'summarize' } });
    for (let round = 0; round < 12; round += 1) t.is((await scene.say(workerId, text)).error, null);
    t.true((await compactions(scene, workerId)) > 0);
    const refused = scene.server.requests.filter((request) => countTokens(request) > 4_000);
    t.is(refused.length, 0);
  });

test('the tokens that the provider counted correct the estimate, also in the next run', async (t) => {
  const scene = await ModelScene.open(t);
  // A template of the provider adds 3,000 tokens to each request.
  scene.server.answer = (request) =>
    limited(1_000_000)({ ...request, text: `${'x'.repeat(12_000)}${request.text}` });
  const workerId = await scene.create({ context: { maxTokens: 4_000 } });
  t.is((await scene.say(workerId, 'hello')).error, null);
  t.is((await scene.say(workerId, 'x '.repeat(2_400))).error?.code, 'CONTEXT_LIMIT');
});

test('a refusal for the length starts one summary, and the request is sent again', async (t) => {
  const scene = await ModelScene.open(t);
  scene.server.answer = limited(2_000);
  const workerId = await scene.create({ context: { maxTokens: 1_000_000, whenFull: 'summarize' } });
  for (let round = 0; round < 12; round += 1) t.is((await scene.say(workerId, LONG)).error, null);
  t.true((await compactions(scene, workerId)) > 0);
  const log = await scene.log(workerId);
  t.is(
    log.filter(({ type }) => type === 'step.started').length,
    log.filter(({ type }) => type === 'step.finished').length,
    'a refused step is finished',
  );
  // A run that is too long by itself is refused once more, and not for ever.
  const before = scene.server.requests.length;
  const { error } = await scene.say(workerId, LONG.repeat(8));
  t.is(error?.code, 'CONTEXT_LIMIT');
  t.true(scene.server.requests.length - before < 8);
  t.is((await scene.say(workerId, 'hello')).error, null);
  const failing = await scene.create({ context: { maxTokens: 1_000_000 } });
  t.is((await scene.say(failing, LONG.repeat(8))).error?.code, 'CONTEXT_LIMIT');
  t.is(await compactions(scene, failing), 0);
});

test('pieces of a summary are cut between characters, and an empty summary replaces nothing', async (t) => {
  const scene = await ModelScene.open(t);
  let summary = '';
  scene.server.answer = ({ lines }) =>
    lines[0]?.startsWith('system: You shorten') ? [{ text: summary }] : [{ text: 'Noted.' }];
  const workerId = await scene.create({ context: { maxTokens: 1_000, whenFull: 'summarize' } });
  for (const odd of ['', 'x']) await scene.say(workerId, `${odd}${'🎯'.repeat(200)}`);
  t.is((await scene.say(workerId, '🎯'.repeat(200))).error?.code, 'ENGINE_UNAVAILABLE');
  summary = 'Many targets.';
  t.is((await scene.say(workerId, 'hello')).error, null);
  t.regex(scene.server.requests.at(-1)?.lines[0] ?? '', /Many targets/);
  t.false(scene.server.requests.some(({ text }) => text.includes('\\ud')));
  t.false(scene.server.requests.some(({ text }) => text.includes('\ufffd')));
});
