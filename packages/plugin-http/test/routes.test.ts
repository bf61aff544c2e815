import { bundleDigest } from '@worker-runtime/core';
import test from 'ava';
import { http } from '../src/index.ts';
import { isProblem, serve, serveAda } from './served.ts';

const post = (body?: unknown, headers: Readonly<Record<string, string>> = {}) => ({
  method: 'POST',
  headers,
  ...(body !== undefined && { body }),
});

test('one runtime is served, under its id and as self', async (t) => {
  const { call, runtime } = await serve(t);
  const { body } = await call('/v1/runtimes');
  t.is(body.items.length, 1);
  t.is(body.items[0].runtimeId, runtime.runtimeId);
  t.is(body.next, null);
  t.deepEqual((await call(`/v1/runtimes?after=${body.asOf}`)).body.items, []);
  isProblem(t, await call('/v1/runtimes?after=elsewhere'), 400, 'CURSOR_INVALID');
  t.like(body.items[0], { name: 'self', kind: 'embedded', state: 'ok', error: null });
  t.is(body.items[0].summary.status, 'running');
  // the list is sorted by name, so that a cursor may name a runtime that is not there
  const others = ['n.alpha', 'n.zeta'];
  const counts = others.map(async (after) => (await call(`/v1/runtimes?after=${after}`)).body.items.length);
  t.deepEqual(await Promise.all(counts), [1, 0]);

  const named = await call(`/v1/runtimes/${runtime.runtimeId}`);
  t.is(named.status, 200);
  t.deepEqual(named.body, (await call('/v1/runtimes/self')).body);
  t.is(named.body.status, 'running');
  t.deepEqual(named.body.engines[0].name, 'puppet');
  t.deepEqual(named.body.limits, JSON.parse(JSON.stringify(runtime.limits)));
});

test('P25: a path of another API version is refused with the supported version', async (t) => {
  const { call } = await serveAda(t);
  for (const path of ['/v2/runtimes', '/v0/runtimes/self/workers/ada', '/v10/runtimes']) {
    const answer = await call(path);
    isProblem(t, answer, 426, 'VERSION_UNSUPPORTED');
    t.deepEqual(answer.body.details.supported, [1]);
  }
  for (const path of ['/v/runtimes', '/v1/nothing', '/version/1'])
    isProblem(t, await call(path), 404, 'ROUTE_NOT_FOUND');
});

test('a request for the root is refused with the path of the API reference', async (t) => {
  const { call } = await serveAda(t);
  for (const path of ['/', '/?after=start']) {
    const answer = await call(path);
    isProblem(t, answer, 404, 'ROUTE_NOT_FOUND');
    t.regex(answer.body.detail, / \/docs$/);
  }
});

test('a command for another runtime reaches no Worker of this one', async (t) => {
  const { call, runtime } = await serveAda(t);
  for (const path of [
    '',
    '/workers/ada',
    '/workers/ada/events',
    '/watch',
    '/bundles',
    '/diagnostics',
    '/requests',
  ]) {
    isProblem(t, await call(`/v1/runtimes/runtime_other${path}`), 404, 'RUNTIME_NOT_FOUND');
  }
  isProblem(t, await call('/v1/runtimes/runtime_other/workers/ada/stop', post()), 404, 'RUNTIME_NOT_FOUND');
  t.is((await runtime.getWorker('ada')).status, 'idle');
});

test('a Worker is created, read, listed, updated and deleted', async (t) => {
  const { call, url } = await serve(t);
  const spec = {
    engine: 'puppet',
    workerId: 'ada',
    displayName: 'Ada',
    labels: { team: 'docs' },
    tools: ['search'],
  };
  const created = await call('workers', post(spec));
  t.is(created.status, 201);
  const location = created.headers.get('location') ?? '';
  t.is(location, 'workers/ada');
  t.is((await fetch(new URL(location, url('workers')))).status, 200);
  t.is(created.body.displayName, 'Ada');
  t.false('initialInput' in created.body);
  t.deepEqual((await call(location)).body, created.body);

  const changed = await call('workers/ada', {
    method: 'PATCH',
    body: { displayName: null, labels: { team: 'ops' } },
  });
  t.is(changed.status, 200);
  t.deepEqual(changed.body.labels, { team: 'ops' });
  t.is(changed.body.displayName, null);
  t.is((await call('workers')).body.items[0].workerId, 'ada');

  isProblem(t, await call('workers/ada', { method: 'DELETE' }), 409, 'WORKER_NOT_STOPPED');
  await call('workers/ada/stop', post());
  const deleted = await call('workers/ada', { method: 'DELETE' });
  t.is(deleted.status, 204);
  t.is(deleted.text, '');
  isProblem(t, await call('workers/ada'), 404, 'WORKER_NOT_FOUND');
});

