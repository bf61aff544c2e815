import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:fs';
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { Runtime, type WorkerEvent } from '@worker-runtime/core';
import { http } from '@worker-runtime/plugin-http';
import test, { type ExecutionContext } from 'ava';
import { runCommandLine } from '../src/command-line.ts';
import { plugin } from '../src/echo.ts';
import { main, makePlace, request } from './program.ts';

/** More bytes of log than a pipe and the buffer of the log hold together. */
const LINES = 30_000;
/** Fewer lines than the buffer holds, and more than a pipe does. */
const FEW_LINES = 3_000;

/**
 * A plugin that writes lines to the log while the runtime starts, and does something else when it has. First it starts a
 * process that inherits the standard streams, which makes them block again.
 */
const noisy = (lines: number, afterwards = ''): string => `
import { spawnSync } from 'node:child_process';
export const plugin = () => ({
  name: 'noisy',
  apply: (host) => {
    spawnSync('true', { stdio: 'inherit' });
    for (let at = 0; at < ${lines}; at++) host.log.info({ at }, 'some noise');
    host.hooks.opened.tapPromise(async () => { ${afterwards} });
  },
});`;

/** Starts a server with the plugin. Its output is read only if the test does so. */
const start = async (
  t: ExecutionContext,
  source: string,
  { stderr = 'pipe' as 'pipe' | number, level = 'info' } = {},
): Promise<ChildProcess> => {
  const place = await makePlace(t);
  await writeFile(join(place, 'noisy.mjs'), source);
  const args = ['--plugin', 'echo', '--plugin', './noisy.mjs', 'serve', '--port', '0', '--log-level', level];
  const child = spawn(process.execPath, [main, ...args], {
    cwd: place,
    env: { ...process.env, HOME: place },
    stdio: ['ignore', 'pipe', stderr],
  });
  const ended = once(child, 'exit');
  t.teardown(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return child;
};

/** Resolves with the address of a server that is ready. */
const address = async ({ stdout }: ChildProcess): Promise<string> => {
  let printed = '';
  for await (const piece of (stdout as Readable).iterator({ destroyOnReturn: false })) {
    printed += String(piece);
    const [, url] = /listening on (\S+) .*\n/.exec(printed) ?? [];
    if (url !== undefined) return url;
  }
  throw new Error(`the server ended before it was ready: ${printed}`);
};

const createWorker = async (url: string): Promise<number> =>
  (await request(url, 'POST', '/workers', { engine: 'echo' })).status;

interface Line {
  readonly msg: string;
  readonly at?: number;
  readonly dropped?: number;
}

const linesIn = (log: string): readonly Line[] =>
  log
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);

test('P4, P22: a server whose log is not read serves, and ends after a signal', async (t) => {
  const child = await start(t, noisy(LINES));
  const url = await address(child);
  for (let times = 0; times < 20; times++) t.is(await createWorker(url), 201);
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  t.deepEqual(await ended, [0, null]);
});

test('P4, P22: a log that is a named pipe without an active reader stops neither the server nor its end', async (t) => {
  const fifo = join(await makePlace(t), 'fifo');
  execFileSync('mkfifo', [fifo]);
  const file = await open(fifo, constants.O_RDWR);
  t.teardown(() => file.close());
  const child = await start(t, noisy(LINES), { stderr: file.fd });
  t.is(await createWorker(await address(child)), 201);
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  t.deepEqual(await ended, [0, null]);
});

for (const level of ['info', 'error']) {
  test(`P22: once a stalled log is read again, a line counts the dropped lines, at level ${level}`, async (t) => {
    const source = noisy(LINES).replaceAll('log.info', `log.${level}`);
    const child = await start(t, source, { level });
    const url = await address(child);
    const log = text(child.stderr as Readable);
    // the requests are logged after the reader has caught up, or are in the count
    t.is(await createWorker(url), 201);
    child.kill('SIGTERM');
    const lines = linesIn(await log);
    const noise = lines.flatMap(({ msg, at }) => (msg === 'some noise' && at !== undefined ? [at] : []));
    const dropped = lines.reduce((sum, line) => sum + (line.dropped ?? 0), 0);
    t.true(noise.length > FEW_LINES && noise.length < LINES, String(noise.length));
    t.true(noise.length + dropped >= LINES, `${noise.length} written, ${dropped} dropped`);
    t.deepEqual(
      noise.slice(0, FEW_LINES),
      Array.from({ length: FEW_LINES }, (_, at) => at),
    );
  });
}

test('P22: the last lines of the log are written when an error ends the process', async (t) => {
  const fatal = `for (let at = 0; at < ${FEW_LINES}; at++) log.info({ at }, 'last words'); throw new Error('fatal')`;
  const child = await start(t, noisy(0, `const { log } = host; setImmediate(() => { ${fatal} })`));
  const exited = once(child, 'exit');
  const log = await text(child.stderr as Readable);
  t.is(log.match(/"msg":"last words"/g)?.length, FEW_LINES);
  t.regex(log, /uncaught exception, the process ends/);
  t.deepEqual(await exited, [1, null]);
});

test('P22: a plugin that prints to a closed standard output does not end the server', async (t) => {
  const child = await start(t, noisy(0, `setInterval(() => console.log('printed'), 5)`));
  const url = await address(child);
  child.stdout?.destroy();
  child.stderr?.resume();
  const errors: number[] = [];
  for (let times = 0; times < 50; times++) errors.push(await createWorker(url));
  t.true(errors.every((status) => status === 201));
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  t.deepEqual(await ended, [0, null]);
});

const resolvers = () => {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
};

/** Starts a runtime with a Worker, and follows its events with a reader that takes nothing until `resume` is called. */
const follow = async (t: ExecutionContext) => {
  const web = http({ port: 0 });
  const runtime = await Runtime.start({ plugins: [web, plugin()] });
  t.teardown(() => runtime.stop());
  await runtime.createWorker({ engine: 'echo', workerId: 'ada' });
  await runtime.sendInput('ada', { text: 'one' }, { waitMs: 20_000 });
  const printed: WorkerEvent[] = [];
  const stalled = resolvers();
  const resumed = resolvers();
  const code = runCommandLine(['events', 'ada', '--follow', '--json', '--url', web.url], {
    print: (line) => void printed.push(JSON.parse(line) as WorkerEvent),
    remark: () => {},
    room: async (signal) => {
      stalled.resolve();
      await Promise.race([resumed.promise, once(signal, 'abort')]);
    },
  });
  return { runtime, printed, code, stalled: stalled.promise, resume: resumed.resolve };
};

test.serial(
  'events --follow reads no further while its reader is stalled, and continues without a gap',
  async (t) => {
    const { runtime, printed, code, stalled, resume } = await follow(t);
    await stalled;
    const before = printed.length;
    await runtime.sendInput('ada', { text: 'two' }, { waitMs: 20_000 });
    t.is(printed.length, before);
    resume();
    const { lastSeq } = await runtime.getWorker('ada');
    while (printed.length < lastSeq) await new Promise((resolve) => setImmediate(resolve));
    process.emit('SIGTERM', 'SIGTERM');
    t.is(await code, 0);
    t.deepEqual(
      printed.map(({ seq }) => seq),
      Array.from({ length: lastSeq }, (_, at) => at + 1),
    );
  },
);

test.serial('events --follow ends at a signal although its reader is stalled', async (t) => {
  const { code, stalled } = await follow(t);
  await stalled;
  process.emit('SIGTERM', 'SIGTERM');
  t.is(await code, 0);
});
