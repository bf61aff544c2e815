import { createHash } from 'node:crypto';
import type { HttpAgent } from '@ag-ui/client';
import { type ErrorCode, RuntimeError, type RuntimePlugin } from '@worker-runtime/core';
import type { ScriptStep } from '@worker-runtime/core/testing';
import { logged, PLACES, type Place } from '@worker-runtime/test-facades/facade-scene';
import { rich, words } from '@worker-runtime/test-facades/facade-script';
import test from 'ava';
import { shownOf, start, take } from './scene.ts';

/** Resolves when the agent holds a message with this text. */
const holds = (agent: HttpAgent, text: string): Promise<void> =>
  new Promise((resolve) => {
    agent.subscribe({
      onMessagesChanged: ({ messages }) => {
        if (messages.some(({ content }) => content === text)) resolve();
      },
    });
  });

const say = (agent: HttpAgent, content: string): HttpAgent => {
  agent.addMessage({ id: `m-${agent.messages.length}`, role: 'user', content });
  return agent;
};

/** The entries that answer all interrupts of an agent. */
const answers = (agent: HttpAgent, payload: unknown) =>
  agent.pendingInterrupts.map(({ id }) => ({ interruptId: id, status: 'resolved' as const, payload }));

const inputOf = (messages: readonly unknown[], more: Readonly<Record<string, unknown>> = {}) => ({
  threadId: 't1',
  runId: 'r1',
  state: {},
  tools: [],
  context: [],
  forwardedProps: {},
  messages,
  ...more,
});
const hello = { id: 'm-0', role: 'user', content: 'hello' };

/** A fetch whose answers end after a number of events, as those of a lost connection do. */
const cutAfter = (send: typeof fetch, count: number): typeof fetch => {
  return async (url, init) => {
    const answer = await send(url, init);
    let left = count;
    const cut = new TransformStream<string, string>({
      transform(text, stream) {
        for (const frame of text.split(/(?<=\n\n)/)) {
          if (left <= 0) return stream.terminate();
          stream.enqueue(frame);
          if (frame.endsWith('\n\n')) left -= 1;
        }
        if (left <= 0) stream.terminate();
      },
    });
    const body = answer.body
      ?.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)
      .pipeThrough(cut)
      .pipeThrough(new TextEncoderStream());
    return new Response(body ?? null, answer);
  };
};

