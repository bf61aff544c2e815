import type { ScriptStep } from '@worker-runtime/core/testing';
import { logged, PLACES, type Place } from '@worker-runtime/test-facades/facade-scene';
import { permission, words } from '@worker-runtime/test-facades/facade-script';
import test, { type ExecutionContext } from 'ava';
import { APIError, type OpenAI } from 'openai';
import { rich, start } from './scene.ts';

type Response = OpenAI.Responses.Response;
type StreamEvent = OpenAI.Responses.ResponseStreamEvent;

/** Returns what people see of an output, in one line for each item. */
const shown = ({ output }: Pick<Response, 'output'>): readonly string[] =>
  output.map((item) => {
    switch (item.type) {
      case 'message':
        return `text ${item.content.map((part) => (part.type === 'output_text' ? part.text : '')).join('')}`;
      case 'reasoning':
        return `reasoning ${(item.content ?? []).map(({ text }) => text).join('')}`;
      case 'mcp_call':
        return `call ${item.name} ${item.arguments} ${item.status} ${item.output ?? item.error}`;
      case 'mcp_approval_request':
        return `asks ${item.name} ${item.arguments}`;
      default:
        return item.type;
    }
  });

const BEFORE = [
  'reasoning I should read',
  'text Let me see.',
  'call read {"path":"notes"} completed {"lines":3}',
  'call list {} failed no such folder',
  'text Reading.',
  'call write {"path":"notes"} incomplete null',
  'asks write {"path":"notes"}',
];
const AFTER = ['call write {"path":"notes"} completed written', 'text All done 😀.'];

const collected = async (stream: AsyncIterable<StreamEvent>): Promise<readonly StreamEvent[]> => {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
};

/** Checks that a stream is in order, and that its texts are those of its response. Returns the response. */
const checked = (t: ExecutionContext, events: readonly StreamEvent[]): Response => {
  t.deepEqual(
    events.map(({ sequence_number: number }) => number),
    events.map(({ sequence_number: number }) => number).toSorted((a, b) => a - b),
  );
  const last = events.at(-1);
  if (last?.type !== 'response.completed') throw new Error(`The stream ended with ${last?.type}`);
  const { response } = last;
  const texts = new Map<string, string>();
  for (const event of events)
    if (event.type === 'response.output_text.delta' || event.type === 'response.reasoning_text.delta')
      texts.set(event.item_id, (texts.get(event.item_id) ?? '') + event.delta);
  for (const item of response.output) {
    if (item.type !== 'message' && item.type !== 'reasoning') continue;
    const [part] = item.content ?? [];
    t.is(texts.get(item.id), part && 'text' in part ? part.text : undefined);
  }
  return response;
};

const requestIn = ({ output }: Response): string => {
  const item = output.at(-1);
  return item?.type === 'mcp_approval_request' ? item.id : '';
};

const approve = (id: string, isApproved: boolean, reason?: string) => ({
  type: 'mcp_approval_response' as const,
  approval_request_id: id,
  approve: isApproved,
  ...(reason !== undefined && { reason }),
});

