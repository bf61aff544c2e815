import { createHash } from 'node:crypto';
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import type { FilePart } from '@worker-runtime/core';
import type { ScriptStep } from '@worker-runtime/core/testing';
import { logged, PLACES } from '@worker-runtime/test-facades/facade-scene';
import { rich, words } from '@worker-runtime/test-facades/facade-script';
import test, { type ExecutionContext } from 'ava';
import { type Connected, type Scene, start, textOf } from './scene.ts';

const ANSWER = 'Let me see.All done 😀.';

const accept = (decision: string) => ({ action: 'accept' as const, content: { decision } });

/** The headers of a message in the session of a client, for requests that the client itself would not send. */
const messageHeaders = ({ sessionId }: Connected['transport']): Readonly<Record<string, string>> => ({
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
  'mcp-session-id': sessionId ?? '',
});

/** Checks that a client has what the log has: the result, the text of the progress, and the transcript. */
const isSameAsLog = async (
  t: ExecutionContext,
  { runtime }: Scene,
  { client, text }: Connected,
  result: CallToolResult,
): Promise<void> => {
  const { runId } = result.structuredContent as { readonly runId: string };
  const { run } = await runtime.waitForRun('ada', runId);
  const texts = (run?.messages ?? []).flatMap(({ role, parts }) =>
    role === 'assistant' ? parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])) : [],
  );
  t.is(textOf(result), texts.join(''));
  t.is(text, texts.join(''));
  t.like(result.structuredContent, { status: 'finished', outcome: run?.outcome, requests: [] });
  const { contents } = await client.readResource({ uri: 'worker://ada/transcript' });
  const [shown] = contents as readonly { readonly text: string }[];
  const { items } = await runtime.transcript('ada', { before: 'end' });
  t.deepEqual(JSON.parse(shown?.text ?? ''), { items: JSON.parse(JSON.stringify(items)), before: null });
};

