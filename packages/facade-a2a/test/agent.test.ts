import { createHash } from 'node:crypto';
import {
  RequestMalformedError,
  TaskNotCancelableError,
  TaskNotFoundError,
  UnsupportedOperationError,
} from '@a2a-js/sdk/errors';
import { PLACES } from '@worker-runtime/test-facades/facade-scene';
import { permission, words } from '@worker-runtime/test-facades/facade-script';
import test from 'ava';
import {
  clientOf,
  dataMessage,
  Held,
  held,
  logged,
  RICH_TEXTS,
  rich,
  sending,
  start,
  stateOf,
  taskIn,
  textMessage,
  textsOf,
  textsOfLog,
  withToken,
} from './scene.ts';

const byId = (id: string) => ({ tenant: '', id });

/** Returns the data of the question that a task asks. */
const questionOf = (task: unknown): Readonly<Record<string, unknown>> => {
  const { status } = task as {
    readonly status: {
      readonly message: { readonly parts: readonly { readonly content: { readonly value: unknown } }[] };
    };
  };
  return status.message.parts[1]?.content.value as Readonly<Record<string, unknown>>;
};

for (const place of PLACES) {
  test(`P83: a message is a task, with the artifacts and the history of the log, ${place}`, async (t) => {
    const { client, runtime, url } = await start(t, place, {
      hello: [{ type: 'reasoning', text: 'Hm' }, ...words('Hi ', 'there')],
      more: words('More'),
    });
    const card = await client.getAgentCard();
    t.like(card, { name: 'Ada', capabilities: { streaming: true, pushNotifications: false } });
    t.is(card.supportedInterfaces[0]?.url, url);
    const task = taskIn(await client.sendMessage(textMessage('hello', { messageId: 'mine' })));
    t.deepEqual([stateOf(task), task.contextId, ...textsOf(task)], ['COMPLETED', 'ada', 'Hi there']);
    t.deepEqual(
      task.history?.map(({ messageId, role }) => [messageId, role]),
      [['mine', 1]],
    );
    t.deepEqual(await client.getTask(byId(task.id)), task);
    t.deepEqual((await client.getTask({ ...byId(task.id), historyLength: 0 })).history, []);
    // a repeated message is the same task
    t.is(taskIn(await client.sendMessage(textMessage('hello', { messageId: 'mine' }))).id, task.id);
    const streamed = await held(client.sendMessageStream(textMessage('more')));
    t.deepEqual([streamed.state, ...streamed.texts], ['COMPLETED', 'More']);
    const { tasks, totalSize, nextPageToken } = await client.listTasks({
      tenant: '',
      contextId: 'ada',
      status: 0,
      pageToken: '',
      pageSize: 1,
      statusTimestampAfter: undefined,
      includeArtifacts: true,
    });
    t.deepEqual([tasks.map(({ id }) => id), totalSize], [[streamed.id], 2]);
    const rest = await client.listTasks({
      tenant: '',
      contextId: '',
      status: 0,
      pageToken: nextPageToken,
      statusTimestampAfter: undefined,
    });
    t.deepEqual([rest.tasks.map(({ id }) => id), rest.nextPageToken], [[task.id], '']);
    t.is((await runtime.overview('ada')).inputs, 2);
  });

  for (const decision of ['yes', 'no'] as const)
    test(`P83: a task asks, and continues with the answer of its client, ${decision}, ${place}`, async (t) => {
      const { client, runtime } = await start(t, place, { go: rich });
      const asked = await held(client.sendMessageStream(textMessage('go')));
      t.deepEqual([asked.state, ...asked.texts], ['INPUT_REQUIRED', ...RICH_TEXTS.slice(0, 2)]);
      t.like(questionOf(asked.task), {
        kind: 'permission',
        call: { name: 'write', input: { path: 'notes' } },
      });
      await t.throwsAsync(client.sendMessage(textMessage('perhaps', { taskId: asked.id })), {
        instanceOf: RequestMalformedError,
        message: /"yes", "no"/,
      });
      const answer =
        decision === 'yes'
          ? textMessage('write', { taskId: asked.id })
          : dataMessage({ approved: false, note: 'not today' }, { taskId: asked.id });
      const done = await held(client.sendMessageStream(answer));
      t.deepEqual([done.id, done.state, ...done.texts], [asked.id, 'COMPLETED', ...RICH_TEXTS]);
      const { items } = await runtime.events('ada', { types: ['request.resolved'] });
      t.like(items[0]?.data, decision === 'yes' ? { decision } : { decision, note: 'not today' });
      t.is(done.task?.history?.length, 3);
      await t.throwsAsync(client.sendMessage(answer), { instanceOf: UnsupportedOperationError });
    });

  test(`P83: a client that subscribes at any event of a run holds at its end what the log has, ${place}`, async (t) => {
    const { client, runtime } = await start(t, place, { go: rich });
    const { runId } = await runtime.sendInput('ada', { text: 'go' });
    const joined: Promise<Held>[] = [];
    for await (const item of runtime.observe('ada', { after: 'start' })) {
      if (item.type !== 'event' && item.type !== 'delta') continue;
      if (item.type === 'event' && item.event.run !== runId) continue;
      if (item.type === 'event' && item.event.type === 'run.finished') break;
      const subscribed = new Held();
      joined.push(
        (async () => {
          try {
            // the stream ends with each question
            while (!['COMPLETED', 'FAILED'].includes(subscribed.state))
              await held(client.resubscribeTask(byId(runId)), subscribed);
          } catch (error) {
            if (!(error instanceof UnsupportedOperationError)) throw error;
            subscribed.task = await client.getTask(byId(runId));
          }
          return subscribed;
        })(),
      );
      if (item.type === 'event' && item.event.type === 'request.opened')
        await runtime.respond('ada', item.event.data.request, { decision: 'yes' });
    }
    const { items } = await runtime.events('ada', { limit: 1_000 });
    const expected = textsOfLog(items, runId);
    t.deepEqual(expected, RICH_TEXTS);
    t.true(joined.length > 15);
    const task = await client.getTask(byId(runId));
    for (const subscribed of await Promise.all(joined)) {
      t.deepEqual([subscribed.state, ...subscribed.texts], ['COMPLETED', ...expected]);
      t.deepEqual(subscribed.task?.status?.timestamp, task.status?.timestamp);
    }
  });

  test(`P83: a task waits for the one before, is cancelled, and what has ended stays, ${place}`, async (t) => {
    const scene = await start(t, place, {
      wait: [...words('Well, '), { type: 'hang' }],
      next: words('Next'),
    });
    const { client, runtime } = scene;
    const atOnce = {
      acceptedOutputModes: [],
      taskPushNotificationConfig: undefined,
      returnImmediately: true,
    };
    const first = taskIn(await client.sendMessage({ ...textMessage('wait'), configuration: atOnce }));
    const second = taskIn(await client.sendMessage({ ...textMessage('next'), configuration: atOnce }));
    t.is(stateOf(second), 'SUBMITTED');
    const cancel = (id: string) => client.cancelTask({ ...byId(id), metadata: undefined });
    await t.throwsAsync(cancel(second.id), { instanceOf: TaskNotCancelableError });
    await t.throwsAsync(client.sendMessage(textMessage('and?', { taskId: first.id })), {
      instanceOf: UnsupportedOperationError,
    });
    const followed = held(client.resubscribeTask(byId(second.id)));
    const cancelled = await cancel(first.id);
    t.deepEqual([stateOf(cancelled), ...textsOf(cancelled)], ['CANCELED', 'Well, ']);
    t.deepEqual([(await followed).state, ...(await followed).texts], ['COMPLETED', 'Next']);
    await t.throwsAsync(cancel(first.id), { instanceOf: TaskNotCancelableError });
    await t.throwsAsync(held(client.resubscribeTask(byId(first.id))), {
      instanceOf: UnsupportedOperationError,
    });
    await t.throwsAsync(client.getTask(byId('run-none')), { instanceOf: TaskNotFoundError });
    t.is((await runtime.overview('ada')).inputs, 2);
  });

  test(`P19: a failure reaches the client by its code, without foreign text and the data of tools, ${place}`, async (t) => {
    const scene = await start(t, place, {
      go: [...rich.slice(0, 8), { type: 'throw', error: new Error('cannot read /srv/canary/token-4711') }],
    });
    const { client } = scene;
    const streamed = await held(client.sendMessageStream(textMessage('go')));
    t.is(streamed.state, 'FAILED');
    const seen = JSON.stringify([
      streamed,
      await client.getTask(byId(streamed.id)),
      await client.getAgentCard(),
    ]);
    t.regex(seen, /ENGINE_FAILED: /);
    t.notRegex(seen, /canary/);
  });

  test(`P23: a call that the protocol or the agent does not have is refused with the error of the protocol, ${place}`, async (t) => {
    const { call, url, fetch: send } = await start(t, place, { hello: words('hi') });
    const text = [{ text: 'hello' }];
    const message = (rest: object) => ({
      message: { messageId: 'x', role: 'ROLE_USER', parts: text, ...rest },
    });
    const cases: readonly (readonly [method: string, params: unknown, code: number])[] = [
      ['message/send', message({}), -32601],
      ['SendMessage', {}, -32602],
      ['SendMessage', [], -32602],
      ['SendMessage', message({ parts: [] }), -32602],
      ['SendMessage', message({ parts: [{ text: 'a', data: {} }] }), -32602],
      ['SendMessage', message({ parts: [{ url: 'https://a.example/b' }] }), -32005],
      ['SendMessage', message({ role: 'ROLE_AGENT' }), -32602],
      ['SendMessage', message({ messageId: '' }), -32602],
      ['SendMessage', message({ contextId: 'bob' }), -32602],
      ['SendMessage', message({ taskId: 'run-none' }), -32001],
      ['SendMessage', { ...message({}), tenant: 'other' }, -32602],
      [
        'SendMessage',
        { ...message({}), configuration: { taskPushNotificationConfig: { url: 'x' } } },
        -32003,
      ],
      ['SendStreamingMessage', message({ taskId: 'run-none' }), -32001],
      ['GetTask', { id: 'run-none', historyLength: -1 }, -32602],
      ['GetTask', {}, -32602],
      ['SubscribeToTask', { id: '../events' }, -32001],
      ['ListTasks', { pageSize: 101 }, -32602],
      ['ListTasks', { pageToken: 'x' }, -32602],
      ['ListTasks', { status: 'done' }, -32602],
      ['GetExtendedAgentCard', {}, -32004],
      ['CreateTaskPushNotificationConfig', { url: 'https://a.example' }, -32003],
    ];
    for (const [method, params, code] of cases) {
      const answer = await call(method, params);
      t.is(answer.status, 200);
      const body = (await answer.json()) as {
        readonly id: unknown;
        readonly error: { readonly code: number };
      };
      t.deepEqual([body.id, body.error.code], [7, code], `${method} ${JSON.stringify(params)}`);
    }
    const old = (await (await call('GetTask', { id: 'x' }, { 'a2a-version': '0.3' })).json()) as {
      readonly error: { readonly code: number };
    };
    t.is(old.error.code, -32009);
    const post = (body: string | Uint8Array<ArrayBuffer>, path = '') =>
      send(url + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    for (const [body, code] of [
      ['{', -32700],
      ['[]', -32600],
      ['{"jsonrpc":"1.0","id":1,"method":"GetTask"}', -32600],
      ['{"jsonrpc":"2.0","method":"GetTask"}', -32600],
    ] as const)
      t.regex(await (await post(body)).text(), new RegExp(`"code":${code}`));
    // text in another encoding, which would be stored with replaced characters
    const latin = Buffer.from(JSON.stringify(message({ parts: [{ text: 'caf\u00e9' }] })), 'latin1');
    t.regex(await (await post(new Uint8Array(latin))).text(), /"code":-32700/);
    const marked = `\ufeff${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'GetTask', params: { id: 'x' } })}`;
    // the body is read, and refused because of its version
    t.regex(await (await post(marked)).text(), /"code":-32009/);
    const plain = await send(url, { method: 'POST', headers: { 'content-type': 'text/plain' }, body: '{}' });
    t.true(plain.status === 415 || /"code":-32005/.test(await plain.text()));
    t.is((await post(JSON.stringify({ text: 'x'.repeat(1_100_000) }))).status, 413);
    const foreign = await send(url);
    t.is(foreign.status, 405);
    t.is(foreign.headers.get('allow'), 'POST');
    t.is((await send(`${url}/files/sha256-${'0'.repeat(64)}`)).status, 404);
    // fields that a later version may have are ignored, as the protocol says
    const later = await call('SendMessage', message({ later: 1, messageId: 'l' }));
    t.regex(await later.text(), /TASK_STATE_COMPLETED/);
  });
}

test('P83: text that no event has recorded is void when another execution or the end comes', async (t) => {
  const { client, runtime } = await start(t, 'embedded', {
    go: [...words('Half a '), { type: 'hang' }],
  });
  const holder = new Held();
  for await (const item of client.sendMessageStream(textMessage('go'))) {
    holder.apply(item);
    if (holder.texts.join('') === 'Half a ' && holder.state === 'WORKING')
      await runtime.cancelRun('ada', { runId: holder.id });
  }
  t.is(holder.state, 'CANCELED');
  t.deepEqual(holder.texts, textsOf(await client.getTask(byId(holder.id))));
});

test('P83: a client that subscribes to a question sees what follows the answer of another client', async (t) => {
  const { client, runtime } = await start(t, 'embedded', {
    two: [
      { type: 'tool-call', call: 'a', name: 'write', input: 1 },
      permission('a', (decision) => [
        { type: 'tool-result', call: 'a', output: decision },
        { type: 'tool-call', call: 'b', name: 'list', title: 'List the files', input: 'canary' },
        { type: 'tool-result', call: 'b', output: 'canary' },
        ...words('do', 'ne'),
      ]),
    ],
  });
  const asked = taskIn(await client.sendMessage(textMessage('two')));
  const { requestId } = questionOf(asked);
  const holder = new Held();
  for await (const item of client.resubscribeTask(byId(asked.id))) {
    if (holder.task === null) await runtime.respond('ada', String(requestId), { decision: 'no' });
    holder.apply(item);
  }
  t.deepEqual(holder.states, ['INPUT_REQUIRED', 'WORKING', 'COMPLETED']);
  t.deepEqual([holder.progress, holder.texts], [['List the files'], ['done']]);
  t.notRegex(JSON.stringify(holder.task), /canary/);
  // the answer comes too late, and the task has ended
  const late = dataMessage({ requestId, decision: 'yes' }, { taskId: asked.id });
  await t.throwsAsync(client.sendMessage(late), { instanceOf: UnsupportedOperationError });
});

test('files of a message go to the Worker, data as text, and its metadata stays with it', async (t) => {
  const { client, runtime, fetch: send } = await start(t, 'embedded', () => words('Seen.'));
  const raw = { content: { $case: 'raw' as const, value: Buffer.from('89504e470d0a1a0a', 'hex') } };
  const ask = sending(
    [
      { content: { $case: 'data', value: { a: 1 } } },
      { ...raw, mediaType: 'image/png', filename: 'a.png' } as never,
    ],
    { taskId: '', messageId: 'files' },
  );
  const task = taskIn(
    await client.sendMessage({ ...ask, message: { ...ask.message, metadata: { ticket: 12 } } }),
  );
  const { items } = await runtime.events('ada', { types: ['input.accepted'] });
  t.like(items[0]?.data, {
    parts: { 0: { text: '{"a":1}' }, 1: { type: 'file', mediaType: 'image/png', name: 'a.png' } },
    metadata: { ticket: 12 },
  });
  const file = task.history?.[0]?.parts[1]?.content;
  const answer = await send(file?.$case === 'url' ? file.value : '');
  t.is(answer.headers.get('content-disposition'), 'attachment');
  t.is(Buffer.from(await answer.arrayBuffer()).toString('hex'), '89504e470d0a1a0a');
});

test('an agent is mapped to a Worker, described by the program, and a stranger is refused', async (t) => {
  const { fetch: send, runtime } = await start(
    t,
    'gateway',
    { hello: words('hi') },
    {
      facade: {
        workerOf: (agent) => (agent === 'help' || agent === 'ada' ? 'ada' : 'nobody'),
        describe: () => ({ name: 'Help desk', version: '7' }),
        origin: 'https://agents.example',
      },
    },
  );
  const card = await (await send('http://x.example/a/help/.well-known/agent-card.json')).json();
  t.like(card, {
    name: 'Help desk',
    version: '7',
    supportedInterfaces: { 0: { url: 'https://agents.example/a/help' } },
  });
  t.is((await send('http://x.example/a/other/.well-known/agent-card.json')).status, 404);
  const toPath: typeof fetch = (input, init) =>
    send(new Request(input, init).url.replace('https://agents.example', 'http://x.example'), init);
  const client = await clientOf('http://x.example/a/help', toPath);
  const task = taskIn(await client.sendMessage(textMessage('hello')));
  t.deepEqual([task.contextId, ...textsOf(task)], ['help', 'hi']);
  t.is((await runtime.overview('ada')).inputs, 1);
});

test('below a mount, a path with other segments than a route is not found', async (t) => {
  const { url } = await start(t, 'mounted', {});
  const card = '/.well-known/agent-card.json';
  t.is((await fetch(url + card)).status, 200);
  for (const path of [`/ada${card}`, `/x${card}`, `${card}/x`])
    t.is((await fetch(url + path)).status, 404, path);
});

test('P60: through a mount, commands have the name of the token, and need its permission', async (t) => {
  const sha256 = (token: string): string => createHash('sha256').update(token).digest('hex');
  const { url, runtime } = await start(
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
  const as = (token: string) => clientOf(url, withToken(token));
  const [ann, eve] = [await as('a'), await as('e')];
  t.deepEqual(Object.keys((await eve.getAgentCard()).securitySchemes), ['bearer']);
  await t.throwsAsync(eve.sendMessage(textMessage('hello')), { message: /permission/i });
  const task = taskIn(await ann.sendMessage(textMessage('hello')));
  t.deepEqual(textsOf(await eve.getTask(byId(task.id))), ['hi']);
  t.is((await fetch(`${url}/.well-known/agent-card.json`)).status, 401);
  const { items } = await runtime.events('ada', { types: ['input.accepted'] });
  t.deepEqual(
    items.map(({ data }) => 'actor' in data && data.actor),
    ['ann'],
  );
});

test('P22: a client that reads nothing delays no run, and its stream holds no more than one frame', async (t) => {
  const scene = await start(t, 'embedded', {
    hello: Array.from({ length: 2_000 }, () => ({
      type: 'message' as const,
      parts: [{ type: 'text' as const, text: 'x'.repeat(1_000) }],
    })),
    next: words('next'),
  });
  const message = { messageId: 'stalled', role: 'ROLE_USER', parts: [{ text: 'hello' }] };
  const stalled = await scene.call('SendStreamingMessage', { message });
  await logged(scene, 'run.finished');
  t.deepEqual(textsOf(taskIn(await scene.client.sendMessage(textMessage('next')))), ['next']);
  const reader = stalled.body?.getReader();
  const { value } = (await reader?.read()) ?? {};
  t.regex(Buffer.from(value ?? []).toString(), /^data: \{"jsonrpc":"2\.0","id":7,"result":\{"task":/);
  await reader?.cancel();
});

for (const place of ['embedded', 'mounted'] as const)
  test(`P83: a client learns that the runtime stops in mid answer, ${place}`, async (t) => {
    const { client, runtime } = await start(t, place, { hello: [...words('Well, '), { type: 'hang' }] });
    const holder = new Held();
    let stopping: Promise<unknown> = Promise.resolve();
    let failure = '';
    try {
      for await (const item of client.sendMessageStream(textMessage('hello'))) {
        holder.apply(item);
        if (holder.texts.length === 1 && holder.state === 'WORKING')
          stopping = runtime.stop({ deadlineMs: 2_000 });
      }
    } catch (error) {
      failure = error instanceof Error ? error.message : '';
    }
    await stopping;
    t.regex(failure + JSON.stringify(holder.task?.status), /EXECUTION_LOST|RUNTIME_STOPPING/);
  });