for (const place of PLACES) {
  test(`P80: a client sends, is interrupted, answers, and holds what the log has, ${place}`, async (t) => {
    const scene = await start(t, place, { hello: rich });
    const agent = scene.agent();
    for (const [payload, outcome] of [
      [{ approved: true }, undefined],
      [{ decision: 'no', note: 'not now' }, 'denied'],
    ] as const) {
      say(agent, 'hello');
      const asked = await take(agent);
      t.is(agent.pendingInterrupts.length, 1);
      const [interrupt] = agent.pendingInterrupts;
      t.is(interrupt?.message, 'Write the file?');
      t.regex(interrupt?.toolCallId ?? '', /:c2$/);
      t.deepEqual(asked.types.slice(0, 2), ['RUN_STARTED', 'MESSAGES_SNAPSHOT']);
      t.deepEqual(asked.types.slice(-2), ['STEP_FINISHED', 'RUN_FINISHED']);
      const rest = await take(agent, { resume: answers(agent, payload) });
      t.deepEqual(rest.end, { type: 'success' });
      t.is(agent.pendingInterrupts.length, 0);
      await scene.isSameAsLog(agent);
      const result = agent.messages.findLast(
        (message) => message.role === 'tool' && message.toolCallId === interrupt?.toolCallId,
      );
      t.is(result?.metadata?.outcome, outcome);
    }
    const { items } = await scene.runtime.events('ada', { types: ['request.resolved'] });
    t.deepEqual(
      items.map(({ data }) => 'note' in data && data.note),
      [false, 'not now'],
    );
  });

  test(`P80: a client that connects at any event of a run holds at its end what the log has, ${place}`, async (t) => {
    const gated = rich.flatMap((step, at): readonly ScriptStep[] => [
      { type: 'gate', gate: String(at) },
      step,
    ]);
    const scene = await start(t, place, { hello: gated });
    const agents = [say(scene.agent(), 'hello')];
    let taken = [take(agents[0] as HttpAgent)];
    await logged(scene, 0, 'run.started');
    for (const [at, step] of rich.entries()) {
      const { lastSeq } = await scene.runtime.getWorker('ada');
      const other = scene.agent();
      agents.push(other);
      const connected = new Promise<void>((resolve) => {
        other.subscribe({ onMessagesSnapshotEvent: () => resolve() });
      });
      taken.push(take(other));
      await connected;
      scene.engine.gate(String(at)).open();
      if ('type' in step && step.type === 'ask') {
        // all clients get the interrupt, one answers, and the others continue after the answer
        await Promise.all(taken);
        const [first] = agents as [HttpAgent];
        taken = [take(first, { resume: answers(first, { decision: 'yes' }) })];
        await logged(scene, lastSeq, 'request.resolved');
        for (const agent of agents.slice(1))
          taken.push(take(agent, { resume: answers(agent, { decision: 'no' }) }));
        continue;
      }
      if ('type' in step && (step.type === 'text' || step.type === 'reasoning')) continue;
      await logged(scene, lastSeq);
    }
    for (const { end } of await Promise.all(taken)) t.deepEqual(end, { type: 'success' });
    t.is(agents.length, rich.length + 1);
    for (const agent of agents) await scene.isSameAsLog(agent);
  });

  test(`P80: a client whose connection ends after any event connects again, and holds what the log has, ${place}`, async (t) => {
    const scene = await start(t, place, { hello: [...words('One ', 'two '), ...rich.slice(0, 7)] });
    const { types } = await take(say(scene.agent(), 'hello'));
    // the answers of later runs have another number of text events
    for (let count = 1; count <= types.length + 2; count++) {
      const { runtime } = scene;
      const agent = scene.agent(cutAfter(scene.fetch, count));
      const before = (await runtime.getWorker('ada')).lastSeq;
      agent.addMessage({ id: `cut-${count}`, role: 'user', content: 'hello' });
      await take(agent);
      const again = scene.agent();
      again.setMessages(agent.messages);
      t.deepEqual((await take(again)).end, { type: 'success' });
      await logged(scene, before, 'run.finished');
      await take(again);
      await scene.isSameAsLog(again);
    }
    // a repeated message is one input
    const { items } = await scene.runtime.events('ada', { types: ['input.accepted'], limit: 1_000 });
    t.is(items.length, types.length + 3);
  });

  test(`P80: a second tab continues in mid sentence, and an idle Worker shows its messages, ${place}`, async (t) => {
    const scene = await start(t, place, {
      hello: [...words('One ', 'two '), { type: 'gate', gate: 'more' }, ...words('three.')],
    });
    const idle = await take(scene.agent());
    t.deepEqual(idle, {
      types: ['RUN_STARTED', 'MESSAGES_SNAPSHOT', 'RUN_FINISHED'],
      end: { type: 'success' },
    });
    const first = scene.agent();
    const written = holds(first, 'One two ');
    const sent = take(say(first, 'hello'));
    await written;
    const second = scene.agent();
    const shown = holds(second, 'One two ');
    const resumed = take(second);
    await shown;
    // leaving a page leaves the run alone
    first.abortRun();
    // a request that Node makes for a handler may forget the signal, so its stream may last until the run ends
    void sent.catch(() => {});
    scene.engine.gate('more').open();
    t.deepEqual((await resumed).end, { type: 'success' });
    await scene.isSameAsLog(second);
  });

  test(`P23: a request that does not map is refused with a reason, ${place}`, async (t) => {
    const scene = await start(t, place, { hello: [{ type: 'hang' }] });
    const image = (source: unknown) => [{ ...hello, content: [{ type: 'image', source }] }];
    const cases: readonly (readonly [body: unknown, status: number, text: RegExp])[] = [
      [inputOf([hello], { temperature: 1 }), 400, /\/temperature is not known/],
      [inputOf([hello], { tools: [{ name: 'a', description: 'b' }] }), 400, /\/tools must be empty/],
      [inputOf([hello], { state: { a: 1 } }), 400, /\/state must be empty/],
      [inputOf([{ ...hello, colour: 'red' }]), 400, /\/messages\/0\/colour is not known/],
      [inputOf([{ ...hello, id: 'ümlaut' }]), 400, /\/messages\/0\/id/],
      [inputOf([{ ...hello, content: '' }]), 400, /\/messages\/0\/content/],
      [inputOf(image({ type: 'url', value: 'https://a.example/b' })), 400, /must be data in Base64/],
      [inputOf([null]), 400, /\/messages\/0 must be an object/],
      [inputOf([], { messages: 'hello' }), 400, /\/messages must be a list/],
      [inputOf([], { resume: [{ interruptId: 'a', status: 'maybe' }] }), 400, /\/resume\/0\/status/],
      [
        inputOf([], { resume: [{ interruptId: 'a', status: 'resolved', payload: { x: 1 } }] }),
        400,
        /payload\/x is not known/,
      ],
      [[], 400, /must be an object/],
      [inputOf([{ ...hello, content: 'x'.repeat(1_100_000) }]), 413, /PAYLOAD_TOO_LARGE/],
    ];
    for (const [body, status, text] of cases) {
      const answer = await scene.post(body);
      t.is(answer.status, status, String(text));
      t.regex(await answer.text(), text);
    }
    const large = inputOf([{ ...hello, content: 'x'.repeat(1_100_000) }]);
    const { details } = (await (await scene.post(large)).json()) as { readonly details: unknown };
    t.like(details, { limit: 'bodyBytes' });
    t.is((await scene.post(inputOf([hello]), 'nobody')).status, 404);
    const foreign = await scene.fetch(scene.url);
    t.is(foreign.status, 405);
    t.is(foreign.headers.get('allow'), 'POST');
    t.is((await scene.runtime.events('ada', { types: ['input.accepted'] })).items.length, 0);

    const open = await scene.post(inputOf([hello]));
    const busy = await scene.post(inputOf([{ ...hello, id: 'm-other' }]));
    t.is(busy.status, 409);
    t.regex(await busy.text(), /WORKER_BUSY/);
    await open.body?.cancel();
  });

  test(`an error has the status that it has in the HTTP API, ${place}`, async (t) => {
    const statuses = { STORE_FULL: 507, STORE_CORRUPT: 503, CONFIG_UNSUPPORTED: 422, BUNDLE_NOT_FOUND: 404 };
    let code: ErrorCode = 'INTERNAL';
    const refusing: RuntimePlugin = {
      name: 'refusing',
      apply: ({ hooks }) =>
        hooks.admit.tapPromise(async ({ type }) => {
          if (type === 'worker.input') throw new RuntimeError(code);
        }),
    };
    const scene = await start(t, place, {}, { plugins: [refusing] });
    for (const [refusal, status] of Object.entries(statuses)) {
      code = refusal as ErrorCode;
      t.is((await scene.post(inputOf([hello]))).status, status, code);
    }
  });

  test(`P19: a failure reaches the client as a code, without a foreign message, ${place}`, async (t) => {
    const scene = await start(t, place, {
      hello: [...words('Well, '), { type: 'throw', error: new Error('cannot read /srv/canary/token-4711') }],
      wait: [...words('Well, '), { type: 'hang' }],
    });
    const agent = scene.agent();
    const failed = await take(say(agent, 'hello'));
    t.regex(String(failed.end), /^ENGINE_FAILED: /);
    t.false(JSON.stringify([agent.messages, failed]).includes('canary'));
    await scene.isSameAsLog(agent);

    const waiting = scene.agent();
    await take(waiting);
    const sent = take(say(waiting, 'wait'));
    await logged(scene, (await scene.runtime.getWorker('ada')).lastSeq, 'run.started');
    await scene.runtime.cancelRun('ada', { reason: 'enough' });
    t.deepEqual((await sent).end, { type: 'cancelled' });
    await scene.isSameAsLog(waiting);
  });
}

