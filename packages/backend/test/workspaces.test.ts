/** Workspaces: each has its own runtime and files, and the whole API below its prefix. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { runtimeClient } from '@worker-runtime/client';
import { bundleDigest } from '@worker-runtime/core';
import test, { type ExecutionContext } from 'ava';
import { WebSocket as WsWebSocket } from 'ws';
import { Browser, keptLog, makeFolder, parrot, send, start } from './scene.ts';

test('two workspaces have Workers of the same id in runtimes, files and answers of their own', async (t) => {
  const folder = await makeFolder(t);
  const backend = await start(t, folder, { workspaces: { default: {}, acme: { name: 'Acme' } } });
  const browser = await Browser.login(backend);
  for (const [prefix, text] of [
    ['', 'plain'],
    ['/w/acme', 'acme'],
  ]) {
    const at = `${prefix}/v1/runtimes/self/workers`;
    t.is((await browser.send(at, 'POST', { engine: 'parrot', workerId: 'ada' })).status, 201);
    t.is((await browser.send(`${at}/ada/inputs`, 'POST', { text })).status, 202);
  }
  const transcript = async (prefix: string) =>
    (await browser.send(`${prefix}/v1/runtimes/self/workers/ada/transcript?limit=1`)).text;
  t.true((await transcript('')).includes('plain'));
  t.true((await transcript('/w/default')).includes('plain'));
  t.true((await transcript('/w/acme')).includes('acme'));
  const ids = [backend.runtime().runtimeId, backend.runtime('acme').runtimeId];
  t.is(new Set(ids).size, 2);
  // the runtime of one workspace does not exist below the prefix of another
  t.is((await browser.send(`/v1/runtimes/${ids[1]}`)).body.code, 'RUNTIME_NOT_FOUND');
  t.is((await browser.send(`/w/acme/v1/runtimes/${ids[1]}`)).status, 200);
  t.true((await readdir(join(folder, 'default'))).length > 0);
  t.true((await readdir(join(folder, 'workspaces', 'acme', 'runtime'))).length > 0);
  const about = (await browser.send('/w/acme/v1/backend')).body;
  t.deepEqual(about.workspace, { id: 'acme', name: 'Acme' });
  t.deepEqual(about.caller.permissions, ['admin']);
});

test('a workspace that does not exist is answered like one without a grant', async (t) => {
  const backend = await start(t, await makeFolder(t), {
    workspaces: { default: {}, acme: {} },
    policy: ({ name }, workspace) =>
      name === 'ada' && workspace === 'default'
        ? { permissions: ['operate'], workers: '*', runtimes: '*' }
        : null,
  });
  const ada = await Browser.login(backend, { name: 'ada', groups: [] });
  t.is((await ada.send('/v1/backend')).status, 200);
  const withoutId = ({ text }: { readonly text: string }) => text.replace(/"correlationId":"[^"]+"/, '');
  for (const path of ['/v1/backend', '/v1/runtimes', '/v1/runtimes/self/workers', '/metrics', '/v1/nowhere'])
    t.is(withoutId(await ada.send(`/w/acme${path}`)), withoutId(await ada.send(`/w/nobody${path}`)), path);
  t.is((await ada.send('/w/acme/v1/backend')).body.code, 'ROUTE_NOT_FOUND');
});

test('the client works below a prefix with a token, over sockets and without them', async (t) => {
  const backend = await start(t, await makeFolder(t), { workspaces: { default: {}, acme: {} } });
  const token = await (await Browser.login(backend)).token();
  for (const webSocket of [globalThis.WebSocket ?? null, null]) {
    const client = runtimeClient({ url: `${backend.url}/w/acme`, token, webSocket });
    const { worker } = await client.createWorker({ engine: 'parrot' });
    const { cursor, run } = await client.sendInput(worker.workerId, { text: 'hello' }, { waitMs: 5_000 });
    t.is(run?.messages.length, 1);
    const seen: string[] = [];
    for await (const item of client.observe(worker.workerId, { after: 'start' })) {
      seen.push(item.type);
      if (item.type === 'event' && item.event.type === 'run.finished') break;
    }
    t.true(seen.includes('event'));
    t.truthy(cursor);
  }
});

test('probes, the document and its page are public; metrics need a person who sees everything', async (t) => {
  const backend = await start(t, await makeFolder(t), {
    workspaces: { default: {}, acme: {} },
    policy: ({ name }, workspace) =>
      name === 'root' || workspace === 'acme'
        ? { permissions: ['admin'], workers: '*', runtimes: '*' }
        : null,
  });
  for (const path of ['/livez', '/readyz', '/openapi.json', '/docs', '/login', '/w/acme/openapi.json'])
    t.is((await send(backend.url + path)).status, 200, path);
  const { body } = await send(`${backend.url}/w/acme/openapi.json`);
  t.is(body.servers[0].url, '/w/acme');
  t.deepEqual(Object.keys(body.paths['/v1/session']).sort(), ['delete', 'get', 'post']);
  t.is((await send(`${backend.url}/metrics`)).status, 401);
  t.regex((await (await Browser.login(backend)).send('/metrics')).text, /worker_runtime_\w+\{runtime="acme"/);
  const ada = await Browser.login(backend, { name: 'ada', groups: [] });
  t.is((await ada.send('/w/acme/metrics')).body.code, 'FORBIDDEN');
});

test('P36: after each of three restarts the catalog, the transcripts, the bundles and the sessions are back', async (t) => {
  const folder = await makeFolder(t);
  const config = { workspaces: { default: {}, acme: {} } };
  const bundle = { id: 'loud', profiles: { loud: { engine: 'parrot' } } };
  let backend = await start(t, folder, config);
  const { cookie } = await Browser.login(backend);
  const token = await new Browser(backend.url, cookie).token();
  const digest = bundleDigest(bundle);
  const before: unknown[] = [];
  const read = async (id: string): Promise<unknown> => {
    const client = runtimeClient({ url: `${backend.url}/w/${id}`, token, webSocket: null });
    return {
      workers: (await client.listWorkers()).items.map((worker) => ({ ...worker, execution: null })),
      transcript: (await client.transcript('ada')).items,
      bundles: (await client.listBundles()).items,
    };
  };
  for (const id of ['default', 'acme']) {
    const client = runtimeClient({ url: `${backend.url}/w/${id}`, token, webSocket: null });
    await client.putBundle(digest, bundle);
    await client.createWorker({ engine: 'parrot', workerId: 'ada' });
    await client.sendInput('ada', { text: `hello ${id}` }, { waitMs: 5_000 });
    before.push(await read(id));
  }
  for (let restart = 0; restart < 3; restart++) {
    await backend.stop();
    backend = await start(t, folder, config);
    t.deepEqual([await read('default'), await read('acme')], before);
    // nothing is shown as connected before it is used
    t.false((await backend.runtime('acme').getWorker('ada')).execution.connected);
    const entries = (await new Browser(backend.url, cookie).send('/w/acme/v1/runtimes')).body.items;
    t.deepEqual(
      entries.map(({ name, state }: { name: string; state: string }) => [name, state]),
      [['self', 'ok']],
    );
  }
});

test('a stop ends streams with their closing frame, and a second backend on the same files is refused', async (t) => {
  const folder = await makeFolder(t);
  const { log } = keptLog();
  const backend = await start(t, folder, { workspaces: { default: {}, acme: {} } }, { log });
  const browser = await Browser.login(backend);
  const stream = await fetch(`${backend.url}/w/acme/v1/runtimes/self/watch`, {
    headers: { ...browser.headers, accept: 'text/event-stream' },
  });
  const error = await t.throwsAsync(start(t, folder, { workspaces: { acme: { plugins: [parrot()] } } }));
  t.is((error as { readonly code?: string }).code, 'STORE_LOCKED');
  const [text] = await Promise.all([stream.text(), backend.stop()]);
  t.regex(text, /event: closing\ndata: \{"reason":"RUNTIME_STOPPING"\}/);
});

const staysOpen = async (t: ExecutionContext, webSocket: typeof WebSocket | null): Promise<void> => {
  const folder = await makeFolder(t);
  let backend = await start(t, folder, { workspaces: { acme: {} } });
  const token = await (await Browser.login(backend)).token();
  const port = Number(new URL(backend.url).port);
  const page = runtimeClient({ url: `${backend.url}/w/acme`, token, webSocket, retryMs: 20 });
  await page.createWorker({ engine: 'parrot', workerId: 'ada' });
  const seen: number[] = [];
  const texts: string[] = [];
  const reading = (async () => {
    for await (const item of page.observe('ada', { after: 'start', acrossRestarts: true })) {
      if (item.type !== 'event') continue;
      seen.push(item.event.seq);
      if (item.event.type === 'input.accepted') texts.push(JSON.stringify(item.event.data));
      if (texts.some((text) => text.includes('the end')) && item.event.type === 'run.finished') return;
    }
  })();
  for (let round = 0; round < 3; round++) {
    await page.sendInput('ada', { text: `round ${round}` }, { waitMs: 5_000 });
    await backend.stop();
    backend = await start(t, folder, { listen: { port }, workspaces: { acme: {} } });
  }
  await page.sendInput('ada', { text: 'the end' }, { waitMs: 5_000 });
  await reading;
  const log = (await backend.runtime('acme').events('ada', { limit: 1_000 })).items.map(({ seq }) => seq);
  t.deepEqual(seen, log);
  t.is(texts.length, 4);
};

for (const [stream, webSocket] of [
  ['SSE', null],
  ['a socket', WsWebSocket as unknown as typeof WebSocket],
] as const)
  test(`P36: a page that stays open over ${stream} while the backend restarts misses no event and repeats none`, (t) =>
    staysOpen(t, webSocket));
