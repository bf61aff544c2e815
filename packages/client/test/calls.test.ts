import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { createContext, runInContext } from 'node:vm';
import { inputText, type RuntimeSummary, type WorkerInput } from '@worker-runtime/core';
import test, { type ExecutionContext } from 'ava';
import { build } from 'esbuild';
import { RemoteError, runtimeClient } from '../src/index.ts';
import { retryDelayMs } from '../src/retry-delay.ts';
import { canned, down, hanging, json, problem, text } from './canned.ts';
import { Served } from './served.ts';

const refused = async (t: ExecutionContext, call: Promise<unknown>, code: string): Promise<RemoteError> => {
  const error = (await t.throwsAsync(call, { name: 'RuntimeError' })) as RemoteError | undefined;
  t.is<string | undefined, string>(error?.code, code, String(error));
  return error as RemoteError;
};

test('P19: a refusal of the runtime becomes a typed error with its correlation id', async (t) => {
  const { api } = canned([
    problem('WORKER_BUSY', 409, { retryable: true, details: { run: 'run_1' } }),
    problem('SOMETHING_NEWER', 409, { detail: undefined }),
    problem('INVALID_REQUEST', 400, {
      details: {
        issues: [
          { pointer: '?limit', message: 'm' },
          { pointer: '?label', message: 'm' },
          { pointer: '/a', message: 'm' },
        ],
      },
    }),
  ]);
  const busy = await refused(t, api.sendInput('ada', { text: 'hello' }), 'WORKER_BUSY');
  t.like(busy, {
    message: 'what is wrong',
    details: { run: 'run_1' },
    retryable: true,
    correlationId: 'c-1',
  });
  const newer = await refused(t, api.getWorker('ada'), 'SOMETHING_NEWER');
  t.deepEqual([newer.message, newer.retryable], ['Title', false]);
  const { details } = await refused(t, api.listWorkers(), 'INVALID_REQUEST');
  t.deepEqual(
    (details.issues as readonly { readonly pointer: string }[]).map(({ pointer }) => pointer),
    ['/limit', '/labels', '/a'],
  );
});

test('P19: if no runtime answers, the error has a code of its own and does not reveal the address', async (t) => {
  const cases = [
    [down, 'RUNTIME_UNREACHABLE'],
    [text('<h1>Bad Gateway</h1>', 502), 'RUNTIME_UNREACHABLE'],
    [text('', 504), 'RUNTIME_UNREACHABLE'],
    [text('{"items":', 200), 'VERSION_UNSUPPORTED'],
    [text('<h1>Not Found</h1>', 404), 'VERSION_UNSUPPORTED'],
    [text('', 301, { location: 'https://moved.test/' }), 'VERSION_UNSUPPORTED'],
    [json({ error: 'not ours' }, 400), 'VERSION_UNSUPPORTED'],
  ] as const;
  for (const [reply, code] of cases) {
    const { api, sent } = canned([reply], { token: 'secret-token' });
    const error = await refused(t, api.createWorker({ engine: 'echo' }), code);
    t.is(error.retryable, code === 'RUNTIME_UNREACHABLE');
    t.is(error.correlationId, null);
    t.is(sent.length, 1, 'a command is not repeated');
    const shown = `${error.message} ${JSON.stringify(error.details)} ${error.code}`;
    t.notRegex(shown, /runtime\.test|10\.1\.2\.3|secret|moved/);
  }
  const { api } = canned([text('<h1>hello</h1>', 200)]);
  await refused(
    t,
    api.observe('ada')[Symbol.asyncIterator]().next() as Promise<unknown>,
    'VERSION_UNSUPPORTED',
  );
});

test('an answer that is late or incomplete is RUNTIME_UNREACHABLE', async (t) => {
  const late = await refused(t, canned([hanging], { timeoutMs: 5 }).api.summary(), 'RUNTIME_UNREACHABLE');
  t.regex(late.message, /in time/);
  const torn = canned([
    () =>
      new Response(
        new ReadableStream({
          start(controller) {
            controller.enqueue(new TextEncoder().encode('{"wor'));
            controller.error(new Error('reset'));
          },
        }),
      ),
  ]);
  await refused(t, torn.api.getWorker('ada'), 'RUNTIME_UNREACHABLE');
  // without a length, the end of the connection is the end of the answer
  const cut = canned([text('{"workerId":"a', 200, { 'content-type': 'application/json; charset=utf-8' })]);
  await refused(t, cut.api.createWorker({ engine: 'echo' }), 'RUNTIME_UNREACHABLE');
});

