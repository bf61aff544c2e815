/** The limits of a grant. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { type Policy, readPolicy } from '../src/index.ts';
import { Browser, makeFolder, send, start } from './scene.ts';

const WORKERS = '/v1/runtimes/self/workers';

const policy =
  (limits: object): Policy =>
  () => ({
    permissions: ['admin'],
    workers: '*',
    runtimes: '*',
    limits,
  });

test('a person has as many Workers as the grant allows: at once, after deletions, and after a restart', async (t) => {
  const folder = await makeFolder(t);
  const config = { policy: policy({ workers: 3 }), workspaces: { default: {}, acme: {} } };
  const backend = await start(t, folder, config);
  const ada = await Browser.login(backend, { name: 'ada', groups: [] });
  const bea = await Browser.login(backend, { name: 'bea', groups: [] });
  const create = (browser: Browser, request: object = {}, path = WORKERS) =>
    browser.send(path, 'POST', { engine: 'parrot', ...request });
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, at) => create(ada, { workerId: `a${at}` })),
  );
  const created = answers.filter(({ status }) => status === 201);
  t.is(created.length, 3);
  for (const { status, body } of answers)
    if (status !== 201)
      t.deepEqual([body.code, body.details], ['LIMIT_REACHED', { limit: 'grant.workers', value: 3 }]);
  // a refused creation takes no place, and each person and workspace has its own
  t.is((await create(bea, { engine: 'nowhere' })).body.code, 'ENGINE_UNKNOWN');
  for (let count = 0; count < 3; count++) t.is((await create(bea)).status, 201);
  t.is((await create(bea)).body.code, 'LIMIT_REACHED');
  t.is((await create(ada, {}, `/w/acme${WORKERS}`)).status, 201);
  const { workerId } = created[0]?.body ?? {};
  await ada.send(`${WORKERS}/${workerId}/stop`, 'POST');
  t.is((await create(ada)).body.code, 'LIMIT_REACHED');
  t.is((await ada.send(`${WORKERS}/${workerId}`, 'DELETE')).status, 204);
  // a creation that is sent again is the same one, also at the limit
  const keyed = () =>
    send(backend.url + WORKERS, 'POST', { engine: 'parrot' }, { ...ada.headers, 'idempotency-key': 'k' });
  const [first, again] = [await keyed(), await keyed()];
  t.is(first.status, 201);
  t.is(again.body.workerId, first.body.workerId);
  await backend.stop();
  const second = await start(t, folder, config);
  const later = new Browser(second.url, ada.cookie);
  t.is((await create(later)).body.code, 'LIMIT_REACHED');
});

test('inputs and creations within a minute are limited for a person, over all sessions and tokens', async (t) => {
  const backend = await start(t, await makeFolder(t), { policy: policy({ inputsAMinute: 4 }) });
  const ada = await Browser.login(backend, { name: 'ada', groups: [] });
  const bea = await Browser.login(backend, { name: 'bea', groups: [] });
  const authorization = `Bearer ${await ada.token()}`;
  t.deepEqual((await ada.send('/v1/backend')).body.caller.limits, { inputsAMinute: 4 });
  t.is((await ada.send(WORKERS, 'POST', { engine: 'parrot', workerId: 'a' })).status, 201);
  const input = (text: string) => ada.send(`${WORKERS}/a/inputs?`, 'POST', { text, whenBusy: 'queue' });
  t.is((await input('one')).status, 202);
  t.is((await input('')).body.code, 'INVALID_REQUEST');
  const byToken = () =>
    send(`${backend.url}${WORKERS}/a/inputs`, 'POST', { text: 'x', whenBusy: 'queue' }, { authorization });
  t.is((await byToken()).status, 202);
  const refused = await byToken();
  t.deepEqual([refused.status, refused.body.code], [429, 'LIMIT_REACHED']);
  t.truthy(refused.headers.get('retry-after'));
  t.is((await input('one more')).body.code, 'LIMIT_REACHED');
  t.is((await ada.send(WORKERS, 'POST', { engine: 'parrot' })).body.code, 'LIMIT_REACHED');
  // other commands, reads and other people are not limited
  t.is((await ada.send(`${WORKERS}/a/stop`, 'POST')).status, 200);
  t.is((await ada.send(WORKERS)).status, 200);
  t.is((await bea.send(WORKERS, 'POST', { engine: 'parrot' })).status, 201);
});

test('limits that are none are refused with their place, or allow nothing', async (t) => {
  const folder = await makeFolder(t);
  const path = join(folder, 'policy.json');
  for (const limits of [7, [], { streams: 1 }, { workers: -1 }, { workers: 1.5 }, { inputsAMinute: '9' }]) {
    await writeFile(
      path,
      JSON.stringify({ grants: [{ to: ['*'], workspace: '*', may: 'observe', limits }] }),
    );
    t.throws(() => readPolicy(path), { message: /\/grants\/0: limits must have whole numbers/ });
  }
  const backend = await start(t, folder, { policy: policy({ workers: 'many' }) });
  const ada = await Browser.login(backend, { name: 'ada', groups: [] });
  t.is((await ada.send('/v1/backend')).body.code, 'FORBIDDEN');
});
