import test from 'ava';
import { isProblem, prepare, serve } from './served.ts';

test('what another plugin shows is answered below its runtime, and is no part of the contract', async (t) => {
  const served = prepare(t);
  served.web.onGet('notes', async () => ({ items: [1] }));
  t.throws(() => served.web.onGet('../notes', async () => null), { code: 'INVALID_REQUEST' });
  await served.runtime.start();
  const answer = await fetch(served.url('x/notes'));
  t.is(answer.status, 200);
  t.deepEqual(await answer.json(), { items: [1] });
  const contract = await (await fetch(served.url('/openapi.json'))).text();
  t.false(contract.includes('/x/notes'));
});

test('where nothing is shown there is no route', async (t) => {
  const served = await serve(t);
  isProblem(t, await served.call('x/notes'), 404, 'ROUTE_NOT_FOUND');
});