for (const place of PLACES) {
  test(`P79: a response is the run as the log has it, and a conversation continues, ${place}`, async (t) => {
    const scene = await start(t, place, { hello: words('Hi ', 'there'), more: words('More') });
    const { client, runtime } = scene;
    const response = await client.responses.create({ model: 'ada', input: 'hello' });
    t.like(response, {
      object: 'response',
      status: 'completed',
      model: 'ada',
      output_text: 'Hi there',
      error: null,
    });
    const conversation = response.conversation?.id ?? '';
    const next = await client.responses.create({
      conversation,
      previous_response_id: response.id,
      input: [{ role: 'user', content: [{ type: 'input_text', text: 'more' }] }],
    });
    t.is(next.output_text, 'More');
    t.deepEqual(shown(await client.responses.retrieve(response.id)), shown(response));
    t.deepEqual(shown(await client.responses.retrieve(next.id)), ['text More']);
    const { items } = await runtime.transcript('ada');
    t.deepEqual(
      items.map(({ parts }) => (parts[0]?.type === 'text' ? parts[0].text : '')),
      ['hello', 'Hi there', 'more', 'More'],
    );
    // the conversation cannot go back
    await t.throwsAsync(
      client.responses.create({ model: 'ada', previous_response_id: response.id, input: 'hello' }),
      { message: /cannot go back/ },
    );
  });

  test(`P79: a stream asks for approval, and the next response continues the run, ${place}`, async (t) => {
    const scene = await start(t, place, { hello: rich });
    const { client } = scene;
    for (const isApproved of [true, false]) {
      const first = client.responses.stream({ model: 'ada', input: 'hello' });
      const asked = await first.finalResponse();
      t.deepEqual(shown(asked), BEFORE);
      t.like(asked, {
        status: 'completed',
        usage: { input_tokens: 10, input_tokens_details: { cached_tokens: 4 } },
      });
      const next = client.responses.stream({
        model: 'ada',
        previous_response_id: asked.id,
        input: [approve(requestIn(asked), isApproved)],
      });
      const answered = await next.finalResponse();
      const call = isApproved ? AFTER[0] : 'call write {"path":"notes"} failed refused';
      t.deepEqual(shown(answered), [call, AFTER[1]]);
      t.like(answered, {
        status: 'completed',
        usage: { input_tokens: 20, output_tokens: 7, total_tokens: 27 },
      });
      t.like(answered.output[0], { approval_request_id: requestIn(asked) });
      for (const one of [asked, answered])
        t.deepEqual(shown(await client.responses.retrieve(one.id)), shown(one));
    }
  });

  test(`P79: a client that resumes at any event of a run has at the end what the log has, ${place}`, async (t) => {
    const gated = rich.flatMap((step, at): readonly ScriptStep[] => [
      { type: 'gate', gate: String(at) },
      step,
    ]);
    const scene = await start(t, place, { hello: gated });
    const { client } = scene;
    const { id } = await client.responses.create({ model: 'ada', input: 'hello', background: true });
    const first = collected(await client.responses.retrieve(id, { stream: true }));
    const others: Promise<readonly StreamEvent[]>[] = [];
    let next: Promise<readonly StreamEvent[]> | null = null;
    let nextId = '';
    for (const [at, step] of rich.entries()) {
      const { lastSeq } = await scene.runtime.getWorker('ada');
      others.push(collected(await client.responses.retrieve(nextId || id, { stream: true })));
      scene.engine.gate(String(at)).open();
      if ('type' in step && step.type === 'ask') {
        await logged(scene, lastSeq, 'request.opened');
        const asked = checked(t, await first);
        const stream = await client.responses.create({
          model: 'ada',
          previous_response_id: id,
          input: [approve(requestIn(asked), true)],
          stream: true,
        });
        const events = stream[Symbol.asyncIterator]();
        const { value: created } = await events.next();
        nextId = created?.type === 'response.created' ? created.response.id : '';
        next = collected({ [Symbol.asyncIterator]: () => events }).then((rest) => [created, ...rest]);
        await logged(scene, lastSeq, 'request.resolved');
      } else if ('type' in step && step.type !== 'text' && step.type !== 'reasoning')
        await logged(scene, lastSeq);
    }
    const parts = [
      { responseId: id, live: await first, items: BEFORE },
      { responseId: nextId, live: (await next) ?? [], items: AFTER },
    ];
    for (const { live, items } of parts) t.deepEqual(shown(checked(t, live)), items);
    for (const events of await Promise.all(others)) {
      const response = checked(t, events);
      t.deepEqual(shown(response), parts.find(({ responseId }) => responseId === response.id)?.items);
    }
    // the numbers of one stream continue in any other
    for (const { responseId, live } of parts)
      for (const { sequence_number: number } of live) {
        const rest = await collected(
          await client.responses.retrieve(responseId, { stream: true, starting_after: number }),
        );
        const had = live.filter((event) => event.sequence_number <= number);
        if (rest.length > 0) checked(t, [...had, ...rest]);
        const kinds = (events: readonly StreamEvent[]) =>
          events.flatMap(({ type, sequence_number: at }) =>
            type.endsWith('.delta') ? [] : [`${at} ${type}`],
          );
        t.deepEqual(kinds([...had, ...rest]), kinds(live));
      }
  });

  test(`P79: a response in the background is polled and cancelled, ${place}`, async (t) => {
    const scene = await start(t, place, { hello: [...words('Well, '), { type: 'hang' }] });
    const { client } = scene;
    const begun = await client.responses.create({ model: 'ada', input: 'hello', background: true });
    t.is(begun.status, 'in_progress');
    const stream = await client.responses.retrieve(begun.id, { stream: true });
    const events: StreamEvent[] = [];
    for await (const event of stream) {
      events.push(event);
      if (event.type !== 'response.output_text.delta') continue;
      t.is((await client.responses.retrieve(begun.id)).status, 'in_progress');
      const cancelled = await client.responses.cancel(begun.id);
      t.is(cancelled.status, 'cancelled');
      t.deepEqual(shown(cancelled), ['text Well, ']);
    }
    t.like(events.at(-1), { type: 'response.incomplete', response: { status: 'cancelled' } });
    t.is((await client.responses.cancel(begun.id)).status, 'cancelled');
    t.is((await scene.runtime.getWorker('ada')).status, 'idle');
  });

  test(`P79: a parameter of what the server owns is refused, ${place}`, async (t) => {
    const scene = await start(t, place, { hello: words('hi'), wait: [{ type: 'hang' }] });
    const { client } = scene;
    const ask = { model: 'ada', input: 'hello' };
    const user = { role: 'user', content: 'hello' };
    const cases: readonly (readonly [path: string, body: unknown, status: number, param: string | null])[] = [
      ['/responses', { ...ask, temperature: 0.5 }, 400, 'temperature'],
      ['/responses', { ...ask, instructions: 'be brief' }, 400, 'instructions'],
      ['/responses', { ...ask, tools: [{ type: 'web_search' }] }, 400, 'tools'],
      ['/responses', { ...ask, store: false }, 400, 'store'],
      ['/responses', { ...ask, anything: 1 }, 400, 'anything'],
      ['/responses', { ...ask, stream: 'yes' }, 400, 'stream'],
      ['/responses', { ...ask, conversation: 'conv_bob' }, 400, 'model'],
      ['/responses', { ...ask, input: [{ role: 'system', content: 'x' }] }, 400, 'input.0'],
      ['/responses', { ...ask, input: [{ role: 'assistant', content: 'x' }] }, 400, 'input.0'],
      ['/responses', { ...ask, input: [] }, 400, 'input'],
      ['/responses', { input: 'hello' }, 400, 'model'],
      [
        '/responses',
        {
          ...ask,
          input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'https://a.example/b' }] }],
        },
        400,
        'input.0.content.0.image_url',
      ],
      ['/responses', { ...ask, model: 'nobody' }, 404, null],
      ['/responses', { ...ask, previous_response_id: 'resp_x' }, 404, null],
      ['/responses', { ...ask, input: [approve('request-none', true)] }, 404, null],
      ['/responses', '{', 400, null],
      ['/chat/completions', { model: 'ada', messages: [user], n: 2 }, 400, 'n'],
      [
        '/chat/completions',
        { model: 'ada', messages: [{ role: 'system', content: 'x' }, user] },
        400,
        'messages.0.role',
      ],
      [
        '/chat/completions',
        { model: 'ada', messages: [user, { role: 'assistant', content: 'x' }] },
        400,
        'messages.1.role',
      ],
      ['/chat/completions', { model: 'ada', messages: [] }, 400, 'messages'],
      ['/embeddings', ask, 404, null],
    ];
    for (const [path, body, status, param] of cases) {
      const answer = await scene.send(path, body);
      t.is(answer.status, status, JSON.stringify(body));
      const { error } = (await answer.json()) as {
        readonly error: { readonly param: string | null; readonly code: string };
      };
      t.is(error.param, param, JSON.stringify(body));
      t.regex(error.code, /^[A-Z_]+$/);
    }
    // values that ask for nothing are no reason to refuse
    const neutral = {
      temperature: null,
      tools: [],
      store: true,
      truncation: 'disabled',
      parallel_tool_calls: true,
    };
    t.is((await scene.send('/responses', { ...ask, ...neutral })).status, 200);
    t.is((await scene.send('/responses', { ...ask, input: 'x'.repeat(1_100_000) })).status, 413);

    await client.responses.create({ model: 'ada', input: 'wait', background: true });
    const busy = await t.throwsAsync(client.responses.create(ask), { instanceOf: APIError });
    t.is(busy?.status, 409);
    t.is(busy?.code, 'WORKER_BUSY');
    await t.throwsAsync(client.responses.retrieve('resp_ada.run-none.0'), { message: /RUN_NOT_FOUND/ });
    await t.throwsAsync(client.responses.delete('resp_ada.run-none.0'), { message: /METHOD_NOT_ALLOWED/ });
  });

  test(`P19: a failure reaches the client as a code, without a foreign message, ${place}`, async (t) => {
    const scene = await start(t, place, {
      hello: [...words('Well, '), { type: 'throw', error: new Error('cannot read /srv/canary/token-4711') }],
    });
    const { client } = scene;
    const failed = await client.responses.create({ model: 'ada', input: 'hello' });
    t.like(failed, { status: 'failed', output_text: 'Well, ' });
    t.regex(failed.error?.message ?? '', /^ENGINE_FAILED: /);
    t.false(JSON.stringify(failed).includes('canary'));
    const events = await collected(
      await client.responses.create({ model: 'ada', input: 'hello', stream: true }),
    );
    t.is(events.at(-1)?.type, 'response.failed');
    t.false(JSON.stringify(events).includes('canary'));
  });
}

