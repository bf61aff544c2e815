import { ERROR_CODES, type ErrorCode, RuntimeError, type RuntimePlugin } from '@worker-runtime/core';
import { STATUS_OF } from '@worker-runtime/core/plugin-kit';
import { Puppet } from '@worker-runtime/test-http/puppet';
import test from 'ava';
import { correlatedProblem } from '../src/errors/problem.ts';
import { isProblem, serve, serveAda } from './served.ts';

const CODES = Object.keys(ERROR_CODES) as ErrorCode[];

/** A plugin that refuses a creation with the error code in its `displayName`. */
const refusing: RuntimePlugin = {
  name: 'refusing',
  apply: (host) =>
    host.hooks.admit.tapPromise(async (command) => {
      if (command.type !== 'worker.create') return;
      const code = command.spec.displayName ?? '';
      if (code === 'bug') throw new Error(`oops ${Puppet.secret}`);
      if (code in ERROR_CODES) {
        throw new RuntimeError(code as ErrorCode, 'a safe message', {
          cause: new Error(Puppet.secret),
          details: { value: 7 },
        });
      }
    }),
};

test('P19: every error code has a status and is sent as a problem', async (t) => {
  const { call } = await serve(t, { plugins: [refusing] });
  for (const code of CODES) {
    t.true(STATUS_OF[code] >= 400 && STATUS_OF[code] < 600);
    const answer = await call('workers', { method: 'POST', body: { engine: 'puppet', displayName: code } });
    isProblem(t, answer, STATUS_OF[code], code);
    t.is(answer.body.retryable, ERROR_CODES[code].retryable);
    t.is(answer.body.detail, code === 'INTERNAL' ? ERROR_CODES.INTERNAL.title : 'a safe message');
    t.deepEqual(answer.body.details, code === 'INTERNAL' ? {} : { value: 7 });
    t.notRegex(answer.text, /canary/);
  }
});

test('a retryable error has Retry-After', async (t) => {
  const { call } = await serve(t, { plugins: [refusing] });
  for (const code of [
    'WORKER_BUSY',
    'LIMIT_REACHED',
    'RUNTIME_STOPPING',
    'ENGINE_UNAVAILABLE',
    'STORE_UNAVAILABLE',
  ]) {
    const { headers } = await call('workers', {
      method: 'POST',
      body: { engine: 'puppet', displayName: code },
    });
    t.regex(headers.get('retry-after') ?? '', /^[1-9]\d*$/, code);
  }
  const { headers } = await call('workers', {
    method: 'POST',
    body: { engine: 'puppet', displayName: 'WORKER_EXISTS' },
  });
  t.is(headers.get('retry-after'), null);
});

test('P19: an internal error shows only its correlation id; the log has the cause', async (t) => {
  const { call, log } = await serve(t, { plugins: [refusing] });
  const answer = await call('workers', {
    method: 'POST',
    body: { engine: 'puppet', displayName: 'INTERNAL' },
    headers: { 'x-request-id': 'trace-1' },
  });
  isProblem(t, answer, 500, 'INTERNAL');
  t.is(answer.headers.get('x-request-id'), 'trace-1');
  const line = log.find(({ fields }) => fields.correlationId === 'trace-1');
  t.is(line?.level, 'error');
  const error = line?.fields.err as RuntimeError;
  t.is((error.cause as Error).message, Puppet.secret);

  const bug = await call('workers', { method: 'POST', body: { engine: 'puppet', displayName: 'bug' } });
  isProblem(t, bug, 500, 'PLUGIN_FAILED');
  t.notRegex(bug.text, /canary/);
});

test('P14: a transient server error, such as a full store, is logged as a warning, a client error as info', async (t) => {
  const { call, log } = await serve(t, { plugins: [refusing] });
  for (const code of ['STORE_FULL', 'ENGINE_UNAVAILABLE', 'WORKER_BUSY', 'LIMIT_REACHED'])
    await call('workers', { method: 'POST', body: { engine: 'puppet', displayName: code } });
  t.deepEqual(
    log.flatMap(({ level, message, fields }) => (message === 'refused' ? [[fields.code, level]] : [])),
    [
      ['STORE_FULL', 'warn'],
      ['ENGINE_UNAVAILABLE', 'warn'],
      ['WORKER_BUSY', 'info'],
      ['LIMIT_REACHED', 'info'],
    ],
  );
});

test('P19: the secret in an engine error appears in no event, transcript, Worker or diagnostic', async (t) => {
  const { call } = await serveAda(t);
  const { body, text } = await call('workers/ada/inputs', {
    method: 'POST',
    body: { text: 'fail' },
    headers: { prefer: 'wait=20' },
  });
  t.is(body.run.outcome, 'failed');
  t.is(body.run.error.code, 'ENGINE_FAILED');
  const paths = [
    'workers',
    'workers/ada',
    'workers/ada/events',
    'workers/ada/transcript',
    'diagnostics',
    'requests',
  ];
  const texts = await Promise.all(paths.map(async (path) => (await call(path)).text));
  for (const answered of [text, ...texts]) t.notRegex(answered, /canary/);
});

test('a valid request id is used, an invalid one is replaced', async (t) => {
  const { call } = await serve(t);
  t.is(
    (await call('/livez', { headers: { 'x-request-id': 'a.b_c:d-1' } })).headers.get('x-request-id'),
    'a.b_c:d-1',
  );
  for (const bad of ['', 'a b', '"><script>', 'x'.repeat(129), '-leading']) {
    const id = (await call('/livez', { headers: { 'x-request-id': bad } })).headers.get('x-request-id') ?? '';
    t.regex(id, /^[0-9a-f-]{36}$/);
  }
});

test('a problem does not contain the cause of the error', (t) => {
  const error = new RuntimeError('STORE_FULL', 'no space', { cause: new Error(Puppet.secret) });
  t.deepEqual(correlatedProblem(error, 'c1'), {
    type: 'urn:worker-runtime:error:store-full',
    title: 'The store is full',
    status: 507,
    detail: 'no space',
    code: 'STORE_FULL',
    retryable: true,
    details: {},
    correlationId: 'c1',
  });
});

test('P66: log lines name the address of the client, which only a named proxy may report', async (t) => {
  for (const [trustedProxies, expected] of [
    [[], '127.0.0.1'],
    [['127.0.0.1'], '203.0.113.7'],
  ] as const) {
    const { call, log } = await serve(t, { http: { trustedProxies } });
    const headers = { 'x-forwarded-for': '198.51.100.1, 203.0.113.7' };
    const found = async (path: string, id: string) => {
      await call(path, { headers: { ...headers, 'x-request-id': id }, method: 'POST', body: {} });
      return log.find(({ fields }) => fields.correlationId === id)?.fields.from;
    };
    t.is(await found('workers/nobody/stop', 'refused-1'), expected);
    t.is(await found('workers/nobody/stop?x=1', 'refused-2'), expected);
  }
  await t.throwsAsync(serve(t, { http: { trustedProxies: ['everywhere'] } }), {
    message: /http\.trustedProxies must be/,
  });
});
