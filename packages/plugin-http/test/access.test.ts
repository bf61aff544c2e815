import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Runtime, RuntimeError } from '@worker-runtime/core';
import { covers } from '@worker-runtime/core/scope';
import test, { type ExecutionContext } from 'ava';
import type { RoutePermission } from '../src/access/permission.ts';
import { assertMay, http, type Permission, type Token } from '../src/index.ts';
import type { RouteOptions } from '../src/message/route-facts.ts';
import { RouteTable } from '../src/route-table.ts';
import { allRoutes } from './all-routes.ts';
import { connectTo, exchange, problemIn, restOf } from './raw-client.ts';
import { isProblem, prepare, serve, serveAda } from './served.ts';

const SECRETS: Readonly<Record<Permission, string>> = {
  observe: 'canary-observe-0',
  operate: 'canary-operate-1',
  answer: 'canary-answer-3',
  admin: 'canary-admin-2',
};
const PERMISSIONS = Object.keys(SECRETS) as Permission[];
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const tokens: readonly Token[] = PERMISSIONS.map((permission) => ({
  name: `${permission}er`,
  sha256: sha256(SECRETS[permission]),
  permission,
}));
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** The expected permission of every route. A new route needs a line here. */
const DECLARED: Readonly<Record<string, RoutePermission>> = {
  'GET /docs': 'public',
  'GET /livez': 'public',
  'GET /metrics': 'observe',
  'GET /openapi.json': 'public',
  'GET /readyz': 'public',
  'GET /v1/prices': 'observe',
  'GET /v1/runtimes': 'observe',
  'GET /v1/runtimes/:r': 'observe',
  'GET /v1/runtimes/:r/bundles': 'observe',
  'GET /v1/runtimes/:r/bundles/:digest': 'admin',
  'PUT /v1/runtimes/:r/bundles/:digest': 'admin',
  'GET /v1/runtimes/:r/diagnostics': 'observe',
  'GET /v1/runtimes/:r/requests': 'observe',
  'GET /v1/runtimes/:r/usage': 'observe',
  'GET /v1/runtimes/:r/watch': 'observe',
  'GET /v1/runtimes/:r/workers': 'observe',
  'POST /v1/runtimes/:r/workers': 'operate',
  'GET /v1/runtimes/:r/workers/:w': 'observe',
  'PATCH /v1/runtimes/:r/workers/:w': 'operate',
  'DELETE /v1/runtimes/:r/workers/:w': 'admin',
  'POST /v1/runtimes/:r/workers/:w/cancel': 'operate',
  'GET /v1/runtimes/:r/workers/:w/events': 'observe',
  'POST /v1/runtimes/:r/workers/:w/files': 'operate',
  'GET /v1/runtimes/:r/workers/:w/files/:digest': 'observe',
  'POST /v1/runtimes/:r/workers/:w/fork': 'operate',
  'POST /v1/runtimes/:r/workers/:w/inputs': 'operate',
  'GET /v1/runtimes/:r/workers/:w/runs/:run': 'observe',
  'GET /v1/runtimes/:r/workers/:w/runs/:run/info': 'observe',
  'GET /v1/runtimes/:r/workers/:w/overview': 'observe',
  'GET /v1/runtimes/:r/workers/:w/requests': 'observe',
  'POST /v1/runtimes/:r/workers/:w/requests/:q/response': 'answer',
  'POST /v1/runtimes/:r/workers/:w/resume': 'operate',
  'POST /v1/runtimes/:r/workers/:w/stop': 'operate',
  'GET /v1/runtimes/:r/workers/:w/transcript': 'observe',
};

test('every route declares its permission; a route without one cannot be added', async (t) => {
  const found = allRoutes().filter(({ method }) => method !== 'HEAD');
  t.deepEqual(
    Object.fromEntries(found.map(({ method, path, permission }) => [`${method} ${path}`, permission])),
    { ...DECLARED },
  );
  const { root } = new RouteTable(1);
  // as from JavaScript
  t.throws(() => root.get('/open', {} as RouteOptions, async () => ({})), {
    message: /declares no permission/,
  });
});