test('P79: text in flight while a call is recorded is complete at the end of each stream', async (t) => {
  const scene = await start(t, 'embedded', {
    hello: [
      ...words('One '),
      { type: 'tool-call', call: 'c', name: 'read', input: null },
      ...words('two'),
      { type: 'message' },
      { type: 'tool-result', call: 'c', output: 'done' },
    ],
  });
  const { client } = scene;
  const response = await client.responses.stream({ model: 'ada', input: 'hello' }).finalResponse();
  const again = await client.responses.stream({ response_id: response.id }).finalResponse();
  t.deepEqual(shown(response), ['call read null completed done', 'text One two']);
  t.deepEqual(shown(again), shown(response));
});

test('P79: a question without a call takes an option by the reason, and an answer given elsewhere counts', async (t) => {
  const scene = await start(t, 'embedded', {
    colour: [
      {
        type: 'ask',
        question: { kind: 'question', prompt: 'Which colour?', options: ['red', 'blue'] },
        reply: ({ decision }) => words(`It is ${decision}.`),
      },
    ],
    two: [
      { type: 'tool-call', call: 'a', name: 'write', input: 1 },
      permission('a', (decision) => [{ type: 'tool-result', call: 'a', output: decision }]),
      ...words('done'),
    ],
  });
  const { client, runtime } = scene;
  const asked = await client.responses.create({ model: 'ada', input: 'colour' });
  t.regex(shown(asked)[0] ?? '', /^asks question \{"prompt":"Which colour\?"/);
  const input = (reason?: string) => ({ model: 'ada', input: [approve(requestIn(asked), true, reason)] });
  await t.throwsAsync(client.responses.create(input()), { message: /"red", "blue"/ });
  t.is((await client.responses.create(input('blue'))).output_text, 'It is blue.');

  const other = await client.responses.create({ model: 'ada', input: 'two' });
  await runtime.respond('ada', requestIn(other), { decision: 'no' });
  const answered = await client.responses.create({
    model: 'ada',
    previous_response_id: other.id,
    input: [approve(requestIn(other), true)],
  });
  t.deepEqual(shown(answered), ['call write 1 completed no', 'text done']);
});

test('P22: a client that reads nothing delays no run, and its stream holds no more than one frame', async (t) => {
  const scene = await start(t, 'embedded', {
    hello: Array.from({ length: 2_000 }, () => ({
      type: 'message',
      parts: [{ type: 'text', text: 'x'.repeat(1_000) }],
    })),
    next: words('next'),
  });
  const stalled = await scene.send('/responses', { model: 'ada', input: 'hello', stream: true });
  await logged(scene, 0, 'run.finished');
  t.is((await scene.client.responses.create({ model: 'ada', input: 'next' })).output_text, 'next');
  const reader = stalled.body?.getReader();
  const { value } = (await reader?.read()) ?? {};
  t.regex(Buffer.from(value ?? []).toString(), /^event: response\.created\n/);
  await reader?.cancel();
});

const stopped = (place: Place) =>
  test(`P79: a client learns that the runtime stops in mid answer, ${place}`, async (t) => {
    const scene = await start(t, place, { hello: [...words('Well, '), { type: 'hang' }] });
    const stream = await scene.client.responses.create({ model: 'ada', input: 'hello', stream: true });
    let stopping: Promise<unknown> = Promise.resolve();
    let last: StreamEvent | null = null;
    let failure: unknown = null;
    try {
      for await (const event of stream) {
        last = event;
        if (event.type === 'response.output_text.delta') stopping = scene.runtime.stop({ deadlineMs: 2_000 });
      }
    } catch (error) {
      failure = error;
    }
    await stopping;
    const end = JSON.stringify([last, failure instanceof Error ? failure.message : null]);
    t.regex(end, /EXECUTION_LOST|RUNTIME_STOPPING/);
  });
stopped('embedded');
stopped('mounted');
