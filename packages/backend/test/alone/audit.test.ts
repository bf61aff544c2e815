/** The audit log: one line for each command and each refusal, before its answer. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import { appendFile, mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { AuditLog } from '../../src/audit/audit-log.ts';
import { readAuditPage } from '../../src/audit/audit-pages.ts';
import { LineBudget } from '../../src/audit/line-budget.ts';
import type { Grant } from '../../src/index.ts';
import { Browser, makeFolder, send, start } from '../scene.ts';

const everything: Grant = { permissions: ['admin'], workers: '*', runtimes: '*' };

type Line = Readonly<Record<string, unknown>>;

/** Reads the lines of all files, the oldest first. A line that is not complete is an error. */
const linesIn = async (folder: string): Promise<readonly Line[]> => {
  const names = (await readdir(folder))
    .filter((name) => name.startsWith('audit.jsonl'))
    .sort()
    .reverse();
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  return texts.flatMap((text) =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Line),
  );
};

test('P35: every command and every refusal has one line: who, from where, what, and what came of it', async (t) => {
  const folder = await makeFolder(t);
  const backend = await start(t, folder, { workspaces: { default: {}, acme: {} } });
  const root = await Browser.login(backend);
  const eve = await Browser.login(backend, { name: 'eve', groups: [] });
  const token = await root.token({ name: 'reader', permission: 'observe' });
  const lines = () => linesIn(join(folder, 'backend'));
  const before = (await lines()).length;
  const workers = '/v1/runtimes/self/workers';
  const sent = [
    await root.send(`/w/acme${workers}`, 'POST', { engine: 'parrot', workerId: 'ada' }),
    await root.send(`/w/acme${workers}/ada/inputs`, 'POST', { text: 'the secret plan' }),
    await root.send(`/w/acme${workers}/ada`, 'DELETE'),
    await eve.send(`${workers}?label=canary%3Dcanary`),
    await send(`${backend.url}${workers}/ada`),
    await send(
      `${backend.url}${workers}`,
      'POST',
      { engine: 'parrot' },
      { authorization: `Bearer ${token}` },
    ),
    await send(`${backend.url}${workers}`, 'POST', '{', { authorization: `Bearer ${token}` }),
    await root.send(`${workers}/nobody`),
    await root.send('/v1/session', 'DELETE'),
  ];
  // reads that succeed have no line
  await eve.send('/livez');
  t.is(
    (await send(`${backend.url}/v1/session`, 'GET', undefined, { authorization: `Bearer ${token}` })).status,
    200,
  );
  const written = (await lines()).slice(before);
  t.deepEqual(
    written.map(({ correlationId, status }) => [correlationId, status]),
    sent.map(({ headers, status }) => [headers.get('x-request-id'), status]),
  );
  t.deepEqual(
    written.map(({ who, workspace, action, worker, code }) => [who, workspace, action, worker, code]),
    [
      ['root', 'acme', `POST ${workers}`, 'ada', null],
      ['root', 'acme', `POST ${workers}/ada/inputs`, 'ada', null],
      ['root', 'acme', `DELETE ${workers}/ada`, 'ada', 'WORKER_NOT_STOPPED'],
      ['eve', 'default', `GET ${workers}`, null, 'ROUTE_NOT_FOUND'],
      [null, 'default', `GET ${workers}/ada`, 'ada', 'UNAUTHENTICATED'],
      ['root', 'default', `POST ${workers}`, null, 'FORBIDDEN'],
      ['root', 'default', `POST ${workers}`, null, 'FORBIDDEN'],
      ['root', 'default', `GET ${workers}/nobody`, 'nobody', 'WORKER_NOT_FOUND'],
      ['root', 'default', 'DELETE /v1/session', null, null],
    ],
  );
  t.is(new Set(written.map(({ credential }) => credential)).size, 4);
  for (const { from } of written) t.is(from, '127.0.0.1');
  const text = JSON.stringify(written);
  for (const secret of ['secret plan', 'canary', root.cookie.slice(3), token]) t.false(text.includes(secret));
});