test('an invalid creation is refused with a specific code', async (t) => {
  const { call } = await serveAda(t);
  isProblem(t, await call('workers', post({ engine: 'puppet', workerId: 'ada' })), 409, 'WORKER_EXISTS');
  isProblem(t, await call('workers', post({ engine: 'nobody' })), 422, 'ENGINE_UNKNOWN');
  isProblem(t, await call('workers', post({ engine: 'puppet', tools: ['unheard-of'] })), 422, 'TOOL_UNKNOWN');
  const unknown = await call('workers', post({ engine: 'puppet', wings: 2 }));
  isProblem(t, unknown, 400, 'INVALID_REQUEST');
  t.is(unknown.body.details.issues[0].pointer, '/wings');
  isProblem(t, await call('workers', post('[]')), 400, 'INVALID_REQUEST');
  isProblem(t, await call('workers', post('null')), 400, 'INVALID_REQUEST');
  isProblem(t, await call('workers', { method: 'POST' }), 400, 'INVALID_REQUEST');
  isProblem(
    t,
    await call('workers/ada', { method: 'PATCH', body: { status: 'idle' } }),
    400,
    'INVALID_REQUEST',
  );
});

test('an initial input is answered with its receipt', async (t) => {
  const { call } = await serve(t);
  const { body } = await call(
    'workers',
    post({ engine: 'puppet', workerId: 'ada', initialInput: { text: 'say hi' } }),
  );
  t.is(body.initialInput.run, null);
  const after = await call(`workers/ada/events?after=${body.initialInput.cursor}&limit=1`);
  t.is(after.body.items[0].type, 'input.accepted');
  t.is(after.body.items[0].seq, body.initialInput.seq);
});

test('the list is filtered by status, labels and parent, and paged', async (t) => {
  const { call } = await serve(t);
  for (const [workerId, labels, parent] of [
    ['a', { team: 'x', tier: '1' }, null],
    ['b', { team: 'x' }, 'a'],
    ['c', { team: 'a=b' }, 'a'],
  ]) {
    t.is((await call('workers', post({ engine: 'puppet', workerId, labels, parent }))).status, 201);
  }
  await call('workers/c/stop', post());
  const ids = async (query: string): Promise<readonly string[]> =>
    (await call(`workers?${query}`)).body.items.map(
      ({ workerId }: { readonly workerId: string }) => workerId,
    );
  t.deepEqual(await ids(''), ['a', 'b', 'c']);
  t.deepEqual(await ids('status=stopped'), ['c']);
  t.deepEqual(await ids('label=team=x'), ['a', 'b']);
  t.deepEqual(await ids('label=team=x&label=tier=1'), ['a']);
  t.deepEqual(await ids('label=team=a%3Db'), ['c']);
  t.deepEqual(await ids('parent=a'), ['b', 'c']);
  const first = (await call('workers?limit=2')).body;
  t.deepEqual(await ids(`limit=2&after=${first.next}`), ['c']);
  for (const query of [
    'status=asleep',
    'label=team',
    'label=team=x&label=team=y',
    'limit=0',
    'limit=1e2',
    'limit=1&limit=2',
    'color=red',
  ]) {
    isProblem(t, await call(`workers?${query}`), 400, 'INVALID_REQUEST');
  }
  isProblem(t, await call('workers?limit=1001'), 400, 'LIMIT_TOO_LARGE');
  isProblem(t, await call('workers?after=nonsense'), 400, 'CURSOR_INVALID');
});

