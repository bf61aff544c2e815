/** Tests of tokens with a scope, byte by byte. Clients run the contract of scopes. */
import { createHash } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import type { Token } from '../src/index.ts';
import { allRoutes } from './all-routes.ts';
import { isProblem, type Served, serve } from './served.ts';
import { SseClient } from './sse-client.ts';

const tokenOf = (name: string, more: Partial<Token> = {}): Token => ({
  name,
  sha256: createHash('sha256').update(name).digest('hex'),
  permission: 'admin',
  ...more,
});
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const blue = tokenOf('blue', { workers: [{ team: 'blue' }], stamp: { team: 'blue' } });

/** Starts a server with a Worker of each team. Both ids are as long as the one of no Worker. */
const scene = async (t: ExecutionContext, tokens: readonly Token[]): Promise<Served> => {
  const served = await serve(t, { http: { tokens } });
  for (const [workerId, team] of [
    ['own-1', 'blue'],
    ['red-1', 'red'],
  ] as const) {
    await served.runtime.createWorker({ engine: 'puppet', workerId, labels: { team } });
    await served.runtime.sendInput(workerId, { text: 'hello' });
  }
  return served;
};

/** Bodies that a route accepts, so that the Worker decides about the answer. */
const BODIES: Readonly<Record<string, unknown>> = {
  'POST /v1/runtimes/:r/workers/:w/inputs': { text: 'hello' },
  'POST /v1/runtimes/:r/workers/:w/requests/:q/response': { decision: 'yes' },
  'PATCH /v1/runtimes/:r/workers/:w': { displayName: 'Ada' },
};

test('P31: each route answers for a Worker outside of the scope byte for byte as for no Worker', async (t) => {
  const { url } = await scene(t, [blue]);
  const answerFor = async (route: string, path: string, workerId: string, accept: string) => {
    const [method = ''] = route.split(' ');
    const body = BODIES[route];
    const at = path
      .replace(':r', 'self')
      .replace(':w', workerId)
      .replace(/:[a-z]+/g, 'x');
    const answer = await fetch(url(at), {
      method,
      headers: {
        ...bearer('blue'),
        accept,
        'x-request-id': 'the-same',
        'idempotency-key': 'the-same',
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const { date: _, ...headers } = Object.fromEntries(answer.headers);
    return JSON.stringify([answer.status, headers, await answer.text()]).replaceAll(workerId, '<id>');
  };
  const routes = allRoutes().filter(({ path }) => path.includes('/:w'));
  t.true(routes.length > 15);
  for (const { method, path } of routes)
    for (const accept of ['application/json', 'text/event-stream']) {
      const route = `${method} ${path}`;
      const foreign = await answerFor(route, path, 'red-1', accept);
      t.is(foreign, await answerFor(route, path, 'nil-1', accept), route);
      if (accept === 'application/json')
        t.not(foreign, await answerFor(route, path, 'own-1', accept), `${route} of an own Worker`);
    }
});

test('P31: a caller with a scope gets no answer about all Workers', async (t) => {
  const { call } = await scene(t, [blue, tokenOf('all')]);
  isProblem(t, await call('/metrics', { headers: bearer('blue') }), 403, 'FORBIDDEN');
  t.is((await call('/metrics', { headers: bearer('all') })).status, 200);
  const { body } = await call('/v1/runtimes', { headers: bearer('blue') });
  t.is(body.items[0].summary.workers.total, 1);
  t.is((await call('/v1/runtimes', { headers: bearer('all') })).body.items[0].summary.workers.total, 2);
});

test('a Worker that a token creates has its stamp', async (t) => {
  const { call } = await scene(t, [blue]);
  const create = (labels: object) =>
    call('workers', { method: 'POST', body: { engine: 'puppet', labels }, headers: bearer('blue') });
  t.deepEqual((await create({ task: 'x' })).body.labels, { task: 'x', team: 'blue' });
  isProblem(t, await create({ team: 'red' }), 400, 'INVALID_REQUEST');
});

test('a token ends at its time: requests are refused, and an open stream is closed as retryable', async (t) => {
  const soon = new Date(Date.now() + 6_000).toISOString();
  const { call, url } = await scene(t, [tokenOf('brief', { expiresAt: soon })]);
  const stream = await SseClient.open(url('workers/own-1/events'), bearer('brief'));
  const watch = await SseClient.open(url('watch'), bearer('brief'));
  for (const open of [stream, watch]) {
    const frames = await open.until(({ event }) => event === 'closing');
    t.is(frames.at(-1)?.data.reason, 'AUTHORITY_EXPIRED');
    t.deepEqual(await open.rest(), []);
  }
  const refused = await call('workers', { headers: bearer('brief') });
  isProblem(t, refused, 401, 'UNAUTHENTICATED');
  t.regex(refused.body.detail, /expired/);
});