test('P35: the line of a login names the person and the session or the token that it made', async (t) => {
  const folder = await makeFolder(t);
  const backend = await start(t, folder);
  const ada = await Browser.login(backend, { name: 'ada', groups: [] });
  const begun = await send(`${backend.url}/v1/device-logins`, 'POST', { name: 'laptop' });
  await ada.send(`/v1/device-logins/${begun.body.userCode}`, 'POST', { allow: true });
  const { deviceCode } = begun.body;
  const token = await send(`${backend.url}/v1/device-logins/token`, 'POST', { deviceCode });
  const session = await ada.send('/v1/session');
  const written = await linesIn(join(folder, 'backend'));
  t.deepEqual(
    written.map(({ who, action, credential }) => [who, action, credential]),
    [
      ['ada', 'POST /v1/session', session.body.id],
      [null, 'POST /v1/device-logins', null],
      ['ada', `POST /v1/device-logins/${begun.body.userCode}`, session.body.id],
      ['ada', 'POST /v1/device-logins/token', token.body.id],
    ],
  );
});

test('P96: no number of refused requests removes the lines of commands, and omitted ones are counted', async (t) => {
  const folder = await makeFolder(t);
  const workers = '/v1/runtimes/self/workers';
  // six files of this size hold fewer lines than are refused below
  const backend = await start(t, folder, {
    auditBytes: 150_000,
    policy: ({ name }) =>
      name === 'eve' ? { permissions: ['observe'], workers: '*', runtimes: '*' } : everything,
  });
  const root = await Browser.login(backend);
  const eve = await Browser.login(backend, { name: 'eve', groups: [] });
  const canary = await root.send(workers, 'POST', { engine: 'parrot', workerId: 'canary' });
  const flood = async (request: () => Promise<unknown>): Promise<void> => {
    for (let sent = 0; sent < 800; sent += 20) await Promise.all(Array.from({ length: 20 }, request));
  };
  // strangers, and a person who may only observe
  await flood(() => send(`${backend.url}${workers}/${'x'.repeat(470)}`));
  await flood(() => eve.send(workers, 'POST', { engine: 'parrot' }));
  const last = await root.send(`${workers}/canary/stop`, 'POST', {});
  const written = await linesIn(join(folder, 'backend'));
  const ids = written.map(({ correlationId }) => correlationId);
  for (const { headers } of [canary, last]) t.true(ids.includes(headers.get('x-request-id')));
  t.true(written.length < 1_400, `${written.length}`);
  const refusals = written.filter(({ status }) => Number(status) >= 400);
  t.true(refusals.length >= 1_200, `${refusals.length}`);
});

test('P96: a sender gets its lines back with time, and each sender has its own', (t) => {
  let now = 0;
  const budget = new LineBudget(() => now);
  const take = (sender: string, times: number) =>
    Array.from({ length: times }, () => budget.take(sender)).filter((omitted) => omitted !== null);
  t.deepEqual(take('eve', 700), new Array(600).fill(0));
  t.is(take('ada', 10).length, 10);
  now += 60_000;
  t.deepEqual(take('eve', 50), [100, ...new Array(9).fill(0)]);
  now += 60_000 * 60 * 24;
  t.deepEqual(take('eve', 700), [40, ...new Array(599).fill(0)]);
});

