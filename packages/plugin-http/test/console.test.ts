import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { http } from '../src/index.ts';
import { exchange } from './raw-client.ts';
import { isProblem, prepare, serve } from './served.ts';

const PAGE = '<!doctype html><title>a console</title>';

/** Creates a folder as a build of the console leaves it, and a secret beside it. */
const makeConsole = async (t: ExecutionContext): Promise<string> => {
  const place = await mkdtemp(join(tmpdir(), 'worker-runtime-console-'));
  t.teardown(() => rm(place, { recursive: true, force: true }));
  const script = 'document.title = "ready";';
  await writeFile(join(place, 'index.html'), PAGE);
  await writeFile(join(place, 'main-Ab12_-cd.js'), script);
  await writeFile(join(place, 'main-Ab12_-cd.js.br'), brotliCompressSync(script));
  await writeFile(join(place, 'licenses.txt'), 'MIT');
  await writeFile(join(place, 'secret.key'), 'not a page');
  return place;
};

test('a console is served at the root, with a policy, and without a copy in a cache that may be old', async (t) => {
  const { call } = await serve(t, { http: { console: await makeConsole(t) } });
  const page = await call('/');
  t.is(page.status, 200);
  t.is(page.text, PAGE);
  t.is(page.headers.get('content-type'), 'text/html; charset=utf-8');
  t.is(page.headers.get('cache-control'), 'no-cache');
  const policy = page.headers.get('content-security-policy') ?? '';
  for (const part of ["default-src 'none'", "script-src 'self'", "require-trusted-types-for 'script'"])
    t.true(policy.includes(part), part);
  t.notRegex(policy, /unsafe|https?:|\*/);

  const etag = page.headers.get('etag') ?? '';
  const again = await call('/', { headers: { 'if-none-match': etag } });
  t.deepEqual([again.status, again.text], [304, '']);
});

test('the files of a console are immutable, and compressed for clients that accept it', async (t) => {
  const { call } = await serve(t, { http: { console: await makeConsole(t) } });
  const plain = await call('/main-Ab12_-cd.js', { headers: { 'accept-encoding': 'identity' } });
  t.is(plain.headers.get('content-encoding'), null);
  t.is(plain.headers.get('cache-control'), 'public, max-age=31536000, immutable');
  for (const accepted of ['gzip, br', 'br;q=0.5', 'BR']) {
    const { headers, text } = await call('/main-Ab12_-cd.js', { headers: { 'accept-encoding': accepted } });
    t.is(headers.get('content-encoding'), 'br', accepted);
    t.is(text, plain.text, accepted);
  }
  const refused = await call('/main-Ab12_-cd.js', { headers: { 'accept-encoding': 'br;q=0, gzip' } });
  t.is(refused.headers.get('content-encoding'), null);
  // a name without a digest may get another content
  t.is((await call('/licenses.txt')).headers.get('cache-control'), 'no-cache');
});

test('a file of the console that a client holds is not sent again, with any form of its tag', async (t) => {
  const { call } = await serve(t, {
    http: { console: await makeConsole(t), allowedOrigins: ['https://ui.example'] },
  });
  const { headers } = await call('/', { headers: { origin: 'https://ui.example' } });
  t.is(headers.get('vary'), 'origin, accept-encoding');
  const etag = headers.get('etag') ?? '';
  for (const [held, status] of [
    [etag, 304],
    // nginx weakens the tag of an answer that it compresses
    [`W/${etag}`, 304],
    [`"old" , W/${etag}`, 304],
    ['*', 304],
    ['"old", W/"older"', 200],
    [etag.slice(0, -1), 200],
  ] as const)
    t.is((await call('/', { headers: { 'if-none-match': held } })).status, status, held);
});

test('a console adds exactly its files: other paths, and all below /v1, are answered as before', async (t) => {
  const { call, url } = await serve(t, { http: { console: await makeConsole(t) } });
  for (const path of [
    '/secret.key',
    '/index.html',
    '/main-Ab12_-cd.js.br',
    '/../package.json',
    '/%2e%2e/package.json',
    '/main-Ab12_-cd.js/',
    '/workers',
    '/v1',
    '/v1/',
    '/v1/index.html',
    '/v1/runtimes/self/workers/index.html',
  ]) {
    const head = `GET ${path} HTTP/1.1\r\nhost: ${new URL(url('/')).host}\r\naccept: text/html\r\nconnection: close\r\n\r\n`;
    const answer = await exchange(url('/'), head);
    t.regex(answer, /^HTTP\/1\.1 40[04] /, path);
    t.false(answer.includes('a console') || answer.includes('not a page'), path);
  }
  isProblem(t, await call('/', { method: 'POST' }), 405, 'METHOD_NOT_ALLOWED');
  const document = (await call('/openapi.json')).body;
  t.deepEqual(
    Object.keys(document.paths).filter((path) => path === '/' || path.includes('main-')),
    [],
  );
});

test('without the option there is no console', async (t) => {
  const { call } = await serve(t);
  isProblem(t, await call('/'), 404, 'ROUTE_NOT_FOUND');
});

test('a console is refused beyond loopback, with tokens, and if it is not built', async (t) => {
  const folder = await makeConsole(t);
  const token = { name: 'ada', sha256: 'a'.repeat(64), permission: 'admin' as const };
  for (const options of [
    { console: folder, tokens: [token] },
    { console: folder, tokens: [token], host: '0.0.0.0' },
    { console: folder, host: '0.0.0.0' },
    { console: join(folder, 'missing') },
    { console: join(folder, 'index.html') },
  ])
    await t.throwsAsync(prepare(t, { http: options }).runtime.start(), { code: 'INVALID_REQUEST' });
  t.throws(() => http({ console: '' }), { message: /http\.console must be a non-empty string/ });
});
