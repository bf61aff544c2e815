import type { RawPiece, Reply } from '@worker-runtime/test-environment/fake-model-server';
import { tool } from 'ai';
import test from 'ava';
import { z } from 'zod';
import { ModelScene, type SceneOptions } from './model-scene.ts';

const sse = (value: object): string => `data: ${JSON.stringify(value)}\n\n`;
const choices = (delta: object, finish: string | null = null, more: object = {}): object => ({
  id: 'c',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'm',
  choices: [{ index: 0, delta, finish_reason: finish, ...more }],
});
const chunk = (delta: object, finish: string | null = null, more: object = {}): string =>
  sse(choices(delta, finish, more));
const usage = { prompt_tokens: 5.4, completion_tokens: 3, total_tokens: 8.4 };
const call = (more: object): string => chunk({ tool_calls: [{ index: 0, ...more }] });
const wholeCall = call({ id: 'a', type: 'function', function: { name: 'look', arguments: '{}' } });
const DONE = 'data: [DONE]\n\n';
const CUT = { end: 'cut' } as const;
const HANG = { end: 'hang' } as const;

const event = (type: string, more: object = {}): string => `event: ${type}\n${sse({ type, ...more })}`;
const message = { id: 'm1', type: 'message', role: 'assistant', model: 'm', content: [] };
const start = event('message_start', {
  message: { ...message, usage: { input_tokens: 5, output_tokens: 1 } },
});
const block = (index: number, content: object, ...deltas: object[]): string =>
  event('content_block_start', { index, content_block: content }) +
  deltas.map((delta) => event('content_block_delta', { index, delta })).join('') +
  event('content_block_stop', { index });
const textBlock = (index: number, text: string): string =>
  block(index, { type: 'text', text: '' }, { type: 'text_delta', text });
const end = (reason: string): string =>
  event('message_delta', {
    delta: { stop_reason: reason, stop_sequence: null },
    usage: { output_tokens: 3 },
  });
const stop = event('message_stop');
const overloaded = event('error', { error: { type: 'overloaded_error', message: 'Overloaded' } });

type Type = 'openai-compatible' | 'anthropic';
const raw = (...pieces: readonly RawPiece[]): Reply => ({ raw: pieces });

/** Runs one input for which the server sends the replies in turn, and then the last one again. */
const answerOf = async (
  t: Parameters<typeof ModelScene.open>[0],
  type: Type,
  replies: readonly Reply[],
  options: SceneOptions = {},
) => {
  const look = tool({ inputSchema: z.looseObject({}), execute: async () => 'seen' });
  const scene = await ModelScene.open(t, { type, tools: { look }, ...options });
  scene.server.answer = ({ lines }) =>
    lines.at(-1)?.startsWith('tool ')
      ? [{ text: 'I see.' }]
      : (replies[Math.min(scene.server.requests.length, replies.length) - 1] as Reply);
  const workerId = await scene.create({}, { tools: ['look'] });
  const { outcome, error } = await scene.say(workerId, 'hello');
  const log = await scene.log(workerId);
  const codes = log.flatMap((item) => (item.type === 'diagnostic.recorded' ? [item.data.code] : []));
  return {
    scene,
    log,
    ended: error === null ? outcome : `${error?.code}: ${error?.message}`,
    items: (await scene.transcript(workerId)).slice(1),
    codes,
    requests: scene.server.requests.length,
  };
};

const WHOLE = ['assistant: A whole answer.'];
const CALLED = ['call look {}', 'result "seen"', 'assistant: I see.'];
const whole = chunk({ content: 'A whole answer.' });

/** Bodies that are an answer, although they deviate from the API. */
const GOOD: Readonly<
  Record<Type, Readonly<Record<string, readonly [readonly RawPiece[], (readonly string[])?]>>>
