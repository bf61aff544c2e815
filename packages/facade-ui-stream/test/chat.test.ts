import { createHash } from 'node:crypto';
import type { ScriptStep } from '@worker-runtime/core/testing';
import { logged, PLACES, type Place } from '@worker-runtime/test-facades/facade-scene';
import { permission, rich, words } from '@worker-runtime/test-facades/facade-script';
import test, { type ExecutionContext } from 'ava';
import { type HeadlessChat, shownOf, textOf } from './headless-chat.ts';
import { type Scene, start } from './scene.ts';

const isSameAsLog = async (t: ExecutionContext, scene: Scene, chat: HeadlessChat): Promise<void> => {
  const history = await scene.open();
  t.deepEqual(shownOf(chat.lastMessage), shownOf(history.lastMessage));
  t.is(chat.lastMessage?.id, history.lastMessage?.id);
  t.is(chat.messages.length, history.messages.length);
};

for (const place of PLACES) {
  test(`P71: useChat sends, asks and continues the same message, ${place}`, async (t) => {
    const scene = await start(t, place, { hello: rich });
    for (const [approved, state] of [
      [true, 'output-available'],
      [false, 'output-denied'],
    ] as const) {
      const chat = await scene.open();
      const before = chat.messages.length;
      await chat.sendMessage({ text: 'hello' });
      await chat.asks();
      t.is(chat.messages.length, before + 2);
      await chat.addToolApprovalResponse({ id: chat.approvals[0] ?? '', approved });
      await chat.when(
        () => textOf(chat.lastMessage) === 'Let me see.All done 😀.' && chat.status === 'ready',
      );
      t.is(chat.error, undefined);
      t.is(chat.messages.length, before + 2);
      const call = chat.lastMessage?.parts.find(
        (part) => part.type === 'dynamic-tool' && part.toolCallId === 'c2',
      );
      t.is(call?.type === 'dynamic-tool' ? call.state : null, state);
      await isSameAsLog(t, scene, chat);
    }
  });

  test(`P71: a client that resumes at any event of a run has at the end what the log has, ${place}`, async (t) => {
    const gated = rich.flatMap((step, at): readonly ScriptStep[] => [
      { type: 'gate', gate: String(at) },
      step,
    ]);
    const scene = await start(t, place, { hello: gated });
    const first = await scene.open();
    const sent = first.sendMessage({ text: 'hello' });
    await logged(scene, 0, 'run.started');
    const others: HeadlessChat[] = [];
    const resumed: Promise<void>[] = [];
    for (const [at, step] of rich.entries()) {
      const { lastSeq } = await scene.runtime.getWorker('ada');
      const other = await scene.open();
      others.push(other);
      resumed.push(other.resumeStream());
      await other.when(() => other.lastMessage?.role === 'assistant');
      scene.engine.gate(String(at)).open();
      if ('type' in step && step.type === 'ask') {
        await Promise.all([first, ...others].map((chat) => chat.asks()));
        await first.addToolApprovalResponse({ id: first.approvals[0] ?? '', approved: true });
        await logged(scene, lastSeq, 'request.resolved');
        // the pages of the other tabs ended at the question, and continue in the same way
        for (const chat of others) resumed.push(chat.resumeStream());
        continue;
      }
      if ('type' in step && (step.type === 'text' || step.type === 'reasoning')) continue;
      await logged(scene, lastSeq);
    }
    await sent;
    await first.when(() => first.status === 'ready' && textOf(first.lastMessage).endsWith('done 😀.'));
    await Promise.all(resumed);
    t.is(others.length, rich.length);
    for (const chat of [first, ...others]) {
      t.is(chat.error, undefined);
      await isSameAsLog(t, scene, chat);
    }
  });

  test(`P71: a second tab continues in mid sentence, and an idle Worker has nothing to resume, ${place}`, async (t) => {
    const scene = await start(t, place, {
      hello: [...words('One ', 'two '), { type: 'gate', gate: 'more' }, ...words('three.')],
    });
    const first = await scene.open();
    await first.resumeStream();
    t.is(first.status, 'ready');
    t.is((await scene.fetch(`${scene.url}/ada/stream`)).status, 204);
    const sent = first.sendMessage({ text: 'hello' });
    await first.shows('One two ');
    const second = await scene.open();
    const resumed = second.resumeStream();
    await second.shows('One two ');
    // leaving a page leaves the run alone
    await first.stop();
    await sent;
    scene.engine.gate('more').open();
    await resumed;
    t.is(textOf(second.lastMessage), 'One two three.');
    await isSameAsLog(t, scene, second);
  });

  test(`P71: a run that ends between the messages and the resume is not missed, ${place}`, async (t) => {
    const scene = await start(t, place, {
      hello: [...words('One ', 'two '), { type: 'gate', gate: 'more' }, ...words('three.')],
    });
    const { runId } = await scene.runtime.sendInput('ada', { text: 'hello' });
    const chat = await scene.open();
    t.deepEqual(
      chat.messages.map(({ role }) => role),
      ['user'],
    );
    scene.engine.gate('more').open();
    await scene.runtime.waitForRun('ada', runId, { waitMs: 60_000 });
    await chat.resumeStream();
    t.is(textOf(chat.lastMessage), 'One two three.');
    await isSameAsLog(t, scene, chat);
    t.is((await scene.fetch(`${scene.url}/ada/stream?run=run_none`)).status, 404);
  });

  test(`P71: a request that does not map is refused with a reason, ${place}`, async (t) => {
    const scene = await start(t, place, { hello: [{ type: 'hang' }] });
    const user = { id: 'm1', role: 'user', parts: [{ type: 'text', text: 'hello' }] };
    const cases: readonly (readonly [body: unknown, status: number, text: RegExp])[] = [
      [{ id: 'ada', messages: [user], temperature: 1 }, 400, /\/temperature is not known/],
      [{ id: 'ada', messages: [user], trigger: 'regenerate-message' }, 400, /does not repeat/],
      [{ id: 'ada', messages: [] }, 400, /\/messages must be a list/],
      [{ id: 'ada', messages: [{ ...user, id: 'ümlaut' }] }, 400, /\/messages\/0\/id/],
      [
        {
          id: 'ada',
          messages: [
            { ...user, parts: [{ type: 'file', mediaType: 'image/png', url: 'https://a.example/b' }] },
          ],
        },
        400,
        /data URL/,
      ],
      [
        { id: 'ada', messages: [{ id: 'run-1', role: 'assistant', parts: [] }] },
        400,
        /no answer to a request/,
      ],
      [[], 400, /must be an object/],
      [{ id: 'nobody', messages: [user] }, 404, /WORKER_NOT_FOUND/],
    ];
    for (const [body, status, text] of cases) {
      const answer = await scene.post(body);
      t.is(answer.status, status, JSON.stringify(body));
      t.regex(await answer.text(), text);
    }
    const refused = (await (await scene.post({ id: 'ada', messages: [] })).json()) as {
      readonly details: unknown;
    };
    t.deepEqual(refused.details, {
      issues: [{ pointer: '/messages', message: 'must be a list with a message' }],
    });
    const foreign = await scene.fetch(scene.url, { method: 'DELETE' });
    t.is(foreign.status, 405);
    t.is(foreign.headers.get('allow'), 'GET, POST');
    // the router of a server refuses it too
    t.is((await scene.fetch(`${scene.url}/%ff/stream`)).status, place === 'mounted' ? 400 : 404);
    t.is(
      (
        await scene.post({
          id: 'ada',
          messages: [{ ...user, parts: [{ type: 'text', text: 'x'.repeat(1_100_000) }] }],
        })
      ).status,
      413,
    );

    const chat = await scene.open();
    void chat.sendMessage({ text: 'hello' });
    await chat.when(() => chat.lastMessage?.role === 'assistant');
    const busy = await scene.open();
    await busy.sendMessage({ text: 'hello' });
    t.is(busy.status, 'error');
    t.regex(busy.error?.message ?? '', /WORKER_BUSY/);
    await chat.stop();
  });

  test(`P19: a failure reaches the client as a code, without a foreign message, ${place}`, async (t) => {
    const scene = await start(t, place, {
      hello: [...words('Well, '), { type: 'throw', error: new Error('cannot read /srv/canary/token-4711') }],
      wait: [...words('Well, '), { type: 'hang' }],
    });
    const chat = await scene.open();
    await chat.sendMessage({ text: 'hello' });
    t.is(chat.status, 'error');
    t.regex(chat.error?.message ?? '', /^ENGINE_FAILED: /);
    t.false(JSON.stringify([chat.messages, chat.error?.message]).includes('canary'));
    t.is(textOf(chat.lastMessage), 'Well, ');

    const waiting = await scene.open();
    const sent = waiting.sendMessage({ text: 'wait' });
    await waiting.when(() => waiting.messages.length === 4 && textOf(waiting.lastMessage) === 'Well, ');
    await scene.runtime.cancelRun('ada', { reason: 'enough' });
    await sent;
    t.is(waiting.status, 'ready');
  });
}