for (const place of PLACES) {
  test(`P78: a client creates a Worker, asks it and reads its transcript, ${place}`, async (t) => {
    const scene = await start(t, place, { hello: words('Hi ', 'there') });
    const connected = await scene.connect();
    const { client, call } = connected;
    t.deepEqual(client.getServerCapabilities(), { tools: {}, resources: {} });
    const { tools } = await client.listTools();
    t.deepEqual(
      tools.map(({ name }) => name),
      ['list_workers', 'create_worker', 'send_input', 'wait_for_run', 'answer_request', 'cancel_run'],
    );
    const created = await call('create_worker', { engine: 'scripted', workerId: 'bob', key: 'k' });
    t.like(created.structuredContent, { workerId: 'bob', status: 'idle' });
    t.deepEqual(await call('create_worker', { engine: 'scripted', workerId: 'bob', key: 'k' }), created);
    const listed = await call('list_workers', { status: 'idle' });
    t.like(listed.structuredContent, {
      workers: { 0: { workerId: 'ada' }, 1: { workerId: 'bob' } },
      next: null,
    });
    const { resources } = await client.listResources();
    t.deepEqual(
      resources.map(({ uri }) => uri),
      ['worker://ada/transcript', 'worker://bob/transcript'],
    );
    const { resourceTemplates } = await client.listResourceTemplates();
    t.is(resourceTemplates.length, 2);
    const result = await call('send_input', { workerId: 'ada', text: 'hello', key: 'once' });
    await isSameAsLog(t, scene, connected, result);
    // a retry with the same key follows the same run
    t.deepEqual(await call('send_input', { workerId: 'ada', text: 'hello', key: 'once' }), result);
  });

  test(`P78: a person allows, refuses or ignores a call of a tool by elicitation, ${place}`, async (t) => {
    const scene = await start(t, place, { hello: rich });
    const answers = [
      accept('yes'),
      accept('no'),
      { action: 'decline' as const },
      { action: 'cancel' as const },
    ];
    const seen: unknown[] = [];
    const connected = await scene.connect({
      person: ({ message, requestedSchema }) => {
        seen.push([message, Object.keys(requestedSchema.properties)]);
        return answers[seen.length - 1] ?? { action: 'cancel' };
      },
    });
    for (const denied of [undefined, true, true] as const) {
      const result = await connected.call('send_input', { workerId: 'ada', text: 'hello' });
      await isSameAsLog(t, scene, connected, result);
      t.is(textOf(result), ANSWER);
      const { items } = await scene.runtime.events('ada', { before: 'end', types: ['tool.finished'] });
      const asked = items.findLast(({ data }) => 'call' in data && data.call === 'c2')?.data;
      t.is(asked && 'denied' in asked ? asked.denied : undefined, denied as true | undefined);
    }
    t.deepEqual(seen.at(-1), ['Write the file?', ['decision']]);
    const waiting = await connected.call('send_input', { workerId: 'ada', text: 'hello' });
    t.like(waiting.structuredContent, { status: 'waiting', outcome: null });
    t.is((await scene.runtime.getWorker('ada')).status, 'waiting');
  });

  test(`P78: a client without elicitation answers by a tool, and follows the run to its end, ${place}`, async (t) => {
    const scene = await start(t, place, { hello: rich });
    const connected = await scene.connect();
    const { call } = connected;
    const asked = await call('send_input', { workerId: 'ada', text: 'hello' });
    const { runId, requests } = asked.structuredContent as {
      readonly runId: string;
      readonly requests: readonly { readonly requestId: string }[];
    };
    const [{ requestId } = { requestId: '' }] = requests;
    t.regex(
      textOf(asked),
      /^Let me see\.The Worker waits for an answer to the request .*: Write the file\? \(yes, no\)$/,
    );
    const wrong = await call('answer_request', { workerId: 'ada', requestId, decision: 'maybe' });
    t.true(wrong.isError);
    const done = await call('answer_request', { workerId: 'ada', requestId, decision: 'yes', note: 'fine' });
    t.deepEqual(done.structuredContent, { changed: true });
    await isSameAsLog(t, scene, connected, await call('wait_for_run', { workerId: 'ada', runId }));
  });

  test(`P78: a client that resumes at any event of a run has at the end what the log has, ${place}`, async (t) => {
    const gated = rich.flatMap((step, at): readonly ScriptStep[] => [
      { type: 'gate', gate: String(at) },
      step,
    ]);
    const scene = await start(t, place, { hello: gated });
    let answer: (() => void) | null = null;
    const first = await scene.connect({
      person: () => new Promise((resolve) => (answer = () => resolve(accept('yes')))),
    });
    const others: { readonly connected: Connected; readonly result: Promise<CallToolResult> }[] = [];
    const sent = first.call('send_input', { workerId: 'ada', text: 'hello' });
    await logged(scene, 0, 'run.started');
    const { run } = await scene.runtime.getWorker('ada');
    for (const [at, step] of rich.entries()) {
      const { lastSeq } = await scene.runtime.getWorker('ada');
      // its person never answers: another one does
      const connected = await scene.connect({
        person: (_, signal) =>
          new Promise((resolve) => signal.addEventListener('abort', () => resolve({ action: 'cancel' }))),
      });
      others.push({
        connected,
        result: connected.call('wait_for_run', { workerId: 'ada', runId: run?.runId }),
      });
      scene.engine.gate(String(at)).open();
      if ('type' in step && step.type === 'ask') {
        await logged(scene, lastSeq, 'request.opened');
        while (answer === null) await new Promise((resolve) => setImmediate(resolve));
        (answer as () => void)();
        await logged(scene, lastSeq, 'request.resolved');
      } else if ('type' in step && step.type !== 'text' && step.type !== 'reasoning')
        await logged(scene, lastSeq);
    }
    await isSameAsLog(t, scene, first, await sent);
    for (const { connected, result } of others) await isSameAsLog(t, scene, connected, await result);
    t.is(others.length, rich.length);
  });

  test(`P78: a call that is cancelled cancels its run, and a lost connection does not, ${place}`, async (t) => {
    const scene = await start(t, place, {
      hello: [...words('Well, '), { type: 'gate', gate: 'more' }, ...words('hello')],
    });
    const { call } = await scene.connect();
    const cancelled = new AbortController();
    await t.throwsAsync(
      call(
        'send_input',
        { workerId: 'ada', text: 'hello' },
        { signal: cancelled.signal, onText: (text) => text === 'Well, ' && cancelled.abort('enough') },
      ),
    );
    await logged(scene, 0, 'run.finished');
    const { items } = await scene.runtime.events('ada', { types: ['run.finished'] });
    t.like(items[0]?.data, { outcome: 'cancelled', reason: 'The client cancelled the call' });

    const lost = await scene.connect();
    const { lastSeq } = await scene.runtime.getWorker('ada');
    await t.throwsAsync(
      lost.call(
        'send_input',
        { workerId: 'ada', text: 'hello', key: 'k1' },
        { onText: (text) => text === 'Well, ' && void lost.client.close() },
      ),
    );
    scene.engine.gate('more').open();
    await logged(scene, lastSeq, 'run.finished');
    const again = await scene.connect();
    const result = await again.call('send_input', { workerId: 'ada', text: 'hello', key: 'k1' });
    t.is(textOf(result), 'Well, hello');
    t.is(again.text, 'Well, hello');
  });

  test(`P19: a failure reaches the client as a code, without a foreign message, ${place}`, async (t) => {
    const scene = await start(t, place, {
      hello: [...words('Well, '), { type: 'throw', error: new Error('cannot read /srv/canary/token-4711') }],
      wait: [{ type: 'hang' }],
    });
    const { client, call } = await scene.connect();
    const failed = await call('send_input', { workerId: 'ada', text: 'hello' });
    t.true(failed.isError);
    t.regex(textOf(failed), /^Well, ENGINE_FAILED: /);
    t.false(JSON.stringify(failed).includes('canary'));

    const codes: readonly (readonly [tool: string, args: Record<string, unknown>, text: RegExp])[] = [
      ['send_input', { workerId: 'nobody', text: 'hello' }, /^WORKER_NOT_FOUND: /],
      [
        'send_input',
        { workerId: 'ada', text: 'hello', temperature: 1 },
        /^INVALID_REQUEST: \/temperature is not a known/,
      ],
      ['send_input', { workerId: 'ada' }, /^INVALID_REQUEST: \/text is required/],
      ['create_worker', { engine: 'none' }, /^ENGINE_UNKNOWN: /],
      ['create_worker', { engine: 'scripted', labels: 5 }, /^INVALID_REQUEST: \/labels /],
      ['wait_for_run', { workerId: 'ada', runId: 'run-none' }, /^RUN_NOT_FOUND: /],
      ['answer_request', { workerId: 'ada', requestId: 'none', decision: 'x' }, /^REQUEST_NOT_FOUND: /],
      ['list_workers', { limit: 1_000 }, /^INVALID_REQUEST: \/limit must be/],
    ];
    for (const [tool, args, text] of codes) {
      const result = await call(tool, args);
      t.true(result.isError, tool);
      t.regex(textOf(result), text);
    }
    await t.throwsAsync(call('drop_tables', {}), { message: /No such tool/ });
    for (const uri of [
      'worker://nobody/transcript',
      'worker://ada/secrets',
      'file:///etc/passwd',
      'worker://%ff/transcript',
    ])
      await t.throwsAsync(client.readResource({ uri }), { code: -32_002 });

    const busy = call('send_input', { workerId: 'ada', text: 'wait' });
    await logged(scene, 0, 'run.started');
    while ((await scene.runtime.getWorker('ada')).status !== 'running')
      await new Promise((resolve) => setImmediate(resolve));
    const other = await scene.connect();
    t.regex(textOf(await other.call('send_input', { workerId: 'ada', text: 'wait' })), /^WORKER_BUSY: /);
    t.deepEqual((await other.call('cancel_run', { workerId: 'ada' })).structuredContent, {
      changed: true,
      status: 'idle',
    });
    t.regex(textOf(await busy), /^The run was cancelled/);
  });

  test(`P23: bodies beyond the limit, foreign sessions and foreign methods are refused, ${place}`, async (t) => {
    const scene = await start(t, place, { hello: words('hi') });
    const { transport } = await scene.connect();
    const headers = messageHeaders(transport);
    const post = (body: string, more: Record<string, string> = {}) =>
      scene.fetch(scene.url, { method: 'POST', headers: { ...headers, ...more }, body });
    const ping = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' });
    t.is((await post(ping)).status, 200);
    t.is((await post(`${ping}${' '.repeat(1_100_000)}`)).status, 413);
    t.is((await post('{')).status, 400);
    t.is((await post(JSON.stringify({ hello: 1 }))).status, 400);
    t.is((await post(ping, { 'mcp-session-id': 'another' })).status, 404);
    t.is((await post(ping, { accept: 'text/html' })).status, 406);
    const foreign = await scene.fetch(scene.url, { headers });
    t.is(foreign.status, 405);
    t.is(foreign.headers.get('allow'), 'POST, DELETE');
    t.is((await scene.fetch(scene.url, { method: 'PUT', headers, body: ping })).status, 405);
    t.is((await scene.fetch(scene.url, { method: 'DELETE', headers })).status, 200);
    t.is((await post(ping)).status, 404);
  });
}

