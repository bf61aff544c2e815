/** The policy: a decision is a scope. */
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { RuntimeError, type RuntimePlugin } from '@worker-runtime/core';
import { scriptedEngine } from '@worker-runtime/core/testing';
import test from 'ava';
import { explain, type Policy, readPolicy } from '../src/index.ts';
import {
  Browser,
  keptLog,
  makeFolder,
  OPERATOR,
  parrot,
  scripted,
  send,
  start,
  startRemote,
} from './scene.ts';

const GRANTS = [
  { to: ['group:operators'], workspace: '*', may: 'admin' },
  { to: ['group:team-a'], workspace: 'default', may: ['operate', 'answer'], workers: [{ team: 'a' }] },
  { to: ['bea'], workspace: ['default', 'acme'], may: 'operate', workers: [{ owner: '$caller' }] },
  { to: ['*'], workspace: 'default', may: 'observe', workers: [{ shared: 'yes' }] },
];

const idsOf = ({ body }: { readonly body: { readonly items?: readonly { readonly workerId: string }[] } }) =>
  (body.items ?? []).map(({ workerId }) => workerId).sort();

test('the first rule that fits is the decision, and lists, counts and commands follow from it', async (t) => {
  const folder = await makeFolder(t);
  await writeFile(join(folder, 'policy.json'), JSON.stringify({ grants: GRANTS }), { mode: 0o644 });
  const backend = await start(t, folder, { policy: 'policy.json', workspaces: { default: {}, acme: {} } });
  const [root, ada, bea, eve] = await Promise.all([
    Browser.login(backend, OPERATOR),
    Browser.login(backend, { name: 'ada', groups: ['team-a', 'team-x'] }),
    Browser.login(backend, { name: 'bea', groups: [] }),
    Browser.login(backend, { name: 'eve', groups: [] }),
  ]);
  const workers = '/v1/runtimes/self/workers';
  for (const [workerId, labels] of Object.entries({ a1: { team: 'a' }, s1: { shared: 'yes' }, x1: {} }))
    await root.send(workers, 'POST', { engine: 'parrot', workerId, labels });
  t.is((await bea.send(workers, 'POST', { engine: 'parrot', workerId: 'b1' })).status, 201);
  t.deepEqual(idsOf(await root.send(workers)), ['a1', 'b1', 's1', 'x1']);
  t.deepEqual(idsOf(await ada.send(workers)), ['a1']);
  t.deepEqual(idsOf(await bea.send(workers)), ['b1']);
  t.deepEqual(idsOf(await eve.send(workers)), ['s1']);
  t.is((await eve.send('/v1/runtimes/self')).body.workers.total, 1);
  t.is((await eve.send(workers, 'POST', { engine: 'parrot' })).body.code, 'FORBIDDEN');
  t.is((await ada.send(`${workers}/s1/inputs`, 'POST', { text: 'x' })).body.code, 'WORKER_NOT_FOUND');
  t.is((await ada.send(`${workers}/a1/inputs`, 'POST', { text: 'x' })).status, 202);
  t.is((await ada.send('/w/acme/v1/backend')).body.code, 'ROUTE_NOT_FOUND');
  t.is((await bea.send('/w/acme/v1/backend')).body.caller.workers[0].owner, 'bea');
});

test('the labels workspace and owner are stamped, and no caller can choose or change them', async (t) => {
  const backend = await start(t, await makeFolder(t), { workspaces: { default: {}, acme: {} } });
  const root = await Browser.login(backend);
  const workers = '/w/acme/v1/runtimes/self/workers';
  const { body } = await root.send(workers, 'POST', {
    engine: 'parrot',
    workerId: 'ada',
    labels: { team: 'a' },
  });
  t.deepEqual(body.labels, { team: 'a', workspace: 'acme', owner: 'root' });
  for (const labels of [{ owner: 'eve' }, { workspace: 'default' }]) {
    t.is((await root.send(workers, 'POST', { engine: 'parrot', labels })).body.code, 'INVALID_REQUEST');
    t.is((await root.send(`${workers}/ada`, 'PATCH', { labels })).body.code, 'INVALID_REQUEST');
  }
  const changed = (await root.send(`${workers}/ada`, 'PATCH', { labels: { team: 'b' } })).body.labels;
  t.deepEqual(changed, { team: 'b', workspace: 'acme', owner: 'root' });
  const [event] = (await root.send(`${workers}/ada/events?types=worker.created`)).body.items;
  t.is(event.data.actor ?? event.actor, 'root');
});