test('P80: a question without kinds needs a decision, and a value is for its schema', async (t) => {
  const scene = await start(t, 'embedded', {
    hello: [
      {
        type: 'ask',
        question: { kind: 'question', prompt: 'Which colour?', options: ['red', 'blue'] },
        reply: ({ decision }) => words(`It is ${decision}.`),
      },
    ],
  });
  const agent = say(scene.agent(), 'hello');
  await take(agent);
  const [interrupt] = agent.pendingInterrupts;
  t.is(interrupt?.reason, 'question');
  const refused = await scene.post(inputOf(agent.messages, { resume: answers(agent, { approved: true }) }));
  t.is(refused.status, 400);
  t.regex(await refused.text(), /\\"red\\", \\"blue\\"/);
  await take(agent, { resume: answers(agent, { decision: 'blue' }) });
  t.is(agent.messages.at(-1)?.content, 'It is blue.');
  await scene.isSameAsLog(agent);
});

test('P80: text that the engine replaces is replaced at the client too', async (t) => {
  const scene = await start(t, 'embedded', {
    hello: [
      ...words('Draft'),
      { type: 'gate', gate: 'more' },
      { type: 'message', parts: [{ type: 'text', text: 'Final.' }] },
      ...words('And more.'),
    ],
  });
  const agent = say(scene.agent(), 'hello');
  const written = holds(agent, 'Draft');
  const sent = take(agent);
  await written;
  scene.engine.gate('more').open();
  await sent;
  await scene.isSameAsLog(agent);
});