test('P78: a form asks for the values that a request needs, and its answer has them', async (t) => {
  const values = { type: 'object', properties: { count: { type: 'integer' } }, required: ['count'] };
  const scene = await start(t, 'embedded', {
    form: [
      {
        type: 'ask',
        question: {
          kind: 'question',
          prompt: 'How many?',
          schema: values,
          options: [
            { id: 'accept', label: 'Send', kind: 'allow-once' },
            { id: 'decline', label: 'Decline', kind: 'reject-once' },
          ],
        },
        reply: ({ decision, value }) => words(`${decision} ${JSON.stringify(value ?? null)}`),
      },
    ],
    colour: [
      {
        type: 'ask',
        question: { kind: 'question', prompt: 'Which?', options: ['red', 'blue'] },
        reply: ({ decision }) => words(`It is ${decision}.`),
      },
    ],
  });
  const { call } = await scene.connect({
    person: ({ message, requestedSchema }) => {
      if (message === 'Which?') return accept('blue');
      t.deepEqual(requestedSchema.properties, values.properties);
      return { action: 'accept', content: { count: 3 } };
    },
  });
  t.is(textOf(await call('send_input', { workerId: 'ada', text: 'form' })), 'accept {"count":3}');
  t.is(textOf(await call('send_input', { workerId: 'ada', text: 'colour' })), 'It is blue.');
});