test('P71: two requests of calls at the same time are answered one by one', async (t) => {
  const scene = await start(t, 'embedded', {
    hello: [
      { type: 'tool-call', call: 'a', name: 'write', input: 1 },
      { type: 'tool-call', call: 'b', name: 'write', input: 2 },
      permission('a', () => [{ type: 'tool-result', call: 'a', output: 'A' }]),
      permission('b', () => [{ type: 'tool-result', call: 'b', output: 'B' }]),
      ...words('done'),
    ],
  });
  const chat = await scene.open();
  await chat.sendMessage({ text: 'hello' });
  await chat.asks();
  const [first = ''] = chat.approvals;
  // the call that has not asked yet is in progress for the client, so its helper waits: the page sends by itself
  await chat.addToolApprovalResponse({ id: first, approved: true });
  await chat.sendMessage();
  await chat.asks();
  await chat.addToolApprovalResponse({ id: chat.approvals[0] ?? '', approved: true });
  await chat.when(() => textOf(chat.lastMessage) === 'done' && chat.status === 'ready');
  await isSameAsLog(t, scene, chat);
});

test('P71: a question without a call is a call of its own, and its answer is named by the reason', async (t) => {
  const scene = await start(t, 'embedded', {
    hello: [
      {
        type: 'ask',
        question: { kind: 'question', prompt: 'Which colour?', options: ['red', 'blue'] },
        reply: ({ decision }) => words(`It is ${decision}.`),
      },
    ],
  });
  const chat = await scene.open();
  await chat.sendMessage({ text: 'hello' });
  await chat.asks();
  const id = chat.approvals[0] ?? '';
  const answered = {
    ...chat.lastMessage,
    parts: [{ type: 'dynamic-tool', state: 'approval-responded', approval: { id, approved: true } }],
  };
  const refused = await scene.post({ id: 'ada', messages: [answered] });
  t.is(refused.status, 400);
  t.regex(await refused.text(), /\\"red\\", \\"blue\\"/);
  await chat.addToolApprovalResponse({ id, approved: true, reason: 'blue' });
  await chat.when(() => textOf(chat.lastMessage) === 'It is blue.' && chat.status === 'ready');
  await isSameAsLog(t, scene, chat);
});