test('P99: an answer that is cut is asked for a second time, if that has no further effect', async (t) => {
  const torn = () =>
    new Response(
      new ReadableStream({
        pull(controller) {
          controller.error(new Error('reset'));
        },
      }),
    );
  const read = canned([torn, json({ runtimeId: 'r' })]);
  t.is((await read.api.summary()).runtimeId, 'r');
  const keyed = canned([torn, json({ inputId: 'i', run: null }, 202, { 'idempotent-replayed': 'true' })]);
  t.true((await keyed.api.sendInput('ada', { text: 'x' }, { idempotencyKey: 'k' })).replayed);
  const file = canned([torn, text('bytes', 200, { 'file-media-type': 'text/plain' })]);
  t.is(Buffer.from((await file.api.getFile('ada', 'sha256-1')).bytes).toString(), 'bytes');
  const command = canned([torn, json({})]);
  await refused(t, command.api.stopWorker('ada'), 'RUNTIME_UNREACHABLE');
  t.is(command.sent.length, 1);
});

test('P107: a file that something has cut or changed on its way is asked for again, and counts as no answer', async (t) => {
  const digest = `sha256-${createHash('sha256').update('the bytes').digest('hex')}`;
  const file = (bytes: string) => text(bytes, 200, { 'file-media-type': 'text/plain' });
  const again = canned([file('the by'), file('the bytes')]);
  t.is(Buffer.from((await again.api.getFile('ada', digest)).bytes).toString(), 'the bytes');
  for (const wrong of ['the by', '', 'THE BYTES']) {
    const { api, sent } = canned([file(wrong)]);
    await refused(t, api.getFile('ada', digest), 'RUNTIME_UNREACHABLE');
    t.is(sent.length, 2);
  }
  const stored = (of: string) =>
    json({ type: 'file', digest: of, mediaType: 'text/plain', sizeBytes: 9 }, 201);
  const upload = (of: string) =>
    canned([stored(of)]).api.putFile('ada', Buffer.from('the bytes'), { mediaType: 'text/plain' });
  t.is((await upload(digest)).digest, digest);
  // it has stored what arrived
  await refused(t, upload(digest.replace(/.$/, (last) => (last === '0' ? '1' : '0'))), 'RUNTIME_UNREACHABLE');
});

test('P107: an error says when to come back, by the clock of the server, and a wait for a run keeps to it', async (t) => {
  const at = async (headers: Readonly<Record<string, string>>): Promise<number | null> => {
    const { api } = canned([text('', 503, headers)]);
    const error = await t.throwsAsync(api.summary(), { instanceOf: RemoteError });
    return error?.retryAfterMs ?? null;
  };
  const date = 'Thu, 01 Jan 1970 00:00:00 GMT';
  t.is(await at({}), null);
  t.is(await at({ 'retry-after': '7' }), 7_000);
  t.is(await at({ 'retry-after': 'Thu, 01 Jan 1970 00:01:00 GMT', date }), 60_000);
  t.is(await at({ 'retry-after': date, date: 'Thu, 01 Jan 1970 00:01:00 GMT' }), 0);
  t.is(await at({ 'retry-after': 'soon' }), null);
  const { api } = canned([
    text('', 429, { 'retry-after': '1' }),
    json({ waited: 'finished', run: { runId: 'run_1' } }),
  ]);
  const since = performance.now();
  t.is((await api.waitForRun('ada', 'run_1')).waited, 'finished');
  t.true(performance.now() - since >= 1_000);
});

test('P99: a wait for a run that a runtime has accepted survives answers that no runtime gave', async (t) => {
  const accepted = json({ inputId: 'i', runId: 'run_1', run: null }, 202);
  const notFound = text('404 page not found', 404);
  const finished = json({ waited: 'finished', run: { runId: 'run_1' } });
  const { api } = canned([accepted, notFound, finished]);
  const receipt = await api.sendInput('ada', { text: 'x' }, { waitMs: 60_001 });
  t.is(receipt.waited, 'finished');
  await refused(t, canned([notFound, finished]).api.waitForRun('ada', 'run_1'), 'VERSION_UNSUPPORTED');
});