> = {
  'openai-compatible': {
    'a ping in the middle': [
      [
        chunk({ content: 'A whole ' }),
        'data: {"type": "ping"}\n\n',
        chunk({ content: 'answer.' }, 'stop'),
        DONE,
      ],
    ],
    'events that nobody knows': [
      [
        'event: status\ndata: processing\n\n',
        'data: []\n\n',
        'data: \n\n',
        sse({ object: 'x.unknown' }),
        sse({ choices: null, prompt_filter_results: [] }),
        whole,
        chunk({}, 'stop'),
        DONE,
      ],
    ],
    'usage without choices': [[whole, chunk({}, 'stop'), sse({ id: 'c', usage }), DONE]],
    'an end without a finish reason': [[whole, DONE]],
    'an end without a finish reason after a call': [[wholeCall, DONE], CALLED],
    'an error after the finish': [[whole, chunk({}, 'stop'), sse({ error: { message: 'late' } })]],
    'garbage after the finish': [[whole, chunk({}, 'stop'), 'data: {"choices": [{"del\n\n']],
    'a cut after the finish': [[whole, chunk({}, 'stop'), CUT]],
    'a connection that stays open after the end': [[whole, chunk({}, 'stop'), DONE, HANG]],
    'a connection that stays open after the finish': [[whole, chunk({}, 'stop'), HANG]],
    'pings for ever after the finish': [
      [whole, chunk({}, 'stop'), { repeat: 'data: {"type":"ping"}\n\n', times: 10_000, everyMs: 50 }],
    ],
    'an end without an empty line': [[whole, chunk({}, 'stop'), 'data: [DONE]\n', HANG]],
    'an error that is null': [
      [sse({ ...choices({ content: 'A whole answer.' }), error: null }), chunk({}, 'stop'), DONE],
    ],
    'members of other types': [
      [
        sse({ ...choices({ role: 'model', content: 'A whole ', tool_calls: null }), id: 7, created: '1' }),
        chunk({ content: 'answer.', audio: 1 }),
        sse({ ...choices({}, 'stop'), usage: { prompt_tokens: '5', completion_tokens: null, details: 'x' } }),
        DONE,
      ],
    ],
    'the input of a call as an object': [
      [call({ id: 'a', function: { name: 'look', arguments: {} } }), chunk({}, 'tool_calls'), DONE],
      CALLED,
    ],
    'words of another API for the finish': [[whole, chunk({}, 'STOP'), DONE]],
    'lines of JSON': [[`${JSON.stringify(choices({ content: 'A whole answer.' }, 'stop'))}\n`]],
    'one completion': [
      [
        JSON.stringify({
          object: 'chat.completion',
          choices: [
            { index: 0, message: { role: 'assistant', content: 'A whole answer.' }, finish_reason: 'stop' },
          ],
          usage,
        }),
      ],
    ],
    'one completion with calls, in many lines': [
      [
        JSON.stringify(
          {
            object: 'chat.completion',
            choices: [
              {
                message: {
                  content: null,
                  tool_calls: [{ id: 'a', type: 'function', function: { name: 'look', arguments: '{}' } }],
                },
                finish_reason: 'tool_calls',
              },
            ],
          },
          null,
          2,
        ),
      ],
      CALLED,
    ],
    'the whole message after its pieces': [
      [
        whole,
        sse({ choices: [{ index: 0, message: { content: 'A whole answer.' }, finish_reason: 'stop' }] }),
        DONE,
      ],
    ],
    'a second choice': [
      [
        whole,
        sse({ choices: [{ index: 1, delta: { content: 'Another.' }, finish_reason: null }] }),
        chunk({}, 'stop'),
        DONE,
      ],
    ],
  },
  anthropic: {
    'events, blocks and deltas that nobody knows': [
      [
        start,
        event('ping'),
        event('message_progress', { at: 1 }),
        block(0, { type: 'hologram', data: 'x' }, { type: 'hologram_delta', data: 'y' }),
        event('content_block_start', { index: 1, content_block: { type: 'text', text: '' } }),
        event('content_block_delta', { index: 1, delta: { type: 'glow_delta', glow: 1 } }),
        event('content_block_delta', {
          index: 1,
          delta: { type: 'citations_delta', citation: { type: 'new_location', cited_text: 'x' } },
        }),
        event('content_block_delta', { index: 1, delta: { type: 'text_delta', text: 'A whole answer.' } }),
        event('content_block_stop', { index: 1 }),
        end('end_turn'),
        stop,
      ],
    ],
    'an end without a stop reason': [[start, textBlock(0, 'A whole answer.'), stop]],
    'an error after the stop reason': [[start, textBlock(0, 'A whole answer.'), end('end_turn'), overloaded]],
    'no end after the stop reason': [[start, textBlock(0, 'A whole answer.'), end('end_turn'), CUT]],
    'a connection that stays open': [[start, textBlock(0, 'A whole answer.'), end('end_turn'), stop, HANG]],
    'no usage at all': [
      [
        event('message_start', { message }),
        textBlock(0, 'A whole answer.'),
        event('message_delta', { delta: { stop_reason: 'end_turn' } }),
        stop,
      ],
    ],
    'one message': [
      [
        JSON.stringify({
          ...message,
          content: [{ type: 'text', text: 'A whole answer.' }],
          stop_reason: 'end_turn',
          usage: { input_tokens: 5, output_tokens: 3 },
        }),
      ],
    ],
    'one message with a call': [
      [
        JSON.stringify({
          ...message,
          content: [{ type: 'tool_use', id: 't1', name: 'look', input: {} }],
          stop_reason: 'tool_use',
          usage: { input_tokens: 5, output_tokens: 3 },
        }),
      ],
      CALLED,
    ],
  },
};