test('an input is accepted, and the cursor of its receipt precedes its events', async (t) => {
  const { call } = await serveAda(t);
  const accepted = await call('workers/ada/inputs', post({ text: 'go' }));
  t.is(accepted.status, 202);
  t.deepEqual(Object.keys(accepted.body).sort(), [
    'cursor',
    'inputId',
    'queued',
    'run',
    'runId',
    'seq',
    'waited',
  ]);
  t.is(accepted.body.run, null);
  const { items } = (await call(`workers/ada/events?after=${accepted.body.cursor}`)).body;
  t.is(items[0].type, 'input.accepted');

  const busy = await call('workers/ada/inputs', post({ text: 'go' }));
  isProblem(t, busy, 409, 'WORKER_BUSY');
  t.regex(busy.headers.get('retry-after') ?? '', /^\d+$/);
  const queued = await call('workers/ada/inputs', post({ text: 'say hi', whenBusy: 'queue' }));
  t.is(queued.status, 202);
  t.true(queued.body.queued);
  isProblem(t, await call('workers/bob/inputs', post({ text: 'go' })), 404, 'WORKER_NOT_FOUND');
  isProblem(t, await call('workers/ada/inputs', post({ text: 1 })), 400, 'INVALID_REQUEST');
});

test('wait=N answers with the finished run, or with 202 after N seconds', async (t) => {
  const { call, puppet } = await serveAda(t);
  const inTime = await call(
    'workers/ada/inputs',
    post({ text: 'say hello you' }, { prefer: 'respond-async, wait=20' }),
  );
  t.is(inTime.status, 200);
  t.is(inTime.headers.get('preference-applied'), 'wait=20');
  t.is(inTime.body.run.outcome, 'completed');
  t.is(inTime.body.run.messages[0].parts[0].text, 'hello you ');
  t.is(inTime.body.run.usage.byModel.m1.outputTokens, 2);

  const tooShort = await call('workers/ada/inputs', post({ text: 'go' }, { prefer: 'wait=1' }));
  t.is(tooShort.status, 202);
  t.is(tooShort.body.run, null);
  await puppet.finish();

  isProblem(
    t,
    await call('workers/ada/inputs', post({ text: 'go' }, { prefer: 'wait=61' })),
    400,
    'LIMIT_TOO_LARGE',
  );
  isProblem(
    t,
    await call('workers/ada/inputs', post({ text: 'go' }, { prefer: 'wait=soon' })),
    400,
    'INVALID_REQUEST',
  );
});

test('wait=N ends as soon as the run opens a request', async (t) => {
  const { call } = await serveAda(t);
  const asked = await call('workers/ada/inputs', post({ text: 'ask' }, { prefer: 'wait=20' }));
  t.is(asked.status, 202);
  t.is((await call('workers/ada')).body.status, 'waiting');
});

test('a caller that disconnects while it waits does not affect the run', async (t) => {
  const { call, url, puppet } = await serveAda(t);
  const abort = new AbortController();
  const waiting = fetch(url('workers/ada/inputs'), {
    ...post(undefined, { prefer: 'wait=60', 'content-type': 'application/json' }),
    body: '{"text":"go"}',
    signal: abort.signal,
  });
  await puppet.say({ type: 'message', parts: [{ type: 'text', text: 'on' }] });
  abort.abort();
  await t.throwsAsync(waiting, { any: true });
  await puppet.finish();
  const { runs } = (await call('workers/ada/overview')).body;
  t.is(runs.completed, 1);
});

test('a retry with the same key gets the first answer, marked as replayed', async (t) => {
  const { call } = await serve(t);
  const create = post({ engine: 'puppet', workerId: 'ada' }, { 'idempotency-key': 'k1' });
  const created = await call('workers', create);
  t.is(created.headers.get('idempotent-replayed'), null);
  const again = await call('workers', create);
  t.is(again.status, 201);
  t.is(again.headers.get('idempotent-replayed'), 'true');
  t.is(again.body.workerId, 'ada');
  const other = post({ engine: 'puppet', workerId: 'bob' }, { 'idempotency-key': 'k1' });
  isProblem(t, await call('workers', other), 422, 'IDEMPOTENCY_MISMATCH');

  const input = post({ text: 'go' }, { 'idempotency-key': 'k2' });
  const accepted = await call('workers/ada/inputs', input);
  const replayed = await call('workers/ada/inputs', input);
  t.is(replayed.status, 202);
  t.is(replayed.headers.get('idempotent-replayed'), 'true');
  t.deepEqual(replayed.body, accepted.body);
  isProblem(
    t,
    await call('workers/ada/inputs', post({ text: 'no' }, { 'idempotency-key': 'k2' })),
    422,
    'IDEMPOTENCY_MISMATCH',
  );
  isProblem(
    t,
    await call('workers/ada/inputs', post({ text: 'no' }, { 'idempotency-key': 'k'.repeat(256) })),
    400,
    'INVALID_REQUEST',
  );
});