test('a call that is safe to repeat is tried a second time if the connection fails', async (t) => {
  const read = canned([down, json({ runtimeId: 'r' })]);
  t.is((await read.api.summary()).runtimeId, 'r');
  const keyed = canned([down, json({ inputId: 'i', run: null }, 202, { 'idempotent-replayed': 'true' })]);
  t.true((await keyed.api.sendInput('ada', { text: 'x' }, { idempotencyKey: 'k' })).replayed);
  const keys = keyed.sent.map(({ headers }) => headers.get('idempotency-key'));
  t.deepEqual(keys, ['k', 'k']);
  const command = canned([down, json({})]);
  await refused(t, command.api.stopWorker('ada'), 'RUNTIME_UNREACHABLE');
});

test('each call sends the request of its route', async (t) => {
  const { api, sent } = canned([json({ items: [], next: null, asOf: 'c' })], {
    token: 'tok',
    runtime: 'runtime_1',
  });
  await api.listWorkers({
    labels: { team: 'docs', kind: 'a=b&c' },
    status: 'idle',
    limit: 5,
    after: 'start',
  });
  await api.transcript('a/b ü', { before: 'end' });
  await api.stopWorker('ada', { deadlineMs: 10 });
  await api.putBundle('sha256-0', { id: 'x' });
  await api.respond('ada', 'q/1', { decision: 'yes' });
  const requests = sent.map(({ method, url, body }) => [method, url.pathname + url.search, body]);
  t.deepEqual(requests, [
    [
      'GET',
      '/base/v1/runtimes/runtime_1/workers?status=idle&limit=5&after=start&label=team%3Ddocs&label=kind%3Da%3Db%26c',
      null,
    ],
    ['GET', '/base/v1/runtimes/runtime_1/workers/a%2Fb%20%C3%BC/transcript?before=end', null],
    ['POST', '/base/v1/runtimes/runtime_1/workers/ada/stop', { deadlineMs: 10 }],
    ['PUT', '/base/v1/runtimes/runtime_1/bundles/sha256-0', { id: 'x' }],
    ['POST', '/base/v1/runtimes/runtime_1/workers/ada/requests/q%2F1/response', { decision: 'yes' }],
  ]);
  for (const { headers } of sent) t.is(headers.get('authorization'), 'Bearer tok');
});

test('an id, key or label that HTTP cannot carry is refused without a request', async (t) => {
  const { api, sent } = canned([json({})]);
  for (const id of ['', '.', '..', '\ud83d']) {
    await refused(t, api.getWorker(id), 'WORKER_NOT_FOUND');
    await refused(t, api.respond('ada', id, { decision: 'x' }), 'REQUEST_NOT_FOUND');
    await refused(t, api.getBundle(id), 'BUNDLE_NOT_FOUND');
    await refused(t, api.observe(id)[Symbol.asyncIterator]().next() as Promise<unknown>, 'WORKER_NOT_FOUND');
  }
  for (const idempotencyKey of ['ü', ' a', 'a ', 'a\nb', '🙂'])
    await refused(t, api.sendInput('ada', { text: 'x' }, { idempotencyKey }), 'INVALID_REQUEST');
  for (const key of ['', 'a=b'])
    await refused(t, api.listWorkers({ labels: { [key]: 'x' } }), 'INVALID_REQUEST');
  t.is(sent.length, 0);
});

test('invalid options throw at once', (t) => {
  for (const options of [
    { url: 'here' },
    { url: 'ftp://a' },
    { url: 'http://user:pass@a' },
    { url: 'http://a', runtime: '../x' },
    { url: 'http://a', token: 'two words' },
    { url: 'http://a', token: 'line\nbreak' },
    { url: 'http://a', timeoutMs: 0 },
    { url: 'http://a', retryMs: Number.NaN },
  ]) {
    const error = t.throws(() => runtimeClient(options), { instanceOf: TypeError });
    t.notRegex(error?.message ?? '', /two words|pass@/);
  }
});