test('no caller gives a Worker without an owner to someone, or takes it', async (t) => {
  const backend = await start(t, await makeFolder(t));
  const root = await Browser.login(backend);
  await backend.runtime().createWorker({ engine: 'parrot', workerId: 'old', labels: { team: 'a' } });
  const patch = (labels: object) => root.send(`${WORKERS}/old`, 'PATCH', { labels });
  for (const labels of [{ owner: 'eve' }, { owner: 'root' }, { team: 'a', workspace: 'other' }])
    t.is((await patch(labels)).body.code, 'INVALID_REQUEST', JSON.stringify(labels));
  t.deepEqual((await patch({ team: 'b' })).body.labels, { team: 'b' });
});

test('a changed file is read again: streams end, and the next request is decided by it; a broken one changes nothing', async (t) => {
  const folder = await makeFolder(t);
  const path = join(folder, 'policy.json');
  const write = (may: string) =>
    writeFile(path, JSON.stringify({ grants: [{ to: ['ada'], workspace: '*', may }] }), { mode: 0o644 });
  await write('operate');
  const { log, lines } = keptLog();
  const logged = async (text: string) => {
    while (!lines.some((line) => line.includes(text))) await delay(20);
  };
  const backend = await start(t, folder, { policy: path }, { log });
  const ada = await Browser.login(backend, { name: 'ada', groups: [] });
  const create = () => ada.send('/v1/runtimes/self/workers', 'POST', { engine: 'parrot' });
  t.is((await create()).status, 201);
  const watch = await fetch(`${backend.url}/v1/runtimes/self/watch`, {
    headers: { ...ada.headers, accept: 'text/event-stream' },
  });
  await write('observe');
  t.regex(await watch.text(), /AUTHORITY_EXPIRED/);
  t.is((await create()).body.code, 'FORBIDDEN');
  await writeFile(path, '{ "grants": [ { "to": ["ada"], "workspace": "*", "may": "everything" } ] }');
  await logged('the rules of the policy are unchanged');
  t.is((await ada.send('/v1/backend')).status, 200);
  await write('operate');
  while ((await create()).status !== 201) await delay(20);
  t.pass();
});

test('a policy that throws, returns nonsense or takes too long allows nothing, and says so in the log', async (t) => {
  const { log, lines } = keptLog();
  const backend = await start(
    t,
    await makeFolder(t),
    {
      policy: ({ name }) => {
        if (name === 'throws') throw new Error('canary of the policy');
        if (name === 'slow') return new Promise(() => {});
        if (name === 'nonsense') return { permissions: ['root'], workers: '*', runtimes: '*' } as never;
        return name === 'later'
          ? delay(20).then(() => ({
              permissions: ['observe'] as const,
              workers: '*' as const,
              runtimes: '*' as const,
            }))
          : null;
      },
    },
    { log },
  );
  for (const name of ['throws', 'slow', 'nonsense']) {
    const { body, text } = await (await Browser.login(backend, { name, groups: [] })).send(
      '/v1/runtimes/self/workers',
    );
    t.is(body.code, 'FORBIDDEN', name);
    t.false(text.includes('canary'));
  }
  t.is(lines.filter((line) => line.includes('the policy failed')).length, 3);
  t.is((await (await Browser.login(backend, { name: 'later', groups: [] })).send('/v1/backend')).status, 200);
  t.is(
    (await (await Browser.login(backend, { name: 'nobody', groups: [] })).send('/v1/backend')).status,
    404,
  );
});

