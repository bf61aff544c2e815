import { createHash } from 'node:crypto';
import { request } from 'node:http';
import test from 'ava';
import { type Answer, isProblem, type Served, serveAda } from './served.ts';

const BYTES = Uint8Array.from({ length: 300_000 }, (_, at) => (at * 7 + (at >> 8)) & 255);
const DIGEST = `sha256-${createHash('sha256').update(BYTES).digest('hex')}`;

/** Uploads bytes to a path below the runtime. `call` of the server sends JSON only. */
const upload = async (
  { url }: Served,
  path: string,
  body: Uint8Array | string,
  headers: Readonly<Record<string, string>> = { 'content-type': 'image/png' },
): Promise<Answer> => {
  const answer = await fetch(url(path), { method: 'POST', headers, body: body as Uint8Array<ArrayBuffer> });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, text, body: JSON.parse(text) };
};

test('P56: a file is uploaded as its bytes, and downloaded with its type', async (t) => {
  const served = await serveAda(t);
  const put = await upload(served, 'workers/ada/files?name=a%20b%E2%9C%93.png', BYTES);
  t.is(put.status, 200, put.text);
  const part = { type: 'file', digest: DIGEST, mediaType: 'image/png', sizeBytes: BYTES.length };
  t.deepEqual(put.body, { ...part, name: 'a b\u2713.png' });
  const got = await fetch(served.url(`workers/ada/files/${DIGEST}`));
  t.is(got.status, 200);
  t.true(Buffer.from(await got.arrayBuffer()).equals(BYTES));
  t.deepEqual(
    [
      'content-type',
      'content-length',
      'file-media-type',
      'content-disposition',
      'x-content-type-options',
      'content-security-policy',
      'cache-control',
    ].map((name) => got.headers.get(name)),
    [
      'image/png',
      String(BYTES.length),
      'image/png',
      'attachment',
      'nosniff',
      "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox",
      'no-store',
    ],
  );
  const head = await served.call(`workers/ada/files/${DIGEST}`, { method: 'HEAD' });
  t.deepEqual([head.status, head.headers.get('content-type'), head.text], [200, 'image/png', '']);
});

test('only types that run nothing in a browser are served as themselves', async (t) => {
  const served = await serveAda(t);
  const isServed = async (mediaType: string, type = mediaType): Promise<void> => {
    const put = await upload(served, 'workers/ada/files', `bytes of ${mediaType}`, {
      'content-type': mediaType,
    });
    t.is(put.body.mediaType, type, put.text);
    const got = await served.call(`workers/ada/files/${put.body.digest}`);
    t.is(got.headers.get('file-media-type'), type);
    t.is(got.text, `bytes of ${mediaType}`);
    const isShown = ![
      'text/html',
      'image/svg+xml',
      'application/xhtml+xml',
      'text/xml',
      'text/javascript',
      'application/json',
      'multipart/related',
      'x/y',
    ].includes(type);
    const shown = type === 'text/plain' ? 'text/plain; charset=utf-8' : type;
    t.is(got.headers.get('content-type'), isShown ? shown : 'application/octet-stream', type);
  };
  for (const mediaType of [
    'image/webp',
    'application/pdf',
    'audio/wav',
    'text/plain',
    'text/html',
    'image/svg+xml',
  ])
    await isServed(mediaType);
  for (const mediaType of [
    'application/xhtml+xml',
    'text/xml',
    'text/javascript',
    'application/json',
    'multipart/related',
    'x/y',
  ])
    await isServed(mediaType);
  await isServed('TEXT/HTML; charset=utf-16', 'text/html');
});

