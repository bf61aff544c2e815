import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HttpOptions } from '@worker-runtime/plugin-http';
import test, { type ExecutionContext } from 'ava';
import { type RemoteError, type RuntimeClient, runtimeClient } from '../src/index.ts';
import { Served } from './served.ts';

const PERMISSIONS = ['observe', 'operate', 'admin'] as const;
const secretOf = (name: string): string => `canary-token-${name}`;
const tokens = PERMISSIONS.map((permission) => ({
  name: `${permission}er`,
  sha256: createHash('sha256').update(secretOf(permission)).digest('hex'),
  permission,
}));

/** Starts a runtime with the three tokens, and creates clients with each token, a wrong token and none. */
const serve = async (t: ExecutionContext, http: HttpOptions) => {
  const served = await Served.start({ http });
  t.teardown(() => served.dispose());
  served.engine.script = { hello: [{ type: 'text', text: 'hi' }] };
  const clientOf = (token?: string): RuntimeClient =>
    runtimeClient({ url: served.address, retryMs: 1, ...(token !== undefined && { token }) });
  return {
    observer: clientOf(secretOf('observe')),
    operator: clientOf(secretOf('operate')),
    admin: clientOf(secretOf('admin')),
    wrongToken: clientOf(secretOf('wrong')),
    noToken: clientOf(),
  };
};

/** Asserts that a call is refused with a code, and that the error contains no token. */
const refused = async (t: ExecutionContext, call: Promise<unknown>, code: string): Promise<void> => {
  const error = (await t.throwsAsync(call, { name: 'RuntimeError' })) as RemoteError | undefined;
  t.is<string | undefined, string>(error?.code, code, String(error));
  t.false(error?.retryable);
  t.is(typeof error?.correlationId, 'string');
  t.notRegex(`${error?.stack} ${JSON.stringify(error)}`, /canary-token/);
};

const first = (client: RuntimeClient, workerId: string): Promise<unknown> =>
  client.observe(workerId)[Symbol.asyncIterator]().next() as Promise<unknown>;

const testPermissions = async (t: ExecutionContext, http: HttpOptions): Promise<void> => {
  const { observer, operator, admin, wrongToken, noToken } = await serve(t, http);
  await operator.createWorker({ engine: 'scripted', workerId: 'ada' });
  t.is((await operator.sendInput('ada', { text: 'hello' }, { waitMs: 20_000 })).run?.outcome, 'completed');
  t.is((await observer.getWorker('ada')).workerId, 'ada');
  t.like(await first(observer, 'ada'), { done: false, value: { type: 'snapshot' } });

  await refused(t, observer.createWorker({ engine: 'scripted' }), 'FORBIDDEN');
  await refused(t, observer.sendInput('ada', { text: 'hello' }), 'FORBIDDEN');
  await refused(t, observer.stopWorker('ada'), 'FORBIDDEN');
  await refused(t, operator.deleteWorker('ada'), 'FORBIDDEN');
  for (const client of [wrongToken, noToken]) {
    await refused(t, client.summary(), 'UNAUTHENTICATED');
    await refused(t, client.stopWorker('ada'), 'UNAUTHENTICATED');
    // a refused stream fails at once and is not retried for minutes
    await refused(t, first(client, 'ada'), 'UNAUTHENTICATED');
  }

  t.is((await observer.getWorker('ada')).status, 'idle', 'no refused command was executed');
  await operator.stopWorker('ada');
  await admin.deleteWorker('ada');
  await refused(t, observer.getWorker('ada'), 'WORKER_NOT_FOUND');
};

test('P19: tokens in a file give each caller its permissions, and refuse other calls with a code', async (t) => {
  const place = await mkdtemp(join(tmpdir(), 'worker-runtime-client-'));
  t.teardown(() => rm(place, { recursive: true, force: true }));
  const tokenFile = join(place, 'tokens.json');
  await writeFile(tokenFile, JSON.stringify(tokens), { mode: 0o600 });
  await testPermissions(t, { tokenFile });
});

test('P19: tokens in the options, as the environment passes them, do the same', (t) =>
  testPermissions(t, { tokens: JSON.stringify(tokens) }));