test('P19: each route answers only callers with its permission, HEAD like GET; unknown paths need a token too', async (t) => {
  const { call, log } = await serve(t, { http: { tokens } });
  for (const { method, path, permission } of allRoutes()) {
    const at = path.replace(/:r/, 'self').replace(/:[a-z]+/g, 'nobody');
    const ask = async (headers: Readonly<Record<string, string>>) =>
      call(at, { method, headers: { accept: 'application/json', ...headers } });
    const name = `${method} ${path}`;
    const anonymous = await ask({});
    if (permission === 'public') {
      t.is(anonymous.status, 200, name);
      continue;
    }
    t.is(anonymous.status, 401, name);
    t.is(anonymous.headers.get('www-authenticate'), 'Bearer realm="worker-runtime"');
    if (method !== 'HEAD') isProblem(t, anonymous, 401, 'UNAUTHENTICATED');
    for (const held of PERMISSIONS) {
      const answer = await ask(bearer(SECRETS[held]));
      t.is(answer.status === 401 || answer.status === 403, !covers([held], permission), `${name} as ${held}`);
      if (covers([held], permission) || method === 'HEAD') continue;
      isProblem(t, answer, 403, 'FORBIDDEN');
      t.deepEqual(answer.body.details, { needed: permission, permissions: [held] });
      t.regex(
        answer.headers.get('www-authenticate') ?? '',
        new RegExp(`insufficient_scope.*scope="${permission}"`),
      );
    }
  }
  isProblem(t, await call('/nowhere'), 401, 'UNAUTHENTICATED');
  isProblem(t, await call('workers', { method: 'PUT' }), 401, 'UNAUTHENTICATED');
  isProblem(t, await call('/nowhere', { headers: bearer(SECRETS.observe) }), 404, 'ROUTE_NOT_FOUND');
  const refusals = log.filter(({ fields }) => fields.code === 'FORBIDDEN');
  t.deepEqual(
    new Set(refusals.map(({ fields }) => fields.caller)),
    new Set(['observeer', 'answerer', 'operateer']),
  );
  t.notRegex(JSON.stringify(log), /canary/);
});

test('P60: events name the caller by its token, never by the request; without tokens they name no caller', async (t) => {
  const { call } = await serve(t, { http: { tokens } });
  const as = (permission: Permission, method: string, path: string, body?: unknown) =>
    call(path, { method, headers: bearer(SECRETS[permission]), ...(body !== undefined && { body }) });
  await as('operate', 'POST', 'workers', {
    engine: 'puppet',
    workerId: 'ada',
    initialInput: { text: 'ask' },
  });
  const requests = async () => (await as('observe', 'GET', 'requests')).body.items;
  let [open] = await requests();
  while (open === undefined) [open] = await requests();
  const response = `workers/ada/requests/${open.requestId}/response`;
  // a body cannot name the caller
  for (const [method, path, body] of [
    ['POST', 'workers', { engine: 'puppet', actor: 'eve' }],
    ['POST', 'workers', { engine: 'puppet', initialInput: { text: 'go', actor: 'eve' } }],
    ['PATCH', 'workers/ada', { displayName: 'x', actor: 'eve' }],
    ['POST', 'workers/ada/inputs', { text: 'go', actor: 'eve' }],
    ['POST', 'workers/ada/cancel', { actor: 'eve' }],
    ['POST', 'workers/ada/stop', { actor: 'eve' }],
    ['POST', 'workers/ada/resume', { actor: 'eve' }],
  ] as const)
    isProblem(t, await as('operate', method, path, body), 400, 'INVALID_REQUEST');
  isProblem(
    t,
    await as('answer', 'POST', response, { decision: 'yes', actor: 'eve' }),
    400,
    'INVALID_REQUEST',
  );
  t.is((await as('answer', 'POST', response, { decision: 'yes' })).status, 200);
  await as('operate', 'PATCH', 'workers/ada', { displayName: 'x' });
  await as('operate', 'POST', 'workers/ada/cancel');
  await as('admin', 'POST', 'workers/ada/stop');
  await as('operate', 'POST', 'workers/ada/resume', {});
  const { items } = (await as('observe', 'GET', 'workers/ada/events?limit=100')).body;
  const actors = Object.fromEntries(
    (items as readonly { readonly type: string; readonly data: { readonly actor?: string } }[])
      .filter(({ data }) => data.actor !== undefined)
      .map(({ type, data }) => [type, data.actor]),
  );
  t.like(actors, {
    'worker.created': 'operateer',
    'input.accepted': 'operateer',
    'request.resolved': 'answerer',
    'worker.updated': 'operateer',
    'worker.stopped': 'adminer',
    'worker.resumed': 'operateer',
  });

  const without = await serveAda(t);
  await without.call('workers/ada/inputs', { method: 'POST', body: { text: 'hello' } });
  await without.call('workers/ada/stop', { method: 'POST' });
  t.notRegex((await without.call('workers/ada/events?limit=100')).text, /"actor"/);
});

