import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type Logger, silentLogger } from '../src/index.ts';
import { SecretFile } from '../src/plugin-kit/index.ts';

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
  t.deepEqual(reasons, [], 'errors that the caller gets');
  await write(path, 'key-1');
  t.is(await secret.read(), 'key-1');
  for (const [spoil, reason] of [
    [() => rm(path), /ENOENT/],
    [() => write(path, ''), /must begin/],
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

test('P106: a secret that other users can read is used, and the log says so once', async (t) => {
  const path = await makeFile(t);
  const warnings: string[] = [];
  const log: Logger = { ...silentLogger, warn: (_, message) => warnings.push(message) };
  const secret = new SecretFile(path, parse, refuse, log);
  await write(path, 'key-1', 0o644);
  t.is(await secret.read(), 'key-1');
  t.is(await secret.read(), 'key-1');
  t.deepEqual(warnings, ['a file with a secret is accessible to users other than its owner: run chmod 600']);
  await write(path, 'key-2');
  t.is(await secret.read(), 'key-2');
  await write(path, 'key-3', 0o604);
  t.is(await secret.read(), 'key-3');
  t.is(warnings.length, 2);
});