test('P80: an input of another client is shown, and text in flight is kept', async (t) => {
  const scene = await start(t, 'embedded', {
    hello: [...words('One '), { type: 'gate', gate: 'more' }, ...words('two.')],
    next: words('Three.'),
  });
  const agent = say(scene.agent(), 'hello');
  const written = holds(agent, 'One ');
  const sent = take(agent);
  await written;
  await scene.runtime.sendInput('ada', { text: 'next', whenBusy: 'queue' });
  scene.engine.gate('more').open();
  t.deepEqual((await sent).end, { type: 'success' });
  t.deepEqual(shownOf(agent.messages), [
    ['user', 'hello'],
    ['user', 'next'],
    ['assistant', 'One two.'],
  ]);
});

test('P80: a client that missed the messages of another one gets them in the order of the log', async (t) => {
  const scene = await start(t, 'embedded', { hello: rich.slice(0, 7) });
  const tabs = [scene.agent(), scene.agent()] as const;
  // each tab holds messages that the other one lacks, and the first message of the second tab precedes all that it lacks
  for (const at of [0, 1, 0, 0, 1] as const) {
    const tab = tabs[at];
    tab.addMessage({ id: `tab-${at}-${tab.messages.length}`, role: 'user', content: 'hello' });
    t.deepEqual((await take(tab)).end, { type: 'success' });
    await scene.isSameAsLog(tab);
  }
});

test('files go to the Worker, and several messages are one input', async (t) => {
  const scene = await start(t, 'embedded', () => words('Seen.'));
  const png = Buffer.from('89504e470d0a1a0a', 'hex');
  const agent = say(scene.agent(), 'What is this?');
  agent.addMessage({
    id: 'm-1',
    role: 'user',
    content: [
      { type: 'image', source: { type: 'data', value: png.toString('base64'), mimeType: 'image/png' } },
    ],
  });
  t.deepEqual((await take(agent)).end, { type: 'success' });
  t.deepEqual(
    agent.messages.map(({ role }) => role),
    ['user', 'assistant'],
  );
  const parts = agent.messages[0]?.content as readonly { readonly source?: { readonly value: string } }[];
  const digest = parts[1]?.source?.value ?? '';
  t.deepEqual(Buffer.from((await scene.runtime.getFile('ada', digest)).bytes), png);
});

test('P22: a client that reads nothing delays no run and no other client', async (t) => {
  const scene = await start(t, 'embedded', {
    hello: Array.from({ length: 1_000 }, () => ({
      type: 'message',
      parts: [{ type: 'text', text: 'x'.repeat(1_000) }],
    })),
    next: words('next'),
  });
  const stalled = await scene.post(inputOf([hello]));
  await logged(scene, 0, 'run.finished');
  const agent = scene.agent();
  agent.addMessage({ id: 'm-next', role: 'user', content: 'next' });
  await take(agent);
  t.is(agent.messages.at(-1)?.content, 'next');
  await stalled.body?.cancel();
});

test('below a mount, a path with other segments than a route is not found', async (t) => {
  const scene = await start(t, 'mounted', { hello: words('hi') });
  for (const agent of ['ada/ada', 'other/ada', 'ada/'])
    t.is((await scene.post(inputOf([hello]), agent)).status, 404, agent);
  t.is((await scene.runtime.overview('ada')).inputs, 0);
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
  const send = (token: string, messages: readonly unknown[]) =>
    fetch(scene.url, {
      method: 'POST',
      body: JSON.stringify(inputOf(messages)),
      headers: { authorization: `Bearer ${token}` },
    });
  t.is((await send('e', [hello])).status, 403);
  t.is((await send('e', [])).status, 200);
  t.regex(await (await send('a', [hello])).text(), /"(delta|content)":"hi"/);
  const { items } = await scene.runtime.events('ada', { types: ['input.accepted'] });
  t.deepEqual(
    items.map(({ data }) => 'actor' in data && data.actor),
    ['ann'],
  );
});

const stopped = (place: Place) =>
  test(`P80: a client learns that the runtime stops in mid answer, ${place}`, async (t) => {
    const scene = await start(t, place, { hello: [...words('Well, '), { type: 'hang' }] });
    const agent = scene.agent();
    const written = holds(agent, 'Well, ');
    const sent = take(say(agent, 'hello'));
    await written;
    await scene.runtime.stop({ deadlineMs: 2_000 });
    t.regex(String((await sent).end), /^(EXECUTION_LOST|RUNTIME_STOPPING): /);
    t.is(agent.messages.at(-1)?.content, 'Well, ');
  });
stopped('embedded');
stopped('mounted');