test('P19: the permission to operate does not include answers, and the permission to answer includes no commands; a token may have both', async (t) => {
  const both = { name: 'both', sha256: sha256('canary-both'), permission: ['operate', 'answer'] } as const;
  const { call } = await serveAda(t, { http: { tokens: [...tokens, both] } });
  const send = (token: string) =>
    call('workers/ada/inputs', { method: 'POST', body: { text: 'ask' }, headers: bearer(token) });
  isProblem(t, await send(SECRETS.answer), 403, 'FORBIDDEN');
  const { runId } = (await send(SECRETS.operate)).body;
  const requests = async () =>
    (await call('workers/ada/requests', { headers: bearer(SECRETS.answer) })).body.items;
  let [open] = await requests();
  while (open === undefined) [open] = await requests();
  const answerAs = (token: string) =>
    call(`workers/ada/requests/${open.requestId}/response`, {
      method: 'POST',
      body: { decision: 'yes' },
      headers: bearer(token),
    });
  for (const token of [SECRETS.operate, SECRETS.observe])
    isProblem(t, await answerAs(token), 403, 'FORBIDDEN');
  t.is((await answerAs(SECRETS.answer)).status, 200);
  const headers = { prefer: 'wait=30', ...bearer(SECRETS.observe) };
  const { run } = (await call(`workers/ada/runs/${runId}`, { headers })).body;
  t.is(run.messages[0].parts[0].text, 'yes');
  t.is((await answerAs('canary-both')).status, 200, 'a repeated answer');
  t.is((await call('workers/ada/stop', { method: 'POST', headers: bearer('canary-both') })).status, 200);
});

test('an unknown token, a malformed one or another scheme is refused', async (t) => {
  const { call } = await serve(t, { http: { tokens } });
  for (const authorization of [
    'Bearer',
    'Bearer ',
    'Bearer unknown',
    `Bearer ${SECRETS.admin}x`,
    `Bearer ${SECRETS.admin} x`,
    `Bearer ${sha256(SECRETS.admin)}`,
    `Basic ${Buffer.from(`admin:${SECRETS.admin}`).toString('base64')}`,
    SECRETS.admin,
    `Bearer ${'x'.repeat(10_000)}`,
  ]) {
    isProblem(t, await call('workers', { headers: { authorization } }), 401, 'UNAUTHENTICATED');
  }
  isProblem(t, await call(`workers?access_token=${SECRETS.admin}`), 401, 'UNAUTHENTICATED');
  t.is((await call('workers', { headers: { authorization: `bEARER  ${SECRETS.observe}` } })).status, 200);
});

test('a page of an allowed origin may send a token; its preflight needs none', async (t) => {
  const origin = 'https://console.example';
  const { call } = await serve(t, { http: { tokens, allowedOrigins: [origin] } });
  const preflight = await call('workers', {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization',
    },
  });
  t.is(preflight.status, 204);
  t.regex(preflight.headers.get('access-control-allow-headers') ?? '', /authorization/);
  t.is((await call('workers', { headers: { origin, ...bearer(SECRETS.observe) } })).status, 200);
});

test('an upgrade needs a token, in the header or as a subprotocol, and its handler may need a higher permission', async (t) => {
  const served = prepare(t, { http: { tokens } });
  served.web.onUpgrade(({ request, socket, caller }) => {
    if (request.url === '/admin') assertMay(caller, 'admin');
    socket.end(
      `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: chat\r\n\r\n${caller.name}`,
    );
    return true;
  });
  await served.runtime.start();
  const ask = async (path: string, header: string): Promise<string> => {
    const socket = await connectTo(served.url('/'));
    const rest = restOf(socket);
    socket.write(
      `GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: chat\r\n${header}\r\n`,
    );
    socket.once('data', () => socket.end());
    return rest;
  };
  const protocol = (token: string): string =>
    `sec-websocket-protocol: chat.v1, bearer.${Buffer.from(token).toString('base64url')}\r\n`;
  const header = (token: string): string => `authorization: Bearer ${token}\r\n`;
  t.regex(await ask('/chat', protocol(SECRETS.observe)), /^HTTP\/1\.1 101[\s\S]*observeer$/);
  t.regex(await ask('/chat', header(SECRETS.operate)), /^HTTP\/1\.1 101[\s\S]*operateer$/);
  t.regex(await ask('/admin', protocol(SECRETS.admin)), /^HTTP\/1\.1 101[\s\S]*adminer$/);
  const refused = await ask('/admin', protocol(SECRETS.operate));
  t.deepEqual(problemIn(refused), { status: 403, code: 'FORBIDDEN' });
  t.regex(refused, /\r\nwww-authenticate: Bearer .*scope="admin"/);
  for (const none of ['', protocol('unknown'), 'sec-websocket-protocol: bearer.\r\n', header('unknown')])
    t.deepEqual(problemIn(await ask('/chat', none)), { status: 401, code: 'UNAUTHENTICATED' });
  // a plain request can set headers, so its subprotocol is ignored
  const plain = `GET /v1/runtimes HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n${protocol(SECRETS.admin)}\r\n`;
  t.deepEqual(problemIn(await exchange(served.url('/'), plain)), { status: 401, code: 'UNAUTHENTICATED' });
  t.notRegex(JSON.stringify(served.log), /canary|Y2FuYXJ5/);
});

