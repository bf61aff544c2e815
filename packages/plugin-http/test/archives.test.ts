import { createHash } from 'node:crypto';
import { engine } from '@worker-runtime/core';
import test from 'ava';
import { isProblem, prepare, serve } from './served.ts';

const sha256 = (token: string): string => createHash('sha256').update(token).digest('hex');
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
const tokens = [
  { name: 'operator', sha256: sha256('operates'), permission: 'operate' },
  { name: 'admin', sha256: sha256('manages'), permission: 'admin' },
  { name: 'blue', sha256: sha256('blue'), permission: 'admin', workers: [{ team: 'blue' }] },
] as const;

test('P75: archives are for callers with the permission admin for all Workers, and every other request is refused', async (t) => {
  const { call, runtime } = prepare(t, { http: { tokens } });
  await runtime.start();
  const paths = [
    '',
    '/workers',
    '/workers/ada',
    '/history?olderThanMs=1',
    '/workers/ada/history?through=1',
  ].map((path) => `x/archives${path}`);
  for (const path of paths) {
    isProblem(t, await call(path, bearer('operates')), 403, 'FORBIDDEN');
    isProblem(t, await call(path, bearer('blue')), 403, 'FORBIDDEN');
  }
  const whole = await call('x/archives', bearer('manages'));
  t.is(whole.status, 200);
  t.is(whole.headers.get('content-type'), 'application/vnd.worker-runtime.archive');
  t.true(whole.text.startsWith('worker-runtime archive 1\n'));
  t.deepEqual((await call('x/archives/workers', bearer('manages'))).body.items, []);
  t.deepEqual((await call('x/archives/history?olderThanMs=1', bearer('manages'))).body.items, []);
  const refused = [
    ['GET', 'x/archives/workers/ada', 404, 'WORKER_NOT_FOUND'],
    ['GET', 'x/archives/other', 404, 'ROUTE_NOT_FOUND'],
    ['GET', 'x/archives/workers/ada/more', 404, 'ROUTE_NOT_FOUND'],
    ['GET', 'x/archives/workers?leastBytes=-1', 400, 'INVALID_REQUEST'],
    ['GET', 'x/archives/workers?label=team', 400, 'INVALID_REQUEST'],
    // these lists decide what is removed: a condition that is not understood must not be left out
    ['GET', 'x/archives/workers?stopedForMs=1', 400, 'INVALID_REQUEST'],
    ['GET', 'x/archives/workers?stoppedForMs=1&stoppedForMs=2', 400, 'INVALID_REQUEST'],
    ['GET', 'x/archives/workers?label=team=blue&label=team=red', 400, 'INVALID_REQUEST'],
    ['GET', 'x/archives/history?olderThanMs=1&workerId=ada', 400, 'INVALID_REQUEST'],
    ['GET', 'x/archives/history?olderThanMs=1&worker=ada&worker=bob', 400, 'INVALID_REQUEST'],
    ['GET', 'x/archives?worker=ada', 400, 'INVALID_REQUEST'],
    ['GET', 'x/archives/workers/ada/history?through=4&from=2', 400, 'INVALID_REQUEST'],
    ['DELETE', 'x/archives/workers/ada?log=log_1&seq=4&through=4', 400, 'INVALID_REQUEST'],
    ['GET', 'x/archives/workers?after=nonsense', 400, 'CURSOR_INVALID'],
    ['DELETE', 'x/archives/workers/ada', 400, 'INVALID_REQUEST'],
    ['DELETE', 'x/archives/workers/ada?log=log_1&seq=4', 404, 'WORKER_NOT_FOUND'],
    ['GET', 'x/archives/history', 400, 'INVALID_REQUEST'],
    ['GET', 'x/archives/history?beforeSeq=0', 400, 'INVALID_REQUEST'],
    ['GET', 'x/archives/history?beforeSeq=2&worker=ada', 404, 'WORKER_NOT_FOUND'],
    ['GET', 'x/archives/history/ada?beforeSeq=2', 404, 'ROUTE_NOT_FOUND'],
    ['DELETE', 'x/archives/history', 405, 'METHOD_NOT_ALLOWED'],
    ['GET', 'x/archives/workers/ada/history', 400, 'INVALID_REQUEST'],
    ['GET', 'x/archives/workers/ada/history?through=4', 404, 'WORKER_NOT_FOUND'],
    ['GET', 'x/archives/workers/ada/history/more', 404, 'ROUTE_NOT_FOUND'],
    ['DELETE', 'x/archives/workers/ada/history?through=4', 400, 'INVALID_REQUEST'],
    ['DELETE', 'x/archives/workers/ada/history?through=4&log=log_1&archive=a', 404, 'WORKER_NOT_FOUND'],
    ['DELETE', 'x/archives', 405, 'METHOD_NOT_ALLOWED'],
    ['POST', 'x/archives', 405, 'METHOD_NOT_ALLOWED'],
    ['POST', 'x/archives/workers', 400, 'ARCHIVE_CORRUPT'],
  ] as const;
  for (const [method, path, status, code] of refused) {
    const answer = await call(path, { method, ...bearer('manages') });
    isProblem(t, answer, status, code);
    t.is(answer.headers.get('allow'), status === 405 ? 'GET' : null);
  }
});

test('P85: a call that needs archived events is 410, as the document says', async (t) => {
  const deaf = engine('deaf', async function* () {}, {
    placement: 'backendInternal',
    forks: true,
    readsHistory: false,
  });
  const { call, runtime } = await serve(t, {
    plugins: [{ name: 'deaf', apply: (host) => host.useEngine(deaf) }],
  });
  await runtime.createWorker({ engine: 'deaf', workerId: 'ada' });
  const keyed = { idempotencyKey: 'first', waitMs: 10_000 };
  await runtime.sendInput('ada', { text: 'one' }, keyed);
  await runtime.sendInput('ada', { text: 'two' }, { waitMs: 10_000 });
  const { items } = await runtime.archives.listHistory({ beforeSeq: Number.MAX_SAFE_INTEGER });
  for (const { workerId, log, throughSeq } of items)
    await runtime.archives.removeHistory(workerId, { log, throughSeq, archive: 'ada.archive' });
  for (const path of ['events?after=start', 'transcript', 'events?after=@1', 'transcript?after=@2'])
    isProblem(t, await call(`workers/ada/${path}`), 410, 'CURSOR_EXPIRED');
  isProblem(t, await call('workers/ada/fork', { method: 'POST' }), 410, 'CURSOR_EXPIRED');
  const headers = { 'idempotency-key': 'first' };
  const repeated = await call('workers/ada/inputs', { method: 'POST', body: { text: 'one' }, headers });
  isProblem(t, repeated, 410, 'CURSOR_EXPIRED');
});