for (const [type, bodies] of Object.entries(GOOD) as [Type, (typeof GOOD)[Type]][])
  for (const [how, [pieces, expected = WHOLE]] of Object.entries(bodies))
    test(`${type}: an answer is taken as it is meant: ${how}`, async (t) => {
      const { ended, items, codes } = await answerOf(t, type, [raw(...pieces)], { stallMs: 20_000 });
      t.deepEqual([ended, items, codes], ['completed', expected, []]);
    });

test('fractions of tokens are rounded', async (t) => {
  const { log } = await answerOf(t, 'openai-compatible', [
    raw(whole, chunk({}, 'stop'), sse({ usage }), DONE),
  ]);
  const recorded = log.find((item) => item.type === 'usage.recorded');
  t.like(recorded?.data, { inputTokens: 5, outputTokens: 3 });
});

const AGAIN = { headers: { 'retry-after-ms': '5' } };
const json = (value: object): Reply => ({
  raw: [JSON.stringify(value)],
  contentType: 'application/json',
  ...AGAIN,
});
const failing = (...pieces: readonly RawPiece[]): Reply => ({ raw: pieces, ...AGAIN });

/** Bodies that are no answer, and the public error if every attempt has the same one. */
const BAD: readonly (readonly [Type, string, Reply, string])[] = [
  ['openai-compatible', 'an empty body', failing(), 'The answer of the model ended early'],
  [
    'openai-compatible',
    'a role, then a cut',
    failing(chunk({ role: 'assistant', content: '' }), CUT),
    'The answer of the model ended early',
  ],
  ['openai-compatible', 'a call, then a cut', failing(wholeCall, CUT), 'The answer of the model ended early'],
  [
    'openai-compatible',
    'a damaged line',
    failing('data: {"choices": [{"del\n\n', DONE),
    'The answer of the model ended early',
  ],
  ['openai-compatible', 'an end and nothing else', failing(DONE), 'The answer of the model is empty'],
  [
    'openai-compatible',
    'an error first',
    failing(sse({ error: { message: 'busy', code: 503 } })),
    'The provider is not available (503)',
  ],
  [
    'openai-compatible',
    'an error in words',
    failing(sse({ error: 'STREAM_EXPLODED' }), DONE),
    'The provider reported an error',
  ],
  [
    'openai-compatible',
    'an error of the choice',
    failing(chunk({}, 'error', { error: { message: 'x' } })),
    'The provider reported an error',
  ],
  [
    'openai-compatible',
    'an unknown failure as the finish',
    failing(chunk({ content: '' }, 'network_error'), DONE),
    'The provider reported an error',
  ],
  [
    'openai-compatible',
    'a failure told as a stop',
    failing(chunk({ content: '' }, 'stop', { native_finish_reason: 'network_error' }), DONE),
    'The provider reported an error',
  ],
  [
    'openai-compatible',
    'an error as JSON',
    json({ error: { message: 'busy', type: 'server_error' } }),
    'The provider reported an error',
  ],
  [
    'openai-compatible',
    'a page',
    { raw: ['<html>Sign in</html>'], contentType: 'text/html', ...AGAIN },
    'The answer of the provider is invalid',
  ],
  ['openai-compatible', 'other JSON', json({ detail: 'Not here' }), 'The answer of the provider is invalid'],
  [
    'anthropic',
    'an error after the usual beginning',
    failing(start, event('ping'), overloaded),
    'The provider reported an error',
  ],
  [
    'anthropic',
    'an error in an empty block',
    failing(
      start,
      event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
      overloaded,
    ),
    'The provider reported an error',
  ],
  ['anthropic', 'a cut after the beginning', failing(start, CUT), 'The answer of the model ended early'],
  [
    'anthropic',
    'a page',
    { raw: ['<html>Sign in</html>'], contentType: 'text/html', ...AGAIN },
    'The answer of the provider is invalid',
  ],
];

for (const [type, how, reply, error] of BAD) {
  const good =
    type === 'anthropic'
      ? raw(start, textBlock(0, 'A whole answer.'), end('end_turn'), stop)
      : raw(whole, chunk({}, 'stop'), DONE);
  test(`${type}: a request is repeated if nothing was shown, and fails in the end: ${how}`, async (t) => {
    const repaired = await answerOf(t, type, [reply, good], { retries: 2 });
    t.deepEqual([repaired.ended, repaired.items, repaired.requests], ['completed', WHOLE, 2]);
    const failed = await answerOf(t, type, [reply], { retries: 2 });
    t.deepEqual([failed.ended, failed.items, failed.requests], [`ENGINE_UNAVAILABLE: ${error}`, [], 3]);
  });
}

test('a response that is no answer is named with its content type in the log of the operator', async (t) => {
  const page = { raw: ['<!doctype html>\n<p>Sign in'], contentType: 'text/html; charset=utf-8' } as const;
  const { scene } = await answerOf(t, 'openai-compatible', [page]);
  t.true(scene.logged.some((line) => /no streamed answer, but text\/html.*Sign in/s.test(line)));
});