test('cancel, stop and resume accept no body or a JSON body, and are idempotent', async (t) => {
  const { call } = await serveAda(t);
  t.deepEqual((await call('workers/ada/cancel', post())).body, { changed: false, status: 'idle' });
  const { runId } = (await call('workers/ada/inputs', post({ text: 'go' }))).body;
  isProblem(t, await call('workers/ada/cancel', post({ runId: 'run_other' })), 409, 'RUN_MISMATCH');
  t.deepEqual((await call('workers/ada/cancel', post({ runId, reason: 'enough' }))).body, {
    changed: true,
    status: 'idle',
  });

  const stopped = { outcome: 'graceful', status: 'stopped' };
  t.deepEqual((await call('workers/ada/stop', post({ deadlineMs: 500 }))).body, {
    changed: true,
    ...stopped,
  });
  t.deepEqual((await call('workers/ada/stop', post('', { 'content-type': 'application/json' }))).body, {
    changed: false,
    ...stopped,
  });
  isProblem(t, await call('workers/ada/inputs', post({ text: 'go' })), 409, 'WORKER_STOPPED');

  const resumed = await call('workers/ada/resume', post({}));
  t.is(resumed.status, 200);
  t.is(resumed.body.status, 'idle');
  t.true(resumed.body.execution.connected);
  t.is(
    (await call('workers/ada/resume', post())).body.execution.generation,
    resumed.body.execution.generation,
  );

  for (const command of ['cancel', 'stop', 'resume']) {
    isProblem(t, await call(`workers/ada/${command}`, post({ force: true })), 400, 'INVALID_REQUEST');
    isProblem(t, await call(`workers/ada/${command}`, post('null')), 400, 'INVALID_REQUEST');
    isProblem(t, await call(`workers/bob/${command}`, post()), 404, 'WORKER_NOT_FOUND');
    isProblem(t, await call(`workers/ada/${command}?force=1`, post()), 400, 'INVALID_REQUEST');
  }
});

test('an open request is listed, and can be answered once', async (t) => {
  const { call } = await serveAda(t);
  await call('workers/ada/inputs', post({ text: 'ask' }, { prefer: 'wait=20' }));
  const { items } = (await call('workers/ada/requests')).body;
  t.is(items.length, 1);
  const [{ requestId, kind, options }] = items;
  t.is(kind, 'permission');
  t.deepEqual(options, [
    { id: 'yes', label: 'yes' },
    { id: 'no', label: 'no' },
  ]);
  const path = `workers/ada/requests/${requestId}/response`;
  isProblem(t, await call(path, post({ decision: 'perhaps' })), 400, 'INVALID_REQUEST');
  isProblem(t, await call(path, { method: 'POST' }), 400, 'INVALID_REQUEST');
  t.deepEqual((await call(path, post({ decision: 'yes', note: 'go on' }))).body, { changed: true });
  isProblem(t, await call(path, post({ decision: 'no' })), 409, 'REQUEST_RESOLVED');
  isProblem(
    t,
    await call('workers/ada/requests/request_x/response', post({ decision: 'no' })),
    404,
    'REQUEST_NOT_FOUND',
  );
});