test('P23: an upload has the limit of a file, and not the one of other bodies', async (t) => {
  const served = await serveAda(t, { http: { bodyBytes: 1_000 }, limits: { fileBytes: 2_000 } });
  t.is((await upload(served, 'workers/ada/files', BYTES.subarray(0, 2_000))).status, 200);
  const large = await upload(served, 'workers/ada/files', BYTES.subarray(0, 2_001));
  isProblem(t, large, 413, 'PAYLOAD_TOO_LARGE');
  t.deepEqual(large.body.details, { limit: 'fileBytes', value: 2_000 });
  // the length of these is not announced
  const chunked = async (size: number) => {
    const answer = await fetch(served.url('workers/ada/files'), {
      method: 'POST',
      headers: { 'content-type': 'image/png' },
      body: ReadableStream.from([BYTES.subarray(0, 1_500), BYTES.subarray(1_500, size)]),
      duplex: 'half',
    } as RequestInit);
    return [answer.status, ((await answer.json()) as { readonly details?: unknown }).details];
  };
  t.deepEqual(await chunked(2_000), [200, undefined]);
  t.deepEqual(await chunked(2_001), [413, { limit: 'fileBytes', value: 2_000 }]);
  const input = await served.call('workers/ada/inputs', {
    method: 'POST',
    body: { text: 'x'.repeat(1_000) },
  });
  t.deepEqual(input.body.details, { limit: 'bodyBytes', value: 1_000 });
});

test('P23: an upload in progress counts to the limit of all bodies', async (t) => {
  const served = await serveAda(t, { http: { bodyBytes: 1_000 } });
  const { hostname, port } = new URL(served.web.url);
  const path = '/v1/runtimes/self/workers/ada/files';
  const headers = { 'content-type': 'image/png', 'content-length': String(BYTES.length) };
  const slow = request({ hostname, port, path, method: 'POST', headers });
  slow.on('error', () => {});
  t.teardown(() => slow.destroy());
  await new Promise<void>((resolve) => void slow.write(BYTES.subarray(0, 1), () => resolve()));
  let counted = 0;
  while (counted === 0) {
    const { text } = await served.call('/metrics');
    counted = Number(/^\w*http_body_bytes (\d+)$/m.exec(text)?.[1] ?? 0);
  }
  // the size that its head announces, although most of it has not arrived
  t.is(counted, BYTES.length);
});

test('an upload that cannot be a file is refused', async (t) => {
  const served = await serveAda(t);
  const refused = async (path: string, body: string, headers: Readonly<Record<string, string>>) =>
    isProblem(t, await upload(served, path, body, headers), 400, 'INVALID_REQUEST');
  for (const type of ['image', ''])
    isProblem(
      t,
      await upload(served, 'workers/ada/files', 'x', { 'content-type': type }),
      415,
      'UNSUPPORTED_MEDIA_TYPE',
    );
  await refused('workers/ada/files', 'x', { 'content-type': 'image/*' });
  await refused('workers/ada/files', '', { 'content-type': 'image/png' });
  await refused('workers/ada/files?name=a%2Fb', 'x', { 'content-type': 'image/png' });
  await refused('workers/ada/files?name=', 'x', { 'content-type': 'image/png' });
  await refused('workers/ada/files?name=a&name=b', 'x', { 'content-type': 'image/png' });
  await refused('workers/ada/files?nama=a', 'x', { 'content-type': 'image/png' });
  isProblem(t, await upload(served, 'workers/bob/files', 'x'), 404, 'WORKER_NOT_FOUND');
  isProblem(t, await served.call(`workers/ada/files/${DIGEST}`), 404, 'FILE_NOT_FOUND');
  const zipped = await upload(served, 'workers/ada/files', 'x', {
    'content-type': 'image/png',
    'content-encoding': 'gzip',
  });
  isProblem(t, zipped, 415, 'UNSUPPORTED_MEDIA_TYPE');
});

test('reading a file needs the permission to observe, and an upload the one to operate', async (t) => {
  const token = (permission: 'observe' | 'answer' | 'operate') => ({
    name: permission,
    sha256: createHash('sha256').update(permission).digest('hex'),
    permission,
  });
  const tokens = [token('observe'), token('answer'), token('operate')];
  const served = await serveAda(t, { http: { tokens } });
  const as = (permission: string) => ({ authorization: `Bearer ${permission}` });
  const file = (permission: string) =>
    upload(served, 'workers/ada/files', 'x', { 'content-type': 'image/png', ...as(permission) });
  isProblem(t, await file('observe'), 403, 'FORBIDDEN');
  isProblem(t, await file('answer'), 403, 'FORBIDDEN');
  const { digest } = (await file('operate')).body;
  const read = await served.call(`workers/ada/files/${digest}`, { headers: as('observe') });
  t.deepEqual([read.status, read.text], [200, 'x']);
  isProblem(t, await served.call(`workers/ada/files/${digest}`), 401, 'UNAUTHENTICATED');
});