for (const [how, reply] of [
  ['nothing', failing(chunk({ role: 'assistant', content: '' }), chunk({}, 'stop'), DONE)],
  ['a blank', failing(chunk({ content: '\n' }), chunk({}, 'stop'), DONE)],
  ['an announced call that never comes', failing(chunk({ content: '' }), chunk({}, 'tool_calls'), DONE)],
] as const)
  test(`an empty answer is requested again, and is remarked on in the end: ${how}`, async (t) => {
    const repaired = await answerOf(t, 'openai-compatible', [reply, raw(whole, chunk({}, 'stop'))], {
      retries: 1,
    });
    t.deepEqual([repaired.ended, repaired.items, repaired.codes], ['completed', WHOLE, []]);
    const empty = await answerOf(t, 'openai-compatible', [reply], { retries: 1 });
    t.deepEqual([empty.ended, empty.codes, empty.requests], ['completed', ['EMPTY_ANSWER'], 2]);
  });

test('an answer whose end is doubtful is remarked on, and one that ends with a failure is partial', async (t) => {
  const type = 'openai-compatible';
  const unknown = await answerOf(t, type, [raw(whole, chunk({}, 'blue_moon'), DONE)]);
  t.deepEqual([unknown.ended, unknown.items, unknown.codes], ['completed', WHOLE, ['UNKNOWN_FINISH']]);
  const missing = await answerOf(t, type, [raw(whole, chunk({}, 'tool_calls'), DONE)]);
  t.deepEqual([missing.ended, missing.items, missing.codes], ['completed', WHOLE, ['MISSING_CALL']]);
  const failed = await answerOf(t, type, [raw(whole, chunk({}, 'network_error'), DONE)], { retries: 2 });
  t.is(failed.ended, 'ENGINE_UNAVAILABLE: The provider reported an error');
  t.deepEqual([failed.items, failed.requests], [['assistant (partial): A whole answer.'], 1]);
});

test('a refusal inside a response is not repeated', async (t) => {
  const error = { message: 'no such model', type: 'invalid_request_error' };
  const { ended, requests } = await answerOf(t, 'openai-compatible', [failing(sse({ error }))], {
    retries: 2,
  });
  t.deepEqual([ended, requests], ['ENGINE_FAILED: The provider refused the request', 1]);
});

for (const [type, how, alive, answer] of [
  ['openai-compatible', 'comments', ': PROCESSING\n\n', [chunk({ content: 'Here.' }, 'stop'), DONE]],
  ['openai-compatible', 'empty lines', '\n', [chunk({ content: 'Here.' }, 'stop'), DONE]],
  ['openai-compatible', 'empty events', chunk({ content: '' }), [chunk({ content: 'Here.' }, 'stop'), DONE]],
  ['openai-compatible', 'a long call', call({ id: 'a', function: { name: 'look', arguments: '' } }), [DONE]],
  ['anthropic', 'pings', event('ping'), [start, textBlock(0, 'Here.'), end('end_turn'), stop]],
] as const)
  test(`P22: ${type}: a provider that shows that it is alive is not ended as silent: ${how}`, async (t) => {
    const pause = { repeat: alive, times: 25, everyMs: 100 };
    const { ended } = await answerOf(t, type, [raw(pause, ...answer)], { provider: { stallMs: 2_000 } });
    t.is(ended, 'completed');
  });

test('P22: signs of life alone do not keep a run for ever, and the first token has a limit of its own', async (t) => {
  const type = 'openai-compatible';
  const forever = raw({ repeat: ': PROCESSING\n\n', times: 10_000, everyMs: 20 });
  const alive = await answerOf(t, type, [forever], { provider: { stallMs: 1_000 } });
  t.is(alive.ended, 'ENGINE_UNAVAILABLE: The model sent no output for 10000 ms');
  const first = await answerOf(t, type, [forever], { provider: { firstTokenMs: 1_000 } });
  t.is(first.ended, 'ENGINE_UNAVAILABLE: The model sent no output for 1000 ms');
  const silent = { repeat: '', times: 1, everyMs: 2_500 };
  const slow = await answerOf(t, type, [raw(silent, whole, chunk({}, 'stop'), DONE)], {
    provider: { stallMs: 1_000, firstTokenMs: 60_000 },
  });
  t.deepEqual([slow.ended, slow.items], ['completed', WHOLE]);
  const stalled = await answerOf(t, type, [raw(whole, HANG)], {
    provider: { stallMs: 1_000, firstTokenMs: 60_000 },
  });
  t.is(stalled.ended, 'ENGINE_UNAVAILABLE: The model sent no output for 1000 ms');
});