test('P7: events of a stopped Worker are pages of the stored bytes, as JSON and as NDJSON', async (t) => {
  const { call, runtime } = await serveAda(t);
  await call('workers/ada/inputs', post({ text: 'say grüße 🙂 "quoted"\n' }, { prefer: 'wait=20' }));
  await call('workers/ada/stop', post());
  const { lines, asOf } = await runtime.readEvents('ada');
  const stored = Buffer.from(lines).toString();

  const ndjson = await call('workers/ada/events', { headers: { accept: 'application/x-ndjson' } });
  t.is(ndjson.text, stored);
  t.is(ndjson.headers.get('content-type'), 'application/x-ndjson');
  t.is(ndjson.headers.get('page-next'), null);
  t.is(ndjson.headers.get('page-as-of'), asOf);

  const json = await call('workers/ada/events');
  t.is(json.text, `{"items":[${stored.trimEnd().split('\n').join(',')}],"next":null,"asOf":"${asOf}"}`);
  const end = await call(`workers/ada/events?after=${asOf}`);
  t.is(end.text, `{"items":[],"next":null,"asOf":"${asOf}"}`);

  let walked = '';
  let next: string | null = 'start';
  while (next !== null) {
    const page = await call(`workers/ada/events?limit=2&after=${next}`, {
      headers: { accept: 'application/x-ndjson' },
    });
    walked += page.text;
    next = page.headers.get('page-next');
  }
  t.is(walked, stored);
});

test('P6: a cursor resumes exactly or fails with a code', async (t) => {
  const { call } = await serveAda(t);
  await call('workers', post({ engine: 'puppet', workerId: 'bob' }));
  const { next } = (await call('workers/ada/events?limit=1')).body;
  t.is((await call(`workers/ada/events?after=${next}`)).body.items[0].seq, 2);
  t.is((await call('workers/ada/events?after=0')).body.items[0].seq, 1);
  isProblem(t, await call(`workers/bob/events?after=${next}`), 400, 'CURSOR_FOREIGN');
  isProblem(t, await call('workers/ada/events?after=%00'), 400, 'CURSOR_INVALID');
  isProblem(t, await call('workers/ada/events?limit=1001'), 400, 'LIMIT_TOO_LARGE');
  isProblem(t, await call('workers/ada/events?limit=-1'), 400, 'INVALID_REQUEST');

  // a new Worker with the same id has another log
  await call('workers/ada/stop', post());
  await call('workers/ada', { method: 'DELETE' });
  await call('workers', post({ engine: 'puppet', workerId: 'ada' }));
  isProblem(t, await call(`workers/ada/events?after=${next}`), 400, 'CURSOR_FOREIGN');
});

test('the transcript is read forward, backward from the end, and as NDJSON', async (t) => {
  const { call } = await serveAda(t);
  for (const text of ['say one', 'say two'])
    await call('workers/ada/inputs', post({ text }, { prefer: 'wait=20' }));
  const roles = (page: { readonly items: readonly { readonly role: string }[] }) =>
    page.items.map(({ role }) => role);
  const all = (await call('workers/ada/transcript')).body;
  t.deepEqual(roles(all), ['user', 'assistant', 'user', 'assistant']);
  const last = (await call('workers/ada/transcript?before=end&limit=1')).body;
  t.is(last.items[0].parts[0].text, 'two ');
  const before = (await call(`workers/ada/transcript?before=${last.next}&limit=1`)).body;
  t.is(before.items[0].role, 'user');
  const { text } = await call('workers/ada/transcript?after=start', {
    headers: { accept: 'application/x-ndjson' },
  });
  t.is(text.trimEnd().split('\n').length, 4);
  isProblem(t, await call('workers/ada/transcript?after=start&before=end'), 400, 'INVALID_REQUEST');
});