test('a list of workspaces and the metrics ask the policy a few questions at a time, and once in a minute', async (t) => {
  const ids = Array.from({ length: 20 }, (_, at) => `w${at}`);
  let asked = 0;
  let atOnce = 0;
  let most = 0;
  const backend = await start(t, await makeFolder(t), {
    workspaces: Object.fromEntries(['default', ...ids].map((id) => [id, {}])),
    policy: async ({ name }, workspace) => {
      asked += 1;
      atOnce += 1;
      most = Math.max(most, atOnce);
      await nextTurn();
      atOnce -= 1;
      return name === 'ada' && workspace === 'w7'
        ? null
        : { permissions: ['admin'], workers: '*', runtimes: '*' };
    },
  });
  const [ada, bea] = [
    await Browser.login(backend, { name: 'ada', groups: [] }),
    await Browser.login(backend, { name: 'bea', groups: [] }),
  ];
  for (let round = 0; round < 3; round++) {
    const { items } = (await ada.send('/v1/workspaces')).body;
    t.deepEqual(
      items.map(({ id }: { readonly id: string }) => id),
      ['default', ...ids.filter((id) => id !== 'w7')],
    );
    t.is((await ada.send('/metrics')).status, 403);
    t.is(asked, 21);
  }
  t.is((await bea.send('/metrics')).status, 200);
  t.is((await bea.send('/v1/workspaces')).body.items.length, 21);
  t.is(asked, 42);
  t.true(most > 1 && most <= 8, String(most));
});

test('a file with a mistake is refused with its place', async (t) => {
  const folder = await makeFolder(t);
  const path = join(folder, 'policy.json');
  for (const [grant, expected] of [
    [{ ...GRANTS[0], color: 'red' }, /\/grants\/0: has the unknown field "color"/],
    [{ ...GRANTS[0], to: [] }, /\/grants\/0: to must be/],
    [{ ...GRANTS[0], may: 'everything' }, /\/grants\/0: may must be/],
    [{ ...GRANTS[0], workers: [{}] }, /\/grants\/0: workers must be/],
    [{ ...GRANTS[0], workspace: undefined }, /\/grants\/0: workspace must be/],
    [{ ...GRANTS[0], runtimes: 'gpu' }, /\/grants\/0: runtimes must be/],
  ] as const) {
    await writeFile(path, JSON.stringify({ grants: [grant] }), { mode: 0o644 });
    const error = await t.throwsAsync(readPolicy(path));
    t.true(error instanceof RuntimeError);
    t.regex(error?.message ?? '', expected);
  }
  await writeFile(path, '{');
  await t.throwsAsync(start(t, folder, { policy: path }), { message: /not valid JSON/ });
  await t.throwsAsync(start(t, folder, { policy: 'nowhere.json' }), {
    message: /cannot be opened \(ENOENT\)/,
  });
});

test('an explanation names the rule behind a decision', async (t) => {
  const folder = await makeFolder(t);
  const path = join(folder, 'policy.json');
  await writeFile(path, JSON.stringify({ grants: GRANTS }), { mode: 0o644 });
  const rules = await readPolicy(path);
  t.is(explain(rules, { name: 'ada', groups: ['team-a'] }, 'default').rule, 1);
  t.is(explain(rules, { name: 'ada', groups: [] }, 'default').rule, 3);
  t.deepEqual(explain(rules, { name: 'ada', groups: [] }, 'acme'), { rule: null, grant: null });
  t.deepEqual(explain(rules, { name: 'team-a', groups: [] }, 'default').rule, 3);
});

const WORKERS = '/v1/runtimes/self/workers';

const limitedTo =
  (limits: object): Policy =>
  () => ({
    permissions: ['admin'],
    workers: '*',
    runtimes: '*',
    limits,
  });