test('with tokens the server listens beyond loopback, and the address of the connection is a valid Host', async (t) => {
  const { call, url } = await serve(t, { http: { tokens, host: '0.0.0.0' } });
  const port = new URL(url('/')).port;
  t.is((await call('workers', { headers: bearer(SECRETS.observe) })).status, 200);
  const own = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal);
  if (own) {
    const answer = await fetch(`http://${own.address}:${port}/v1/runtimes`, {
      headers: bearer(SECRETS.observe),
    });
    t.is(answer.status, 200);
  }
  const ask = `GET /livez HTTP/1.1\r\nhost: runtime.example:${port}\r\nconnection: close\r\n\r\n`;
  t.deepEqual(problemIn(await exchange(`http://127.0.0.1:${port}`, ask)), { status: 403, code: 'FORBIDDEN' });
});

const folderOf = async (t: ExecutionContext): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'canary-'));
  t.teardown(() => rm(folder, { recursive: true }));
  return folder;
};

test('tokens come from a private file, from options, or from both', async (t) => {
  const file = join(await folderOf(t), 'tokens.json');
  await writeFile(file, JSON.stringify(tokens.slice(0, 2)), { mode: 0o600 });
  const { call } = await serveAda(t, {
    http: { tokenFile: file, tokens: JSON.stringify(tokens.slice(2)) },
  });
  for (const permission of PERMISSIONS)
    t.is((await call('workers/ada', { headers: bearer(SECRETS[permission]) })).status, 200);
  t.is((await call('workers/ada')).status, 401);

  const same = await t.throwsAsync<RuntimeError>(
    Runtime.start({ plugins: [http({ port: 0, tokenFile: file, tokens })] }),
  );
  t.regex(same?.message ?? '', /same name/);
});

test('P19: a token file that is invalid or accessible to others fails the start; the error shows none of its content', async (t) => {
  const folder = await folderOf(t);
  const file = join(folder, 'tokens.json');
  const refused = async (tokenFile: string, message: RegExp): Promise<void> => {
    const error = await t.throwsAsync(Runtime.start({ plugins: [http({ port: 0, tokenFile })] }), {
      code: 'INVALID_REQUEST',
    });
    t.regex(error?.message ?? '', message);
    t.notRegex(`${error?.message}${JSON.stringify(error)}`, /canary/);
  };
  await refused(file, /cannot be opened \(ENOENT\)/);
  await mkdir(file);
  await refused(file, /is not a file/);
  await rm(file, { recursive: true });

  const [token] = tokens;
  for (const [content, message] of [
    ['', /not valid JSON/],
    ['canary', /not valid JSON/],
    ['{}', /must be a list/],
    ['[]', /no token/],
    [JSON.stringify([null]), /at \/0: must be an object/],
    [JSON.stringify([token, { ...token, token: 'canary' }]), /at \/1: has a field other than/],
    [JSON.stringify([{ ...token, name: 'canary\n' }]), /at \/0: name/],
    [JSON.stringify([{ ...token, sha256: 'canary' }]), /at \/0: sha256/],
    [JSON.stringify([{ ...token, permission: 'canary' }]), /at \/0: permission/],
    [JSON.stringify([{ ...token, permission: 'constructor' }]), /at \/0: permission/],
    [JSON.stringify([{ ...token, permission: [] }]), /at \/0: permission/],
    [JSON.stringify([{ ...token, permission: ['observe', 'canary'] }]), /at \/0: permission/],
    [JSON.stringify([token, { ...token, sha256: '0'.repeat(64) }]), /same name/],
    [JSON.stringify([token, { ...token, name: 'other' }]), /same sha256/],
    [' '.repeat(1_048_577), /larger than/],
  ] as const) {
    await writeFile(file, content, { mode: 0o600 });
    await refused(file, message);
  }
  for (const mode of [0o640, 0o604, 0o620]) {
    await writeFile(file, JSON.stringify(tokens));
    await chmod(file, mode);
    await refused(file, /accessible to users other.*chmod 600/);
  }
  for (const bad of [[], {}, 'canary', [{}], 1]) {
    const error = t.throws(() => http({ tokens: bad as never }), { instanceOf: RuntimeError });
    t.notRegex(error?.message ?? '', /canary/);
  }
});
