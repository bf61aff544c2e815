/** Plugins of workspaces that serve protocols of their own. */
import type { RuntimePlugin } from '@worker-runtime/core';
import type { Permission } from '@worker-runtime/core/scope';
import type { MountHandler, MountPlace } from '@worker-runtime/plugin-http';
import test from 'ava';
import { Browser, makeFolder, parrot, send, start } from './scene.ts';

const mounting = (
  permission: Permission,
  handler: MountHandler,
): RuntimePlugin & { mountOn(place: MountPlace): void } => ({
  name: 'mounting',
  apply: () => {},
  mountOn: (place) => place.mount('notes', permission, handler),
});

const workersOf: MountHandler = async (request, { caller, served }) => {
  if (request.method === 'POST') await served.createWorker({ engine: 'parrot', workerId: 'made' });
  const { items } = await served.listWorkers();
  return Response.json({
    who: caller.name,
    workers: items.map(({ workerId }) => workerId),
    path: new URL(request.url).pathname,
  });
};

const NOTES = '/v1/runtimes/self/x/notes';

test('P70: a handler of a workspace is mounted below its prefix, with its runtime and its caller, and in no other one', async (t) => {
  const backend = await start(t, await makeFolder(t), {
    workspaces: {
      default: { plugins: [parrot(), mounting('admin', workersOf)] },
      acme: { plugins: [parrot(), mounting('observe', workersOf)] },
      plain: {},
    },
  });
  await backend.runtime('acme').createWorker({ engine: 'parrot', workerId: 'ada' });
  const root = await Browser.login(backend);
  t.deepEqual((await root.send(NOTES)).body, { who: 'root', workers: [], path: NOTES });
  t.deepEqual((await root.send(`/w/acme${NOTES}`)).body, {
    who: 'root',
    workers: ['ada'],
    path: `/w/acme${NOTES}`,
  });
  t.is((await root.send(`/w/plain${NOTES}`)).body.code, 'ROUTE_NOT_FOUND');
  t.is((await send(backend.url + NOTES)).body.code, 'UNAUTHENTICATED');

  // each workspace has a permission of its own
  const token = await root.token({ name: 'reader', permission: 'observe' });
  const headers = { authorization: `Bearer ${token}` };
  t.is((await send(backend.url + NOTES, 'GET', undefined, headers)).body.code, 'FORBIDDEN');
  t.is((await send(`${backend.url}/w/acme${NOTES}`, 'GET', undefined, headers)).status, 200);
  t.is((await send(`${backend.url}/w/acme${NOTES}`, 'POST', {}, headers)).body.code, 'FORBIDDEN');

  // with a cookie, only pages of the backend command
  const foreign = { ...root.headers, origin: 'https://evil.example' };
  t.is((await send(backend.url + NOTES, 'POST', {}, foreign)).body.code, 'FORBIDDEN');
  t.deepEqual((await root.send(NOTES, 'POST', {})).body.workers, ['made']);
});

test('P59: commands through a handler count as inputs of their person', async (t) => {
  const backend = await start(t, await makeFolder(t), {
    workspaces: { default: { plugins: [parrot(), mounting('observe', () => new Response('done'))] } },
    policy: () => ({ permissions: ['operate'], workers: '*', runtimes: '*', limits: { inputsAMinute: 2 } }),
  });
  const ada = await Browser.login(backend, { name: 'ada', groups: [] });
  for (const status of [200, 200, 429]) t.is((await ada.send(`${NOTES}/chat`, 'POST', {})).status, status);
  t.is((await ada.send(NOTES)).status, 200);
  // a handler may take other methods for commands, and a removal gives no work
  for (const method of ['PUT', 'PATCH']) t.is((await ada.send(NOTES, method, {})).body.code, 'LIMIT_REACHED');
  t.is((await ada.send(NOTES, 'DELETE')).status, 200);
});