test('P78: a question ends when another client answers the request', async (t) => {
  const scene = await start(t, 'mounted', { hello: rich });
  let isTakenBack = false;
  let questions = 0;
  let seen = (): void => {};
  const asked = new Promise<void>((resolve) => {
    seen = resolve;
  });
  const connected = await scene.connect({
    person: (_, signal) => {
      questions += 1;
      // the client of the SDK ignores the end of the first question, whose id is 0
      if (questions === 1) return accept('yes');
      seen();
      return new Promise((resolve) =>
        signal.addEventListener('abort', () => {
          isTakenBack = true;
          resolve({ action: 'cancel' });
        }),
      );
    },
  });
  await connected.call('send_input', { workerId: 'ada', text: 'hello' });
  const sent = connected.call('send_input', { workerId: 'ada', text: 'hello' });
  await asked;
  const { items } = await scene.runtime.listRequests('ada');
  await scene.runtime.respond('ada', items[0]?.requestId ?? '', { decision: 'no' });
  await isSameAsLog(t, scene, connected, await sent);
  t.true(isTakenBack);
});

test('files of an answer are links, and a client reads their bytes', async (t) => {
  const bytes = Buffer.from('89504e470d0a1a0a', 'hex');
  let file: FilePart | null = null;
  const scene = await start(t, 'embedded', () => [{ type: 'message', parts: [file as FilePart] }]);
  file = await scene.runtime.putFile('ada', bytes, { mediaType: 'image/png', name: 'a.png' });
  const { client, call } = await scene.connect();
  const { content } = await call('send_input', { workerId: 'ada', text: 'draw' });
  const [link] = content;
  t.like(link, { type: 'resource_link', name: 'a.png', mimeType: 'image/png' });
  const { contents } = await client.readResource({ uri: link?.type === 'resource_link' ? link.uri : '' });
  t.like(contents[0], { mimeType: 'image/png', blob: bytes.toString('base64') });
});

test('P22: a client that reads nothing delays no run, and few notifications wait for it', async (t) => {
  const big = 'x'.repeat(1_000);
  const scene = await start(t, 'embedded', {
    hello: Array.from({ length: 2_000 }, () => ({ type: 'message', parts: [{ type: 'text', text: big }] })),
    next: words('next'),
  });
  const { transport, call } = await scene.connect();
  const stalled = await scene.fetch(scene.url, {
    method: 'POST',
    headers: messageHeaders(transport),
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 'stalled',
      method: 'tools/call',
      params: {
        name: 'send_input',
        arguments: { workerId: 'ada', text: 'hello' },
        _meta: { progressToken: 'p' },
      },
    }),
  });
  await logged(scene, 0, 'run.finished');
  t.is(textOf(await call('send_input', { workerId: 'ada', text: 'next' })), 'next');
  // the stream waits with the rest of the run until it is read
  const reader = stalled.body?.getReader();
  const { value } = (await reader?.read()) ?? {};
  t.true((value?.length ?? 0) < 3_000);
  let bytes = 0;
  for (let chunk = await reader?.read(); !chunk?.done; chunk = await reader?.read())
    bytes += chunk?.value.length ?? 0;
  t.true(bytes > 2_000_000);
});