test('retry delays double up to a bound, and jitter spreads them over their upper half', (t) => {
  const at = (failures: number, random: number): number =>
    retryDelayMs(failures, { retryMs: 100, retryMaxMs: 1_000 }, 0, () => random);
  t.deepEqual(
    [1, 2, 3, 4, 5, 50].map((failures) => at(failures, 1)),
    [100, 200, 400, 800, 1_000, 1_000],
  );
  t.deepEqual(
    [1, 2, 5].map((failures) => at(failures, 0)),
    [50, 100, 500],
  );
});

const INPUT: WorkerInput = { text: 'go' };

const serve = async (t: ExecutionContext) => {
  const served = await Served.start();
  t.teardown(() => served.dispose());
  const api = runtimeClient({ url: served.address, retryMs: 1 });
  await api.createWorker({ engine: 'scripted', workerId: 'ada' });
  return { served, api };
};

test('an aborted wait for a run returns the receipt', async (t) => {
  const { served, api } = await serve(t);
  served.engine.script = { go: [{ type: 'gate', gate: 'go' }] };
  const abort = new AbortController();
  const sending = api.sendInput('ada', INPUT, { waitMs: 20_000, signal: abort.signal });
  await served.engine.gate('go').reached;
  abort.abort();
  const receipt = await sending;
  t.deepEqual([receipt.run, receipt.replayed], [null, false]);
  const aborted = await api.sendInput(
    'ada',
    { ...INPUT, whenBusy: 'queue' },
    { waitMs: 20_000, signal: AbortSignal.abort() },
  );
  t.deepEqual([aborted.run, aborted.queued], [null, true], 'the input is sent anyway');
  served.engine.gate('go').open();
});

test('P9: a wait longer than one request survives a lost connection, and the input takes effect once', async (t) => {
  const { served, api } = await serve(t);
  served.engine.script = ({ input }) =>
    inputText(input) === 'go'
      ? [
          { type: 'gate', gate: 'go' },
          { type: 'text', text: 'done' },
        ]
      : [{ type: 'ask', question: { kind: 'question', prompt: 'Well?', options: ['yes'] } }];
  const sending = api.sendInput('ada', INPUT, { waitMs: 90_000 });
  await served.engine.gate('go').reached;
  served.proxy.reset();
  served.engine.gate('go').open();
  const { run } = await sending;
  t.is(run?.outcome, 'completed');
  t.deepEqual(
    run?.messages[0]?.parts.map((part) => part.type === 'text' && part.text),
    ['done'],
  );
  const asking = await api.sendInput('ada', { text: 'ask' }, { waitMs: 90_000 });
  t.is(asking.run, null, 'the run waits for an answer, so the wait ends');

  const { items } = await api.events('ada');
  t.is(items.filter(({ type }) => type === 'input.accepted').length, 2);
});

test('the bundle for browsers is small and contains nothing of Node', async (t) => {
  const entry = fileURLToPath(new URL('../src/index.ts', import.meta.url));
  const bundle = async (minify: boolean): Promise<string> => {
    const { outputFiles, metafile } = await build({
      entryPoints: [entry],
      bundle: true,
      minify,
      write: false,
      metafile: true,
      platform: 'browser',
      format: 'iife',
      globalName: 'client',
      logLevel: 'silent',
      conditions: ['@worker-runtime/source'],
    });
    // the bundle contains no file of another package
    t.true(
      Object.keys(metafile.inputs).every((path) => path.startsWith('src/')),
      Object.keys(metafile.inputs).join(),
    );
    return outputFiles[0]?.text ?? '';
  };
  const small = await bundle(true);
  t.notRegex(small, /node:|require\(/);
  t.log(`${Buffer.byteLength(small)} bytes minified`);
  t.true(Buffer.byteLength(small) < 24_576);

  // only globals that every browser has
  const summary = { runtimeId: 'r' };
  const page = createContext({
    AbortController,
    TextDecoder,
    URL,
    URLSearchParams,
    clearTimeout,
    setTimeout,
    fetch: async () => new Response(JSON.stringify(summary)),
  });
  runInContext(small, page);
  const asked = runInContext(
    'client.runtimeClient({ url: "http://a" }).summary()',
    page,
  ) as Promise<RuntimeSummary>;
  t.is((await asked).runtimeId, 'r');
  t.notRegex(await readFile(entry, 'utf8'), /export \*/);
});
