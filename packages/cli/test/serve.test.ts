import { execFile, spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, realpath, rename, writeFile } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { type Duplex, Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type {
  InputReceipt,
  Overview,
  Page,
  TranscriptItem,
  WorkerDetail,
  WorkerEvent,
} from '@worker-runtime/core';
import test from 'ava';
import { main, makePlace, Program, request, run, serve } from './program.ts';

const durable = ['--plugin', 'fs-store', '--plugin', 'echo'];

const textsOf = ({ items }: Page<TranscriptItem>): string[] =>
  items.map(
    ({ role, parts }) => `${role}: ${parts.map((part) => ('text' in part ? part.text : '')).join('')}`,
  );

test('P7, P9, P12: acknowledged data survives kill -9, active runs end as interrupted, and Workers accept new inputs', async (t) => {
  const place = await makePlace(t);
  const args = [...durable, '--fs-store.dir', 'kept'];
  const first = await serve(t, place, args);
  t.true(first.line.endsWith(`store fs-store in ${await realpath(join(place, 'kept'))})`), first.line);

  const created = await request<WorkerDetail>(first.url, 'POST', '/workers', {
    engine: 'echo',
    workerId: 'ada',
  });
  t.is(created.status, 201);
  const sent = await request<InputReceipt>(
    first.url,
    'POST',
    '/workers/ada/inputs',
    { text: 'hello there' },
    { prefer: 'wait=10' },
  );
  t.is(sent.status, 200);
  t.is(sent.body.run?.outcome, 'completed');
  const transcript = await request<Page<TranscriptItem>>(first.url, 'GET', '/workers/ada/transcript');
  t.deepEqual(textsOf(transcript.body), ['user: hello there', 'assistant: hello there']);
  const overview = await request<Overview>(first.url, 'GET', '/workers/ada/overview');
  t.is(overview.body.runs.completed, 1);
  t.deepEqual([overview.body.usage.inputTokens, overview.body.usage.byModel.echo?.outputTokens], [2, 2]);

  // a second Worker has an active run when the process is killed
  await request(first.url, 'POST', '/workers', { engine: 'echo', workerId: 'bob', config: { hang: true } });
  await request(first.url, 'POST', '/workers/bob/inputs', { text: 'never answered' });

  first.program.kill('SIGKILL');
  t.is((await first.program.ended).signal, 'SIGKILL');

  const second = await serve(t, place, args);
  t.is(second.runtimeId, first.runtimeId);
  const found = await request<WorkerDetail>(second.url, 'GET', '/workers/ada');
  t.is(found.body.status, 'idle');
  t.false(found.body.execution.connected);
  t.is(found.body.createdAt, created.body.createdAt);
  const kept = await request<Page<TranscriptItem>>(second.url, 'GET', '/workers/ada/transcript');
  t.deepEqual(kept.body.items, transcript.body.items);
  const { body: again } = await request<InputReceipt>(
    second.url,
    'POST',
    '/workers/ada/inputs',
    { text: 'and again' },
    { prefer: 'wait=10' },
  );
  t.is(again.run?.outcome, 'completed');

  const { body: interrupted } = await request<WorkerDetail>(second.url, 'GET', '/workers/bob');
  t.is(interrupted.status, 'idle');
  const { body: counts } = await request<Overview>(second.url, 'GET', '/workers/bob/overview');
  t.deepEqual([counts.inputs, counts.runs.interrupted, counts.runs.completed], [1, 1, 0]);
});

test('P4: SIGTERM closes open streams with a reason, ends a run that hangs, and exits with 0', async (t) => {
  const place = await makePlace(t);
  const { program, url } = await serve(t, place, [...durable, '--limits.shutdownDeadlineMs', '1000']);
  await request(url, 'POST', '/workers', {
    engine: 'echo',
    workerId: 'deaf',
    config: { hang: true, ignoreAbort: true },
    initialInput: { text: 'hello' },
  });
  const stream = await fetch(`${url}/v1/runtimes/self/workers/deaf/events`, {
    headers: { accept: 'text/event-stream' },
  });
  program.kill('SIGTERM');
  const frames = await stream.text();
  t.regex(frames, /event: closing\ndata: .*RUNTIME_STOPPING/);
  const { code, signal } = await program.ended;
  t.deepEqual([code, signal], [0, null]);
});

test('P51: a server whose store is moved away closes its streams with a reason, exits with 1, and has lost nothing', async (t) => {
  const place = await makePlace(t);
  const { program, url } = await serve(t, place, [...durable, '--fs-store.dir', 'kept']);
  await request(url, 'POST', '/workers', { engine: 'echo', workerId: 'ada' });
  const stream = await fetch(`${url}/v1/runtimes/self/workers/ada/events`, {
    headers: { accept: 'text/event-stream' },
  });
  await rename(join(place, 'kept'), join(place, 'moved'));
  t.regex(await stream.text(), /event: closing\ndata: .*STORE_LOST/);
  const { code, stderr } = await program.ended;
  t.is(code, 1);
  t.regex(stderr, /^worker-runtime: STORE_LOST: The directory of the store was moved or deleted$/m);
  const next = await serve(t, place, [...durable, '--fs-store.dir', 'moved']);
  t.is((await request<WorkerDetail>(next.url, 'GET', '/workers/ada')).body.status, 'idle');
});

test('P4: a terminal that closes ends the runs in progress and drains as SIGTERM does', async (t) => {
  if (spawnSync('script', ['--version']).status !== 0) {
    t.log('skipped: there is no script(1), which gives a program a terminal');
    t.pass();
    return;
  }
  const place = await makePlace(t);
  const args = [...durable, '--fs-store.dir', 'kept', '--limits.shutdownDeadlineMs', '1000'];
  const command = [process.execPath, main, ...args, 'serve', '--port', '0'].join(' ');
  const terminal = spawn('script', ['-qefc', command, '/dev/null'], {
    cwd: place,
    env: { ...process.env, HOME: place, XDG_DATA_HOME: join(place, 'data') },
    // the server inherits the last pipe, which ends with it
    stdio: ['ignore', 'pipe', 'ignore', 'pipe'],
  });
  t.teardown(() => terminal.kill('SIGKILL'));
  const [, output, , ends] = terminal.stdio;
  if (!(output instanceof Readable) || !(ends instanceof Readable)) throw new TypeError('both are pipes');
  let url = '';
  for await (const text of output.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    url = /^worker-runtime listening on (http:\S+)/m.exec(text)?.[1] ?? '';
    if (url !== '') break;
  }
  await request(url, 'POST', '/workers', {
    engine: 'echo',
    workerId: 'ada',
    config: { hang: true },
    initialInput: { text: 'hello' },
  });
  terminal.kill('SIGKILL');
  await once(ends.resume(), 'end');
  const second = await serve(t, place, args);
  const { body } = await request<Page<WorkerEvent>>(second.url, 'GET', '/workers/ada/events');
  // the next start would have ended the run without its last message
  t.deepEqual(
    body.items.slice(-2).map(({ type }) => type),
    ['message.completed', 'run.finished'],
  );
});

test('P4: a second signal exits at once', async (t) => {
  const place = await makePlace(t);
  const { program, url } = await serve(t, place, [
    '--plugin',
    'echo',
    '--limits.shutdownDeadlineMs',
    '600000',
  ]);
  await request(url, 'POST', '/workers', {
    engine: 'echo',
    config: { hang: true, ignoreAbort: true },
    initialInput: { text: 'hello' },
  });
  // a signal shortly after the first counts as the same request, so signals are sent until one is late enough
  const repeat = setInterval(() => program.kill('SIGINT'), 50);
  const { code } = await program.ended;
  clearInterval(repeat);
  t.is(code, 130);
});

test('a store that cannot be opened fails the start; memory is not used instead', async (t) => {
  const place = await makePlace(t);
  await writeFile(join(place, 'file'), 'in the way');
  const { code, stdout, stderr } = await run(t, place, [
    ...durable,
    'serve',
    '--port',
    '0',
    '--fs-store.dir',
    'file',
  ]);
  t.is(code, 1);
  t.is(stdout, '');
  t.regex(stderr, /^worker-runtime: [A-Z_]+: /m);
});

test('P15: a second process on the same store is refused; the default plugins are a file store and no engine', async (t) => {
  const place = await makePlace(t);
  const { url, line } = await serve(t, place, ['--name', 'mine']);
  const folder = join(place, 'data', 'worker-runtime', 'mine');
  t.true(line.endsWith(`store fs-store in ${folder})`), line);
  t.true(existsSync(folder));
  const { code, stdout, stderr } = await run(t, place, ['serve', '--port', '0', '--name', 'mine']);
  t.deepEqual([code, stdout], [1, '']);
  t.regex(stderr, /^worker-runtime: STORE_LOCKED: /m);
  t.true(stderr.endsWith(` (${folder}); use another --name or --fs-store.dir\n`), stderr);
  t.is(stderr.split('STORE_LOCKED').length, 2, 'the error is printed once');
  const { port } = new URL(url);
  const portInUse = await run(t, place, ['--plugin', 'echo', 'serve', '--port', port]);
  t.is(portInUse.code, 1);
  t.true(
    portInUse.stderr.endsWith(
      `; to see if a runtime uses it, run: worker-runtime status --url http://127.0.0.1:${port}\n`,
    ),
    portInUse.stderr,
  );
  const { body } = await request<{ displayName: string; engines: unknown[] }>(url, 'GET', '');
  t.deepEqual([body.displayName, body.engines], ['mine', []]);
});

test('without a store plugin the ready line warns; the log is JSON lines on standard error', async (t) => {
  const place = await makePlace(t);
  const { program, line } = await serve(t, place, ['--plugin', 'echo']);
  t.regex(line, /store memory, lost at exit\)$/);
  program.kill('SIGTERM');
  const { code, stdout, stderr } = await program.ended;
  t.deepEqual([code, stdout], [0, `${line}\n`]);
  const lines = stderr
    .trim()
    .split('\n')
    .map((text) => JSON.parse(text) as { msg: string });
  t.true(lines.some(({ msg }) => msg === 'stopped'));
});