test('P59: a person has as many Workers as the grant allows: at once, after deletions, and after a restart', async (t) => {
  const folder = await makeFolder(t);
  const config = { policy: limitedTo({ workers: 3 }), workspaces: { default: {}, acme: {} } };
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

test('P112: a child, a Worker from an archive and one that changes its owner count for their owners', async (t) => {
  const child = { type: 'create-child', spec: { engine: 'scripted', workerId: 'child' } } as const;
  const engine = scriptedEngine(() => [child]);
  const parent: RuntimePlugin = { name: 'parent', apply: (host) => host.useEngine(engine) };
  const backend = await start(t, await makeFolder(t), {
    policy: limitedTo({ workers: 2 }),
    workspaces: { default: { plugins: [parrot(), parent] } },
  });
  const runtime = backend.runtime();
  const ada = await Browser.login(backend, { name: 'ada', groups: [] });
  const bea = await Browser.login(backend, { name: 'bea', groups: [] });
  const create = async (person: Browser, workerId: string, engine = 'parrot') => {
    const { status, body } = await person.send(WORKERS, 'POST', { engine, workerId });
    return status === 201 ? status : body.code;
  };
  // an archive
  t.is(await create(ada, 'a1'), 201);
  await runtime.stopWorker('a1');
  const pieces: Uint8Array[] = [];
  for await (const piece of runtime.archives.open('a1')) pieces.push(piece);
  await runtime.deleteWorker('a1');
  await runtime.archives.put(Buffer.concat(pieces));
  t.is(await create(ada, 'a2'), 201);
  t.is(await create(ada, 'a3'), 'LIMIT_REACHED');
  await runtime.deleteWorker('a1');
  t.is(await create(ada, 'a3'), 201);
  const full = await t.throwsAsync(runtime.archives.put(Buffer.concat(pieces)));
  t.like(full, { code: 'LIMIT_REACHED', details: { limit: 'grant.workers', value: 2 } });
  // another owner
  const { labels } = await runtime.getWorker('a3');
  await runtime.updateWorker('a3', { labels: { ...labels, owner: 'bea' } });
  t.is(await create(ada, 'a4', 'scripted'), 201);
  t.is(await create(bea, 'b1'), 201);
  t.is(await create(bea, 'b2'), 'LIMIT_REACHED');
  // a child of an engine
  await runtime.stopWorker('a2');
  await runtime.deleteWorker('a2');
  await runtime.sendInput('a4', { text: 'go' }, { waitMs: 10_000 });
  t.deepEqual((await runtime.getWorker('child')).labels, { owner: 'ada', workspace: 'default' });
  t.is(await create(ada, 'a5'), 'LIMIT_REACHED');
});

test('P59: inputs and creations within a minute are limited for a person, over all sessions and tokens', async (t) => {
  const backend = await start(t, await makeFolder(t), { policy: limitedTo({ inputsAMinute: 4 }) });
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

test('P59: a limit of none allows none', async (t) => {
  for (const limits of [{ inputsAMinute: 0 }, { workers: 0 }]) {
    const backend = await start(t, await makeFolder(t), { policy: limitedTo(limits) });
    const ada = await Browser.login(backend, { name: 'ada', groups: [] });
    for (let count = 0; count < 2; count++)
      t.is((await ada.send(WORKERS, 'POST', { engine: 'parrot' })).body.code, 'LIMIT_REACHED');
  }
});

test('P59: a fork is a creation: it counts within the minute, and takes a place, also as the first command after a restart', async (t) => {
  const folder = await makeFolder(t);
  const config = { policy: limitedTo({ workers: 2, inputsAMinute: 3 }) };
  const backend = await start(t, folder, config);
  const ada = await Browser.login(backend, { name: 'ada', groups: [] });
  const fork = (browser: Browser) => browser.send(`${WORKERS}/stop/fork`, 'POST', {});
  t.is((await ada.send(WORKERS, 'POST', { engine: 'parrot', workerId: 'stop' })).status, 201);
  t.is((await fork(ada)).status, 201);
  t.deepEqual((await fork(ada)).body.details, { limit: 'grant.workers', value: 2 });
  // the minute is over; what ends work does not count, and a Worker may have the name of a command
  t.deepEqual((await fork(ada)).body.details, { value: 3 });
  t.is((await ada.send(`${WORKERS}/stop/inputs`, 'POST', { text: 'x' })).status, 429);
  t.is((await ada.send(`${WORKERS}/stop/stop`, 'POST')).status, 200);
  t.is((await ada.send(`${WORKERS}/stop/resume`, 'POST')).status, 200);
  await backend.stop();
  const second = await start(t, folder, config);
  t.deepEqual((await fork(new Browser(second.url, ada.cookie))).body.details, {
    limit: 'grant.workers',
    value: 2,
  });
});

test('P59: limits, and the policy of metrics, hold for each form of an address', async (t) => {
  const backend = await start(t, await makeFolder(t), {
    workspaces: { default: {}, acme: {} },
    policy: (_person, workspace) => ({
      permissions: ['admin'],
      workers: workspace === 'default' ? '*' : [{ team: 'a' }],
      runtimes: '*',
      limits: { workers: 1, inputsAMinute: 3 },
    }),
  });
  const ada = await Browser.login(backend, { name: 'ada', groups: [] });
  const { hostname, port, host } = new URL(backend.url);
  const ask = async (method: string, path: string, body?: string): Promise<number> => {
    const headers = { ...ada.headers, ...(body && { 'content-type': 'application/json' }) };
    const asked = request({ hostname, port, method, path, headers }).end(body);
    const [answer] = await once(asked, 'response');
    answer.resume();
    return answer.statusCode;
  };
  const create = (path: string) => ask('POST', path, '{"engine":"parrot"}');
  t.is(await create('/v1/runtimes/self/%77orkers'), 201);
  t.is(await create('/v1/runtimes/self/workers#x'), 429);
  t.is(await create(`http://${host}/v1/runtimes/self/workers`), 429);
  // the minute is over, too
  for (const path of [
    '/v1/runtimes/self/worker%73',
    '/v1/%72untimes/self/workers',
    '/v1/runtimes/self/workers/a/input%73',
  ])
    t.is(await create(path), 429);
  for (const path of ['/metrics', '/metric%73', '/metrics#x', `http://${host}/metrics`])
    t.is(await ask('GET', path), 403, path);
});

test('P65: an allowance names the engines, tools and claims of Workers that a person may create or change, in embedded and remote runtimes', async (t) => {
  const folder = await makeFolder(t);
  const remote = await startRemote(t, folder, [scripted()]);
  const allowance = { engines: ['scripted'], tools: ['read'], claims: ['fs:/srv/people/$caller'] };
  const grants = [
    { to: ['group:operators'], workspace: '*', may: 'admin' },
    { to: ['ada'], workspace: '*', may: 'operate', allowance },
    { to: ['bea'], workspace: '*', may: 'operate', allowance: { tools: [] } },
  ];
  await writeFile(join(folder, 'policy.json'), JSON.stringify({ grants }), { mode: 0o644 });
  const backend = await start(t, folder, {
    policy: 'policy.json',
    workspaces: { default: { plugins: [parrot(), scripted()] } },
    runtimes: [{ name: 'gpu-1', url: remote.url, runtimeId: remote.runtimeId }],
  });
  const [root, ada, bea] = await Promise.all([
    Browser.login(backend, OPERATOR),
    Browser.login(backend, { name: 'ada', groups: [] }),
    Browser.login(backend, { name: 'bea', groups: [] }),
  ]);
  const claimsOf = (resource: string) => [{ name: 'home', resource, mode: 'write' }];
  const refused: [string, string | null][] = [];
  for (const runtime of ['self', remote.runtimeId]) {
    const workers = `/v1/runtimes/${runtime}/workers`;
    const refuses = async (browser: Browser, request: object, details: object, worker?: string) => {
      const path = worker === undefined ? workers : `${workers}/${worker}`;
      const { body, status, headers } = await browser.send(path, worker ? 'PATCH' : 'POST', request);
      t.deepEqual([status, body.code, body.details], [403, 'FORBIDDEN', details], JSON.stringify(request));
      t.regex(body.detail, new RegExp(`"${Object.values(details)[0]}"`));
      refused.push([headers.get('x-request-id') ?? '', worker ?? null]);
    };
    await refuses(ada, { engine: 'parrot' }, { engine: 'parrot' });
    await refuses(ada, { engine: 'scripted', tools: ['read', 'write'] }, { tool: 'write' });
    await refuses(ada, { engine: 'scripted', claims: claimsOf('fs:/srv/people/bea') }, { claim: 'home' });
    await refuses(bea, { engine: 'scripted', tools: ['read'] }, { tool: 'read' });
    const workerId = `a-${runtime.slice(-4)}`;
    const request = {
      engine: 'scripted',
      workerId,
      tools: ['read'],
      claims: claimsOf('fs:/srv/people/ada/x'),
    };
    const created = await ada.send(workers, 'POST', request);
    t.deepEqual([created.status, created.body.tools], [201, ['read']], created.text);
    await refuses(ada, { tools: ['read', 'write'] }, { tool: 'write' }, workerId);
    t.is((await root.send(`${workers}/${workerId}`, 'PATCH', { tools: ['write'] })).status, 200);
    t.is((await ada.send(`${workers}/${workerId}`, 'PATCH', { displayName: 'x' })).status, 200);
    const { body } = await ada.send(`/v1/runtimes/${runtime}`);
    t.deepEqual(
      body.engines.map(({ name }: { readonly name: string }) => name),
      ['scripted'],
    );
  }
  const audited = (await readFile(join(folder, 'backend', 'audit.jsonl'), 'utf8')).split('\n');
  for (const [correlationId, worker] of refused) {
    const line = JSON.parse(audited.find((one) => one.includes(correlationId)) ?? '{}');
    t.like(line, { status: 403, worker });
  }
  t.false(audited.join().includes('/srv/'), 'the audit log has no content');
  const { caller } = (await ada.send('/v1/backend')).body;
  t.deepEqual(caller.allowance, { ...allowance, claims: ['fs:/srv/people/ada'] });
  t.deepEqual((await root.send('/v1/backend')).body.caller.allowance, {
    engines: '*',
    tools: '*',
    claims: '*',
  });
});

test('an allowance that is none is refused with its place, or allows nothing', async (t) => {
  const folder = await makeFolder(t);
  const path = join(folder, 'policy.json');
  const wrong = [
    7,
    [],
    { hosts: [] },
    { tools: 'read' },
    { engines: [''] },
    { claims: ['/srv'] },
    { claims: ['fs:/a/../b'] },
  ];
  for (const allowance of wrong) {
    const grants = [{ to: ['*'], workspace: '*', may: 'operate', allowance }];
    await writeFile(path, JSON.stringify({ grants }), { mode: 0o644 });
    await t.throwsAsync(readPolicy(path), { message: /\/grants\/0: allowance must have lists/ });
  }
  const { log, lines } = keptLog();
  const grantOf = (name: string): object =>
    name === 'ada' ? { allowance: { hosts: [] } } : { allowances: { tools: [] } };
  const policy: Policy = ({ name }) => ({
    permissions: ['operate'],
    workers: '*',
    runtimes: '*',
    ...grantOf(name),
  });
  const backend = await start(t, folder, { policy }, { log });
  for (const name of ['ada', 'bea'])
    t.is(
      (await (await Browser.login(backend, { name, groups: [] })).send('/v1/backend')).body.code,
      'FORBIDDEN',
    );
  t.true(lines.some((line) => line.includes('the unknown field "allowances"')));
});

test('limits that are none are refused with their place, or allow nothing', async (t) => {
  const folder = await makeFolder(t);
  const path = join(folder, 'policy.json');
  for (const limits of [7, [], { streams: 1 }, { workers: -1 }, { workers: 1.5 }, { inputsAMinute: '9' }]) {
    await writeFile(
      path,
      JSON.stringify({ grants: [{ to: ['*'], workspace: '*', may: 'observe', limits }] }),
      { mode: 0o644 },
    );
    await t.throwsAsync(readPolicy(path), { message: /\/grants\/0: limits must have whole numbers/ });
  }
  const backend = await start(t, folder, { policy: limitedTo({ workers: 'many' }) });
  const ada = await Browser.login(backend, { name: 'ada', groups: [] });
  t.is((await ada.send('/v1/backend')).body.code, 'FORBIDDEN');
});
