import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type Logger, silentLogger } from '../src/index.ts';
import { childEnvironment, SecretFile } from '../src/plugin-kit/index.ts';

const makeFile = async (t: ExecutionContext): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'worker-runtime-secret-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return join(folder, 'secret');
};

const write = async (path: string, text: string, mode = 0o600): Promise<void> => {
  await rm(path, { recursive: true, force: true });
  await writeFile(path, text);
  await chmod(path, mode);
};

const parse = (text: string): string => {
  if (!text.startsWith('key-')) throw new Error('The key must begin with key-');
  return text;
};
const refuse = (message: string): Error => new Error(`The key ${message}`);

test('P106: a secret is read at each use, and a file that is bad for a moment leaves the last valid one in use', async (t) => {
  const path = await makeFile(t);
  const reasons: unknown[] = [];
  const log: Logger = {
    ...silentLogger,
    error: (fields) => reasons.push((fields as { reason?: unknown }).reason),
  };
  const secret = new SecretFile(path, parse, refuse, log);
  await t.throwsAsync(secret.read(), { message: 'The key cannot be opened (ENOENT)' });
  await write(path, 'canary');
  await t.throwsAsync(secret.read(), { message: 'The key must begin with key-' });
  await write(path, 'key-1', 0o640);
  await t.throwsAsync(secret.read(), { message: /accessible to users other than its owner/ });
  t.deepEqual(reasons, [], 'errors that the caller gets');
  await write(path, 'key-1');
  t.is(await secret.read(), 'key-1');
  for (const [spoil, reason] of [
    [() => rm(path), /ENOENT/],
    [() => write(path, ''), /must begin/],
    [() => write(path, 'key-2', 0o644), /chmod 600/],
    [() => write(path, 'key-2'.padEnd(2_000_000)), /larger/],
    [() => rm(path).then(() => mkdir(path)), /is not a file/],
  ] as const) {
    await spoil();
    t.is(await secret.read(), 'key-1');
    t.is(await secret.read(), 'key-1');
    t.is(reasons.length, 1, 'one line, however often it is used');
    t.regex(String(reasons.pop()), reason);
    await write(path, 'key-1');
    t.is(await secret.read(), 'key-1');
  }
  await write(path, 'key-2');
  t.is(await secret.read(), 'key-2');
  t.deepEqual(reasons, []);
});

test('P106: a program does not get a secret that other users can read', async (t) => {
  const path = await makeFile(t);
  const variables = { env: [], envFiles: { KEY: path } };
  await write(path, 'canary-4711\n', 0o604);
  await t.throwsAsync(childEnvironment(variables), {
    message: `${path} is accessible to users other than its owner: run chmod 600`,
  });
  await chmod(path, 0o600);
  t.is((await childEnvironment(variables)).variables.KEY, 'canary-4711');
});
