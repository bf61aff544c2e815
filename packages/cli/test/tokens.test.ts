import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { type Ended, makePlace, run, serve } from './program.ts';

const secretOf = (name: string): string => `canary-token-${name}`;
const tokens = JSON.stringify(
  ['observe', 'operate', 'admin'].map((permission) => ({
    name: `${permission}er`,
    sha256: createHash('sha256').update(secretOf(permission)).digest('hex'),
    permission,
  })),
);

test('P19: a call without permission exits with 4 and prints the code; the token comes from the flag or the environment', async (t) => {
  t.timeout(120_000);
  const place = await makePlace(t);
  // the server reads its tokens from the environment
  const { url, program } = await serve(t, place, ['--plugin', 'echo'], {
    WORKER_RUNTIME_HTTP_TOKENS: tokens,
  });
  const as = async (name: string | null, ...args: readonly string[]): Promise<Ended> => {
    const ended = await run(t, place, args, {
      WORKER_RUNTIME_URL: url,
      ...(name !== null && { WORKER_RUNTIME_TOKEN: secretOf(name) }),
    });
    t.notRegex(ended.stdout + ended.stderr, /canary-token/);
    return ended;
  };
  const create = ['workers', 'create', 'ada', '--engine', 'echo'];
  t.like(await as(null, 'status'), { code: 4, stdout: '' });
  const stranger = await as('stranger', 'status');
  t.like(stranger, { code: 4, stdout: '' });
  t.regex(
    stranger.stderr,
    /^worker-runtime: UNAUTHENTICATED: .* \([\w-]+\); set WORKER_RUNTIME_TOKEN, or get a token from a backend with: worker-runtime login$/m,
  );
  const observer = await as('observe', ...create);
  t.is(observer.code, 4);
  t.regex(observer.stderr, /FORBIDDEN/);
  t.is((await as('observe', 'status')).code, 0);
  t.is((await as('operate', ...create)).code, 0);
  t.is((await as('operate', 'send', 'ada', 'hello', '--wait')).stdout.trim(), 'hello');
  t.is((await as('operate', 'workers', 'stop', 'ada')).code, 0);
  t.is((await as('operate', 'workers', 'delete', 'ada')).code, 4);
  // the flag overrides the environment
  const flag = ['--token', secretOf('admin')];
  t.is((await as('stranger', 'workers', 'delete', 'ada', ...flag)).code, 0);
  program.kill('SIGTERM');
  const { stderr } = await program.ended;
  t.notRegex(stderr, /canary-token/);
});

test('login says that a server with tokens, or without any, has no logins', async (t) => {
  const place = await makePlace(t);
  for (const variables of [{}, { WORKER_RUNTIME_HTTP_TOKENS: tokens }]) {
    const { url } = await serve(t, place, ['--plugin', 'echo'], variables);
    const { code, stdout, stderr } = await run(t, place, ['login', '--url', url]);
    t.deepEqual([code, stdout], [4, '']);
    t.is(
      stderr,
      `worker-runtime: the server at ${url} has no logins, because it is not a backend; if it needs a token, set WORKER_RUNTIME_TOKEN\n`,
    );
  }
});

test('a variable or the settings file may name the token file', async (t) => {
  t.timeout(120_000);
  const place = await makePlace(t);
  await writeFile(join(place, 'tokens.json'), tokens, { mode: 0o600 });
  await writeFile(
    join(place, 'settings.json'),
    JSON.stringify({ plugin: ['echo'], tokenFile: 'tokens.json' }),
  );
  const served = [
    await serve(t, place, ['--plugin', 'echo'], { WORKER_RUNTIME_TOKEN_FILE: 'tokens.json' }),
    await serve(t, place, ['--config', 'settings.json']),
  ];
  for (const { url } of served) {
    const environment = { WORKER_RUNTIME_URL: url };
    t.is((await run(t, place, ['status'], environment)).code, 4);
    const known = { ...environment, WORKER_RUNTIME_TOKEN: secretOf('observe') };
    t.is((await run(t, place, ['status'], known)).code, 0);
  }
});