test('the ready line is JSON for programs, and each metric is in the operating guide', async (t) => {
  const place = await makePlace(t);
  const program = new Program(t, place, [
    ...durable,
    '--fs-store.dir',
    's',
    'serve',
    '--port',
    '0',
    '--json',
  ]);
  const [line] = await program.prints(/^\{.*\}$/m);
  const { url, runtimeId, store } = JSON.parse(line);
  t.deepEqual(store, { kind: 'fs-store', durable: true, folder: await realpath(join(place, 's')) });
  t.is((await request<{ runtimeId: string }>(url, 'GET', '')).body.runtimeId, runtimeId);

  const metrics = await (await fetch(`${url}/metrics`)).text();
  const guide = await readFile(new URL('../../../docs/operating.md', import.meta.url), 'utf8');
  const names = [...metrics.matchAll(/^# TYPE worker_runtime_(\w+)/gm)].map(([, name]) => name ?? '');
  t.true(names.length > 20);
  t.deepEqual(
    names.filter((name) => !guide.includes(`\`${name}\``)),
    [],
  );
});

test('flags override variables, and variables the settings file, which may name a plugin by a relative path', async (t) => {
  const place = await makePlace(t);
  await mkdir(join(place, 'own'));
  await writeFile(
    join(place, 'own', 'plugin-note.mjs'),
    `import { writeFileSync } from 'node:fs';
     export const plugin = (options) => ({
       name: 'note',
       apply: (host) => host.hooks.start.tapPromise(async () => writeFileSync('note', JSON.stringify(options))),
     });`,
  );
  await writeFile(
    join(place, 'own', 'settings.mjs'),
    `export default {
       plugin: ['fs-store', 'echo', './plugin-note.mjs'],
       name: 'file',
       'fs-store': { dir: 'from-file' },
       http: { bodyBytes: 2_000 },
       note: { text: 'file', list: [1] },
     };`,
  );
  const args = ['--config', 'own/settings.mjs', '--name', 'flag', '--note.count=3', '--note.text', 'flag'];
  const { url } = await serve(t, place, args, {
    WORKER_RUNTIME_NAME: 'variable',
    WORKER_RUNTIME_NOTE_TEXT: 'variable',
    WORKER_RUNTIME_FS_STORE_DIR: 'from-variable',
  });
  t.deepEqual(
    [existsSync(join(place, 'from-file')), existsSync(join(place, 'from-variable'))],
    [false, true],
  );
  const { body } = await request<{ displayName: string; engines: { name: string }[] }>(url, 'GET', '');
  t.deepEqual([body.displayName, body.engines.map(({ name }) => name)], ['flag', ['echo']]);
  t.deepEqual(JSON.parse(await readFile(join(place, 'note'), 'utf8')), { text: 'flag', list: [1], count: 3 });
  const large = await request(url, 'POST', '/workers', { engine: 'echo', displayName: 'x'.repeat(3_000) });
  t.is(large.status, 413);
});

/** An engine with an unhandled rejection. */
const FORGETFUL = `
const run = async function* () {
  void Promise.reject(new Error('forgotten'));
  await new Promise((resolve) => setImmediate(resolve));
  yield { type: 'text', text: 'done' };
};
const forgetful = { name: 'forgetful', capabilities: {}, attach: async () => ({ run, detach: async () => {} }) };
export const plugin = () => ({ name: 'forgetful', apply: (host) => host.useEngine(forgetful) });
`;

test('P22: an unhandled rejection of an engine is logged, and ends neither its run nor the server', async (t) => {
  const place = await makePlace(t);
  await writeFile(join(place, 'forgetful.mjs'), FORGETFUL);
  const { url, program } = await serve(t, place, ['--plugin', './forgetful.mjs'], { NODE_OPTIONS: '' });
  await request(url, 'POST', '/workers', { workerId: 'a', engine: 'forgetful' });
  const wait = { prefer: 'wait=20' };
  const { status, body } = await request(url, 'POST', '/workers/a/inputs', { text: 'hello' }, wait);
  t.is(status, 200);
  t.like(body, { run: { outcome: 'completed' } });
  program.kill('SIGTERM');
  const { code, stderr } = await program.ended;
  t.is(code, 0);
  t.regex(stderr, /forgotten.*"msg":"unhandled rejection"/);
});

test('without a build the command tells the user to run one', async (t) => {
  const place = await makePlace(t);
  await mkdir(join(place, 'bin'));
  const copy = join(place, 'bin', 'worker-runtime.js');
  await copyFile(fileURLToPath(new URL('../bin/worker-runtime.js', import.meta.url)), copy);
  await writeFile(join(place, 'package.json'), '{ "type": "module" }');
  const { code, stderr } = await new Promise<{ code: unknown; stderr: string }>((resolve) =>
    execFile(process.execPath, [copy], (error, _, stderr) => resolve({ code: error?.code, stderr })),
  );
  t.is(code, 1);
  t.regex(stderr, /npm run build/);
});

test('with a version of Node before that of the manifest, the command says which one it needs', async (t) => {
  const { engines } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'));
  const least = String(engines.node).replace('>=', '');
  const program = fileURLToPath(new URL('../bin/worker-runtime.js', import.meta.url));
  const runWith = (version: string): Promise<string> => {
    const versions = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } });`;
    const preload = `data:text/javascript,${encodeURIComponent(versions)}`;
    return new Promise((resolve) =>
      execFile(process.execPath, ['--import', preload, program, '--version'], (error, stdout, stderr) =>
        resolve(error === null ? stdout : `${error.code}: ${stderr}`),
      ),
    );
  };
  for (const version of ['18.20.8', '20.18.3'])
    t.is(
      await runWith(version),
      `1: worker-runtime needs Node ${least} or newer, and this is Node ${version}.\n`,
    );
  for (const version of [`${least}.0`, '22.0.0']) t.regex(await runWith(version), /^\d+\.\d+\.\d+\n$/);
});

test('--token-file admits the tokens it lists; a file that others can read fails the start', async (t) => {
  const place = await makePlace(t);
  const sha256 = createHash('sha256').update('s3cret').digest('hex');
  const tokens = JSON.stringify([{ name: 'ada', sha256, permission: 'observe' }]);
  await writeFile(join(place, 'tokens.json'), tokens, { mode: 0o600 });
  const { url } = await serve(t, place, ['--plugin', 'echo', '--token-file', 'tokens.json']);
  const authorization = 'Bearer s3cret';
  t.is((await request(url, 'GET', '/workers')).status, 401);
  t.is((await request(url, 'GET', '/workers', undefined, { authorization })).status, 200);
  t.is((await request(url, 'POST', '/workers', { engine: 'echo' }, { authorization })).status, 403);

  await writeFile(join(place, 'open.json'), tokens, { mode: 0o644 });
  const { code, stderr } = await run(t, place, ['serve', '--port', '0'], {
    WORKER_RUNTIME_TOKEN_FILE: 'open.json',
  });
  t.is(code, 2);
  t.regex(stderr, /INVALID_REQUEST: .*accessible to users other than its owner/);
  t.true(stderr.endsWith(` (${join(await realpath(place), 'open.json')})\n`), stderr);
});

test('the default plugins include WebSocket streams', async (t) => {
  const { url, program } = await serve(t, await makePlace(t), []);
  const upgrading = get(`${url}/v1/runtimes/self/stream`, {
    headers: {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': randomBytes(16).toString('base64'),
      'sec-websocket-protocol': 'worker-runtime.v1',
    },
  });
  const [{ statusCode }, socket, head] = (await once(upgrading, 'upgrade')) as [
    IncomingMessage,
    Duplex,
    Buffer,
  ];
  t.is(statusCode, 101);
  // the greeting may arrive together with the answer
  const greeting = head.length > 0 ? head : ((await once(socket, 'data'))[0] as Buffer);
  t.regex(greeting.toString(), /"type":"hello"/);
  program.kill('SIGTERM');
  t.is((await program.ended).code, 0);
});

/** The program that runs another one as the first process of a namespace, as in a container. */
const NAMESPACE = 'unshare';
const FIRST = ['--user', '--map-root-user', '--pid', '--fork', '--kill-child'];
const hasNamespaces = spawnSync(NAMESPACE, [...FIRST, 'true']).status === 0;

(hasNamespaces ? test : test.skip)(
  'a server that is the first process of its container warns that it needs an init process',
  async (t) => {
    const place = await makePlace(t);
    const args = [main, '--plugin', 'echo', 'serve', '--port', '0'];
    const first = spawn(NAMESPACE, [...FIRST, process.execPath, ...args], {
      cwd: place,
      env: { ...process.env, HOME: place },
    });
    const ended = once(first, 'close');
    t.teardown(() => first.kill('SIGKILL'));
    let log = '';
    for await (const piece of first.stderr.setEncoding('utf8')) {
      log += piece;
      if (log.includes('docker run --init')) break;
    }
    t.regex(log, /"level":40.*This is process 1/);
    first.kill('SIGKILL');
    await ended;
    const other = await serve(t, place, ['--plugin', 'echo']);
    other.program.kill('SIGTERM');
    t.notRegex((await other.program.ended).stderr, /process 1/);
  },
);