test('a log is read by type, backward and by number; a stream refuses what selects events', async (t) => {
  const { call, runtime } = await serve(t);
  await runtime.createWorker({ engine: 'puppet', workerId: 'ada' });
  await runtime.stopWorker('ada');
  const seqs = async (query: string): Promise<readonly number[]> =>
    (await call(`workers/ada/events?${query}`)).body.items.map(({ seq }: { readonly seq: number }) => seq);
  const [, , detached] = await seqs('limit=100');
  t.truthy(detached);
  t.deepEqual(await seqs('types=worker.stopped,worker.created'), [1, 4]);
  t.deepEqual(await seqs('before=end&limit=1'), [4]);
  t.deepEqual(await seqs('before=@2'), [1, 2]);
  t.deepEqual(await seqs('after=@3'), [4]);
  const beyond = await call('workers/ada/events?after=@5');
  isProblem(t, beyond, 400, 'CURSOR_FOREIGN');
  t.deepEqual(beyond.body.details, { lastSeq: 4 });
  const unknown = await call('workers/ada/events?types=run.finished,run.eaten');
  isProblem(t, unknown, 400, 'INVALID_REQUEST');
  t.regex(unknown.body.detail, /has "run\.eaten", which is none of worker\.created, /);
  for (const query of [
    'types=',
    'types=run.finished,',
    'types=run.finished&types=run.started',
    'before=@1&after=@1',
  ])
    isProblem(t, await call(`workers/ada/events?${query}`), 400, 'INVALID_REQUEST');
  for (const query of ['types=run.finished', 'before=end'])
    isProblem(
      t,
      await call(`workers/ada/events?${query}`, { headers: { accept: 'text/event-stream' } }),
      400,
      'INVALID_REQUEST',
    );
});

test('P63: the usage of all Workers is read in one request, of some days and of some labels', async (t) => {
  const { call } = await serve(t);
  const empty = (await call('usage')).body;
  t.deepEqual([empty.days, empty.workers, empty.workersWithUsage, empty.earlier], [[], [], 0, []]);
  for (const [workerId, team] of [
    ['ada', 'blue'],
    ['bob', 'red'],
    ['eve', 'blue'],
  ]) {
    await call('workers', post({ engine: 'puppet', workerId, labels: { team } }));
    await call(`workers/${workerId}/inputs`, post({ text: 'say one' }, { prefer: 'wait=20' }));
  }
  const { body } = await call('usage?days=7&label=team=blue&limit=1');
  t.is(Date.parse(body.to) - Date.parse(body.from), 6 * 86_400_000);
  t.is(body.workersWithUsage, 2);
  t.deepEqual(
    body.workers.map(({ workerId }: { readonly workerId: string }) => workerId),
    ['ada'],
  );
  t.is(body.days[0].inputTokens, 2);
  t.is((await call('usage')).body.days[0].inputTokens, 3);
  for (const query of [
    'days=0',
    'days=32',
    'days=x',
    'days=1&days=2',
    'label=team',
    'limit=0',
    'after=start',
  ])
    isProblem(t, await call(`usage?${query}`), 400, 'INVALID_REQUEST');
  isProblem(t, await call('usage?limit=100000'), 400, 'LIMIT_TOO_LARGE');
});

test('prices are served as they were given, and wrong ones are refused with the reason', async (t) => {
  const prices = {
    currency: 'EUR',
    models: { 'sonnet-*': { input: 3, output: 15, cacheRead: 0.3 }, free: { input: 0, output: 0 } },
  };
  t.deepEqual((await (await serve(t)).call('/v1/prices')).body, { prices: null });
  for (const given of [prices, JSON.stringify(prices)])
    t.deepEqual((await (await serve(t, { http: { prices: given } })).call('/v1/prices')).body, { prices });
  const refused: readonly (readonly [unknown, RegExp])[] = [
    ['{', /http\.prices must be an object, or JSON text of one/],
    [7, /must be an object, or JSON text of one/],
    [{ currency: 'EUR' }, /must have models/],
    [{ models: {} }, /must have a currency of three capital letters/],
    [{ currency: '€', models: {} }, /must have a currency of three capital letters/],
    [
      { currency: 'EUR', models: {}, unit: 1 },
      /has "unit", which does not exist; there are currency, models/,
    ],
    [{ currency: 'EUR', models: { a: 3 } }, /an object of prices for "a"/],
    [{ currency: 'EUR', models: { a: { input: 3 } } }, /a number, 0 or more, as the price of "a" for output/],
    [{ currency: 'EUR', models: { a: { input: -1, output: 1 } } }, /price of "a" for input/],
    [{ currency: 'EUR', models: { a: { input: 1, output: 1, cacheRead: null } } }, /of "a" for cacheRead/],
    [{ currency: 'EUR', models: { a: { input: 1, output: 1, inptu: 1 } } }, /has "inptu" for "a"/],
    [{ currency: 'EUR', models: { 'a*b': { input: 1, output: 1 } } }, /has the model "a\*b"/],
  ];
  for (const [given, message] of refused)
    t.throws(() => http({ prices: given as string }), { message, code: 'INVALID_REQUEST' });
});