test('P95: a batch has one request that is carried out, so that a request to the server is no more than one command or read', async (t) => {
  const scene = await start(t, 'embedded', { hello: [{ type: 'text', text: 'x' }] });
  const { transport } = await scene.connect();
  const sent = (id: number) => ({
    ...{ jsonrpc: '2.0', id, method: 'tools/call' },
    params: { name: 'send_input', arguments: { workerId: 'ada', text: 'hello' } },
  });
  const read = (id: number) => ({
    ...{ jsonrpc: '2.0', id, method: 'resources/read' },
    params: { uri: 'worker://ada/transcript' },
  });
  const list = (id: number) => ({ jsonrpc: '2.0', id, method: 'tools/list' });
  for (const batch of [
    [sent(1), sent(2), read(3), list(4)],
    [read(1), sent(2), read(3)],
    [list(1), list(2), list(3)],
  ]) {
    const answer = await scene.fetch(scene.url, {
      method: 'POST',
      headers: messageHeaders(transport),
      body: JSON.stringify(batch),
    });
    const messages = (await answer.text())
      .split('\n')
      .filter((line) => line.startsWith('data: {'))
      .map((line) => JSON.parse(line.slice('data: '.length)))
      .filter(({ id }) => id !== undefined);
    t.is(messages.length, batch.length);
    for (const { id, error } of messages) t.is(error?.code, id === 1 ? undefined : -32_600);
  }
  const { items } = await scene.runtime.events('ada', { types: ['input.accepted'] });
  t.is(items.length, 1);
});

test('below a mount, a path with other segments than a route is not found', async (t) => {
  const { url } = await start(t, 'mounted', {});
  for (const path of ['/mcp', '/ada', '/%'])
    t.is((await fetch(url + path)).status, path === '/%' ? 400 : 404, path);
});

test('P60: through a mount, commands have the name of the token, and sessions belong to their caller', async (t) => {
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
  const ann = await scene.connect({ headers: { authorization: 'Bearer a' } });
  const eve = await scene.connect({ headers: { authorization: 'Bearer e' } });
  t.is((await eve.client.listResources()).resources.length, 1);
  t.regex(textOf(await eve.call('send_input', { workerId: 'ada', text: 'hello' })), /^FORBIDDEN: /);
  t.is(textOf(await ann.call('send_input', { workerId: 'ada', text: 'hello' })), 'hi');
  const { items } = await scene.runtime.events('ada', { types: ['input.accepted'] });
  t.deepEqual(
    items.map(({ data }) => 'actor' in data && data.actor),
    ['ann'],
  );
  const borrowed = await fetch(scene.url, {
    method: 'POST',
    headers: { ...messageHeaders(ann.transport), authorization: 'Bearer e' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }),
  });
  t.is(borrowed.status, 404);
});

test('P23: a caller has at most 100 sessions, and another one replaces the idle one that was used least recently', async (t) => {
  const scene = await start(t, 'embedded', { hello: [{ type: 'gate', gate: 'end' }, ...words('hi')] });
  const first = await scene.connect();
  const sent = first.call('send_input', { workerId: 'ada', text: 'hello' });
  await logged(scene, 0, 'run.started');
  const second = await scene.connect();
  const others = [];
  for (let count = 0; count < 99; count++) others.push(await scene.connect());
  await t.throwsAsync(second.client.ping(), { message: /Session not found/ });
  await t.notThrowsAsync(others[0]?.client.ping() ?? Promise.reject());
  // the call in progress keeps its session
  scene.engine.gate('end').open();
  t.is(textOf(await sent), 'hi');
});

for (const place of ['embedded', 'mounted'] as const)
  test(`P78: a client learns that the runtime stops in mid answer, ${place}`, async (t) => {
    const scene = await start(t, place, { hello: [...words('Well, '), { type: 'hang' }] });
    const { call } = await scene.connect();
    let stopped: Promise<unknown> = Promise.resolve();
    const result = await call(
      'send_input',
      { workerId: 'ada', text: 'hello' },
      {
        onText: () => {
          stopped = scene.runtime.stop({ deadlineMs: 2_000 });
        },
      },
    );
    t.true(result.isError);
    t.regex(textOf(result), /(EXECUTION_LOST|RUNTIME_STOPPING): /);
    await stopped;
  });
