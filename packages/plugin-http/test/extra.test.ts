import test from 'ava';
import { contract } from './contract.ts';
import { isProblem, prepare, serve } from './served.ts';

test('a resource of another plugin is served below the runtime, as the document describes', async (t) => {
  const served = prepare(t);
  served.web.onGet('notes', async () => ({ items: [1] }));
  t.throws(() => served.web.onGet('../notes', async () => null), { code: 'INVALID_REQUEST' });
  await served.runtime.start();
  // `call` checks every response against the document
  const answer = await served.call('x/notes');
  t.is(answer.status, 200);
  t.deepEqual(answer.body, { items: [1] });
  isProblem(t, await served.call('x/other'), 404, 'ROUTE_NOT_FOUND');
  isProblem(t, await served.call('x/notes', { method: 'POST', body: {} }), 405, 'METHOD_NOT_ALLOWED');
  t.is(contract.paths['/v1/runtimes/{r}/x/{name}']?.get?.operationId, 'getExtra');
});

test('without a plugin resource the path is unknown', async (t) => {
  const served = await serve(t);
  isProblem(t, await served.call('x/notes'), 404, 'ROUTE_NOT_FOUND');
});