test('P71: an answer of another client is in the stream of the tab that answers later', async (t) => {
  const scene = await start(t, 'embedded', { hello: rich });
  const chat = await scene.open();
  await chat.sendMessage({ text: 'hello' });
  await chat.asks();
  const [requestId = ''] = chat.approvals;
  await scene.runtime.respond('ada', requestId, { decision: 'no' });
  await chat.addToolApprovalResponse({ id: requestId, approved: true });
  await chat.when(
    () =>
      textOf(chat.lastMessage).endsWith('.') &&
      chat.status === 'ready' &&
      chat.approvals.length === 0 &&
      textOf(chat.lastMessage).includes('done'),
  );
  await isSameAsLog(t, scene, chat);
});

test('files go to the Worker, and a repeated message gets the same run', async (t) => {
  const scene = await start(t, 'embedded', () => words('Seen.'));
  const png = Buffer.from('89504e470d0a1a0a', 'hex');
  const message = {
    id: 'm-1',
    role: 'user',
    parts: [
      { type: 'text', text: 'What is this?' },
      {
        type: 'file',
        mediaType: 'image/png',
        filename: 'a.png',
        url: `data:image/png;base64,${png.toString('base64')}`,
      },
    ],
  };
  const texts = [];
  for (let count = 0; count < 2; count++)
    texts.push(await (await scene.post({ id: 'ada', messages: [message] })).text());
  t.is(texts[0]?.match(/"messageId":"([^"]+)"/)?.[1], texts[1]?.match(/"messageId":"([^"]+)"/)?.[1]);
  const { messages } = await scene.open();
  t.deepEqual(
    messages.map(({ role, id }) => [role, id === 'm-1']),
    [
      ['user', true],
      ['assistant', false],
    ],
  );
  const [, part] = messages[0]?.parts ?? [];
  const { digest } = (part as unknown as { readonly data: { readonly digest: string } }).data;
  t.deepEqual(Buffer.from((await scene.runtime.getFile('ada', digest)).bytes), png);
});