test('the overview has counts, and diagnostics are listed', async (t) => {
  const { call } = await serveAda(t);
  await call('workers/ada/inputs', post({ text: 'say one' }, { prefer: 'wait=20' }));
  const { body } = await call('workers/ada/overview');
  t.is(body.inputs, 1);
  t.is(body.usage.inputTokens, 1);
  isProblem(t, await call('workers/bob/overview'), 404, 'WORKER_NOT_FOUND');
  const diagnostics = await call('diagnostics?limit=10');
  t.is(diagnostics.status, 200);
  t.true(Array.isArray(diagnostics.body.items));
});

test('a bundle is stored by its digest, even repeatedly, and read back', async (t) => {
  const { call } = await serve(t);
  const bundle = { id: 'docs', profiles: { companion: { engine: 'puppet' } } };
  const digest = bundleDigest(bundle);
  t.deepEqual((await call(`bundles/${digest}`, { method: 'PUT', body: bundle })).body, {
    id: 'docs',
    digest,
  });
  t.is((await call(`bundles/${digest}`, { method: 'PUT', body: bundle })).status, 200);
  t.deepEqual((await call(`bundles/${digest}`)).body, bundle);
  t.deepEqual((await call('bundles')).body.items, [{ digest }]);
  const wrong = `sha256-${'0'.repeat(64)}`;
  isProblem(
    t,
    await call(`bundles/${wrong}`, { method: 'PUT', body: bundle }),
    422,
    'BUNDLE_DIGEST_MISMATCH',
  );
  isProblem(t, await call(`bundles/${wrong}`), 404, 'BUNDLE_NOT_FOUND');
});

test('HEAD answers like GET without a body, also for a stream', async (t) => {
  const { call } = await serveAda(t);
  const { status, text, headers } = await call('workers/ada', { method: 'HEAD' });
  t.is(status, 200);
  t.is(text, '');
  t.true(Number(headers.get('content-length')) > 0);
  const stream = await call('workers/ada/events', {
    method: 'HEAD',
    headers: { accept: 'text/event-stream' },
  });
  t.is(stream.headers.get('content-type'), 'text/event-stream');
});

test('a known path with a wrong method lists the allowed ones; an unknown path is not found', async (t) => {
  const { call } = await serve(t);
  const wrong = await call('workers/ada/events', {
    method: 'POST',
    body: 'not json',
    headers: { 'content-type': 'text/plain' },
  });
  isProblem(t, wrong, 405, 'METHOD_NOT_ALLOWED');
  t.is(wrong.headers.get('allow'), 'GET, HEAD');
  t.is((await call('workers/ada', { method: 'PROPFIND' })).headers.get('allow'), 'DELETE, GET, HEAD, PATCH');
  for (const path of ['/', '/v1', '/v2', '/v1/runtimes/self/', 'workers/ada/secrets']) {
    isProblem(t, await call(path), 404, 'ROUTE_NOT_FOUND');
  }
  isProblem(
    t,
    await call('workers/ada', { headers: { accept: 'text/html' }, method: 'PUT' }),
    405,
    'METHOD_NOT_ALLOWED',
  );
});

test('a page in a media type that is not offered is not acceptable', async (t) => {
  const { call } = await serveAda(t);
  isProblem(t, await call('workers/ada/events', { headers: { accept: 'text/html' } }), 406, 'NOT_ACCEPTABLE');
  isProblem(
    t,
    await call('workers', { headers: { accept: 'text/html, application/json;q=0' } }),
    406,
    'NOT_ACCEPTABLE',
  );
  t.is((await call('workers', { headers: { accept: 'text/html, */*;q=0.1' } })).status, 200);
  const { headers } = await call('workers/ada/events', {
    headers: { accept: 'application/*;q=0.5, application/x-ndjson' },
  });
  t.is(headers.get('content-type'), 'application/x-ndjson');
});