const startProcess = async (t: ExecutionContext, folder: string) => {
  const main = fileURLToPath(new URL('../backend-process.ts', import.meta.url));
  const flags = ['--import', import.meta.resolve('tsx'), '--conditions=@worker-runtime/source', main, folder];
  const child = spawn(process.execPath, flags, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  t.teardown(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const [url] = await once(createInterface(child.stdout), 'line');
  const { token } = JSON.parse(await readFile(join(folder, 'backend', 'local.json'), 'utf8'));
  return { url: String(url), token: String(token), kill: () => child.kill('SIGKILL'), ended };
};

test('P35: a process that is killed has written the line of each answer that it gave', async (t) => {
  const folder = await makeFolder(t);
  let answers = 0;
  for (let round = 0; round < 3; round++) {
    const { url, token, kill, ended } = await startProcess(t, folder);
    const authorization = `Bearer ${token}`;
    const answered: string[] = [];
    const client = async (number: number): Promise<void> => {
      for (let count = 0; ; count++) {
        // half of the commands are refused
        const body = count % 2 === 0 ? { engine: 'parrot' } : { engine: 'nowhere' };
        const answer = await fetch(`${url}/v1/runtimes/self/workers`, {
          method: 'POST',
          headers: {
            authorization,
            'content-type': 'application/json',
            'x-request-id': `${round}-${number}-${count}`,
          },
          body: JSON.stringify(body),
        });
        answered.push(answer.headers.get('x-request-id') ?? '');
        if (answered.length === 150 + 40 * round) kill();
        await answer.text();
      }
    };
    await Promise.allSettled(Array.from({ length: 8 }, (_, number) => client(number)));
    await ended;
    const written = new Set(
      (await linesIn(join(folder, 'backend'))).map(({ correlationId }) => correlationId),
    );
    t.deepEqual(
      answered.filter((id) => !written.has(id)),
      [],
    );
    answers += answered.length;
  }
  t.true(answers > 400);
});

const LINE = {
  time: '2026-01-01T00:00:00.000Z',
  who: 'ada',
  credential: 'x',
  from: '127.0.0.1',
  workspace: 'default',
  action: 'POST /v1/x',
  runtime: null,
  worker: null,
  status: 200,
  code: null,
  correlationId: 'c',
};

test('the log begins a new file at its size and keeps five older ones', async (t) => {
  const folder = await makeFolder(t);
  const log = new AuditLog(join(folder, 'audit.jsonl'), 1_000);
  for (let count = 0; count < 100; count++) log.write({ ...LINE, correlationId: String(count) });
  log.close();
  const names = (await readdir(folder)).sort();
  t.deepEqual(names, ['audit.jsonl', ...[1, 2, 3, 4, 5].map((older) => `audit.jsonl.${older}`)]);
  const ids = (await linesIn(folder)).map(({ correlationId }) => Number(correlationId));
  t.is(ids.at(-1), 99);
  t.deepEqual(
    ids,
    Array.from(ids, (_, at) => 100 - ids.length + at),
  );
  for (const name of names) {
    const { size, mode } = await stat(join(folder, name));
    t.true(size <= 1_000);
    t.is(mode & 0o077, 0);
  }
});

test('a torn last line is ended at the next start', async (t) => {
  const folder = await makeFolder(t);
  const path = join(folder, 'audit.jsonl');
  await mkdir(folder, { recursive: true });
  await appendFile(path, '{"torn":');
  const log = new AuditLog(path, 1_000_000);
  log.write(LINE);
  log.close();
  const [torn, line] = (await readFile(path, 'utf8')).split('\n');
  t.is(torn, '{"torn":');
  t.deepEqual(JSON.parse(line ?? ''), LINE);
});

test('while the log cannot be written, commands get no answer and do nothing, reads are served, and it recovers', async (t) => {
  const folder = await makeFolder(t);
  const backend = await start(t, folder, { auditBytes: 65_536 });
  const root = await Browser.login(backend);
  const create = (workerId: string) =>
    root.send('/v1/runtimes/self/workers', 'POST', { engine: 'parrot', workerId });
  t.is((await create('ada')).status, 201);
  // the next rotation fails: the name of the oldest file is that of a directory with content
  const blocked = join(folder, 'backend', 'audit.jsonl.5');
  await mkdir(join(blocked, 'x'), { recursive: true });
  writeFileSync(join(folder, 'backend', 'audit.jsonl.4'), '');
  let failed = 0;
  for (let count = 0; count < 2_000 && failed < 3; count++) {
    const answer = await root.send('/v1/runtimes/self/workers/ada/stop', 'POST', {}).catch(() => null);
    if (answer === null) failed += 1;
  }
  t.is(failed, 3);
  await t.throwsAsync(create('lost'));
  t.is((await root.send('/v1/runtimes/self/workers/ada')).status, 200);
  rmSync(blocked, { recursive: true });
  t.is((await create('bea')).status, 201);
  await t.throwsAsync(backend.runtime().getWorker('lost'), { code: 'WORKER_NOT_FOUND' });
});

/** Reads all pages, the newest line first. */
const allIn = async (path: string, workspace: string, limit: number): Promise<readonly string[]> => {
  const ids: string[] = [];
  let after: string | undefined;
  do {
    const { items, next } = await readAuditPage(path, workspace, { after, limit });
    if (items.length > limit) throw new Error('a page is too long');
    ids.push(...items.map(({ correlationId }) => correlationId));
    after = next ?? undefined;
  } while (after !== undefined);
  return ids;
};

test('P35: pages have each line of a workspace once, the newest first, over all files and through a rotation', async (t) => {
  const path = join(await makeFolder(t), 'audit.jsonl');
  const log = new AuditLog(path, 40_000);
  const write = (count: number, workspace = 'default') =>
    log.write({
      ...LINE,
      workspace,
      correlationId: String(count),
      action: `GET /${'ü'.repeat(count % 500)}`,
    });
  for (let count = 0; count < 300; count++) {
    write(count, count % 3 === 0 ? 'acme' : 'default');
    if (count % 50 === 0) appendFileSync(path, '\n');
  }
  const kept = (await linesIn(dirname(path))).toReversed();
  for (const workspace of ['default', 'acme', 'nowhere'])
    for (const limit of [9, 500])
      t.deepEqual(
        await allIn(path, workspace, limit),
        kept.filter((line) => line.workspace === workspace).map((line) => line.correlationId),
        `${workspace} ${limit}`,
      );
  const { items, next } = await readAuditPage(path, 'acme', { after: undefined, limit: 3 });
  // lines that are written later are not in older pages, also if the file has another name by then
  for (let count = 1_000; count < 1_150; count++) write(count, 'acme');
  const later = await readAuditPage(path, 'acme', { after: next ?? '', limit: 3 });
  t.deepEqual(
    [...items, ...later.items].map(({ correlationId }) => correlationId),
    ['297', '294', '291', '288', '285', '282'],
  );
  for (let count = 2_000; count < 2_500; count++) write(count);
  await t.throwsAsync(readAuditPage(path, 'acme', { after: next ?? '', limit: 3 }), {
    code: 'CURSOR_EXPIRED',
  });
  for (const wrong of ['x', 'audit.1-1', '../audit.jsonl', `${next}x`])
    await t.throwsAsync(readAuditPage(path, 'acme', { after: wrong, limit: 3 }), { code: 'CURSOR_INVALID' });
  log.close();
});

test('a page reads 1 MiB at most, and passes over what is no line', async (t) => {
  const path = join(await makeFolder(t), 'audit.jsonl');
  const log = new AuditLog(path, 100_000_000);
  log.write({ ...LINE, workspace: 'acme', correlationId: 'first' });
  appendFileSync(path, `${'x'.repeat(3_000_000)}\n`);
  log.write({ ...LINE, workspace: 'acme', correlationId: 'last' });
  log.close();
  const first = await readAuditPage(path, 'acme', { after: undefined, limit: 10 });
  t.deepEqual(
    first.items.map(({ correlationId }) => correlationId),
    ['last'],
  );
  t.not(first.next, null);
  t.deepEqual(await allIn(path, 'acme', 10), ['last', 'first']);
});

test('those who administrate a workspace read its lines; others do not', async (t) => {
  const folder = await makeFolder(t);
  const backend = await start(t, folder, {
    workspaces: { default: {}, acme: {} },
    policy: ({ name }) => ({
      permissions: name === 'eve' ? ['operate'] : ['admin'],
      workers: name === 'bea' ? [{ team: 'a' }] : '*',
      runtimes: '*',
    }),
  });
  const [root, bea, eve] = await Promise.all([
    Browser.login(backend),
    Browser.login(backend, { name: 'bea', groups: [] }),
    Browser.login(backend, { name: 'eve', groups: [] }),
  ]);
  const workers = '/v1/runtimes/self/workers';
  const created = await root.send(`/w/acme${workers}`, 'POST', { engine: 'parrot', workerId: 'ada' });
  await root.send(`${workers}/nobody`, 'DELETE');
  const { items, next } = (await root.send('/w/acme/v1/audit')).body;
  t.is(next, null);
  t.deepEqual(
    items.map((line: Line) => [line.who, line.workspace, line.action, line.worker, line.correlationId]),
    [['root', 'acme', `POST ${workers}`, 'ada', created.headers.get('x-request-id')]],
  );
  const page = (await root.send('/v1/audit?limit=1')).body;
  t.is(page.items[0].action, `DELETE ${workers}/nobody`);
  t.is((await root.send(`/v1/audit?limit=1&after=${page.next}`)).body.items.length, 1);
  for (const [browser, path, code] of [
    [bea, '/v1/audit', 'FORBIDDEN'],
    [eve, '/v1/audit', 'FORBIDDEN'],
    [root, '/v1/audit?limit=0', 'INVALID_REQUEST'],
    [root, '/v1/audit?limit=501', 'LIMIT_TOO_LARGE'],
    [root, '/v1/audit?limit=1&limit=2', 'INVALID_REQUEST'],
    [root, '/v1/audit?before=x', 'INVALID_REQUEST'],
    [root, '/v1/audit?after=x', 'CURSOR_INVALID'],
  ] as const)
    t.is((await browser.send(path)).body.code, code, path);
  t.is((await send(`${backend.url}/v1/audit`)).status, 401);
  const document = (await root.send('/openapi.json')).body;
  t.is(document.paths['/v1/audit'].get['x-permission'], 'admin');
  t.is(document.paths['/v1/runtimes/{name}/test'].post['x-permission'], 'admin');
});