test('P22: a client that reads nothing delays no run, and its stream holds no more than one frame', async (t) => {
  const scene = await start(t, 'embedded', {
    hello: Array.from({ length: 2_000 }, () => ({
      type: 'message',
      parts: [{ type: 'text', text: 'x'.repeat(1_000) }],
    })),
    next: words('next'),
  });
  const stalled = await scene.post({
    id: 'ada',
    messages: [{ id: 'm1', role: 'user', parts: [{ type: 'text', text: 'hello' }] }],
  });
  await logged(scene, 0, 'run.finished');
  const chat = await scene.open();
  await chat.sendMessage({ text: 'next' });
  t.is(textOf(chat.lastMessage), 'next');
  await stalled.body?.cancel();
});

test('below a mount, a path with other segments than a route is not found', async (t) => {
  const scene = await start(t, 'mounted', { hello: words('hi') });
  for (const path of ['/ada/stream/ada', '/other/ada', '/ada/', ''])
    t.is((await fetch(scene.url + path)).status, 404, path);
  const body = JSON.stringify({
    id: 'ada',
    messages: [{ id: 'm1', role: 'user', parts: [{ type: 'text', text: 'hello' }] }],
  });
  t.is((await fetch(`${scene.url}/ada`, { method: 'POST', body })).status, 404);
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
  const body = JSON.stringify({
    id: 'ada',
    messages: [{ id: 'm1', role: 'user', parts: [{ type: 'text', text: 'hello' }] }],
  });
  const send = (token: string) =>
    fetch(scene.url, { method: 'POST', body, headers: { authorization: `Bearer ${token}` } });
  t.is((await send('e')).status, 403);
  t.regex(await (await send('a')).text(), /"delta":"hi"/);
  const { items } = await scene.runtime.events('ada', { types: ['input.accepted'] });
  t.deepEqual(
    items.map(({ data }) => 'actor' in data && data.actor),
    ['ann'],
  );
});

const stopped = (place: Place) =>
  test(`P71: a client learns that the runtime stops in mid answer, ${place}`, async (t) => {
    const scene = await start(t, place, { hello: [...words('Well, '), { type: 'hang' }] });
    const chat = await scene.open();
    const sent = chat.sendMessage({ text: 'hello' });
    await chat.shows('Well, ');
    await scene.runtime.stop({ deadlineMs: 2_000 });
    await sent;
    t.is(chat.status, 'error');
    t.regex(chat.error?.message ?? '', /^(EXECUTION_LOST|RUNTIME_STOPPING): /);
    t.is(textOf(chat.lastMessage), 'Well, ');
  });
stopped('embedded');
stopped('mounted');
