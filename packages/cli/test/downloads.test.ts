/** Archives and files on their way: through a restart of the server, and over a connection that ends early. */
import { access, readdir, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Runtime } from '@worker-runtime/core';
import { http } from '@worker-runtime/plugin-http';
import test, { type ExecutionContext } from 'ava';
import { runCommandLine } from '../src/command-line.ts';
import { plugin } from '../src/echo.ts';
import { makePlace } from './program.ts';

/** A fault of the server in front with the next request, which it does not pass on with its answer. Null is no fault. */
type Disturbance = null | 'RUNTIME_STOPPING' | 'RUNTIME_NOT_READY' | 'lose the answer' | 'cut the answer';

/** Starts a runtime with the stopped Worker `ada` and its file, behind a server that disturbs requests. */
const scene = async (t: ExecutionContext) => {
  const web = http({ port: 0 });
  const runtime = await Runtime.start({ plugins: [web, plugin()] });
  t.teardown(() => runtime.stop());
  await runtime.createWorker({ engine: 'echo', workerId: 'ada' });
  await runtime.sendInput('ada', { text: 'hello' }, { waitMs: 10_000 });
  const { digest } = await runtime.putFile('ada', Buffer.alloc(100_000, 'a'), { mediaType: 'image/png' });
  await runtime.stopWorker('ada');
  const disturbances: Disturbance[] = [];
  const seen: string[] = [];
  const answer = async (asked: IncomingMessage, response: ServerResponse): Promise<void> => {
    const disturbance = disturbances.shift() ?? null;
    const path = (asked.url ?? '').replace(/^.*\/(?=x\/)/, '').replace(/\?.*$/, '');
    seen.push(`${asked.method} ${path}: ${disturbance ?? 'answered'}`);
    const sent = Buffer.concat(await asked.toArray());
    if (disturbance === 'RUNTIME_STOPPING' || disturbance === 'RUNTIME_NOT_READY') {
      const problem = { code: disturbance, detail: disturbance, retryable: true, correlationId: 'c' };
      response.writeHead(503, { 'content-type': 'application/problem+json' }).end(JSON.stringify(problem));
      return;
    }
    const passed = await fetch(`${web.url}${asked.url}`, {
      method: asked.method ?? 'GET',
      headers: { 'content-type': 'application/octet-stream' },
      ...(sent.length > 0 && { body: sent }),
    });
    const body = Buffer.from(await passed.arrayBuffer());
    if (disturbance === 'lose the answer') return void response.destroy();
    const headers = Object.fromEntries(
      [...passed.headers].filter(([name]) => /^(content-type|file-)/.test(name)),
    );
    response.writeHead(passed.status, headers);
    if (disturbance === null) return void response.end(body);
    response.write(body.subarray(0, body.length / 2), () => response.destroy());
  };
  const front = createServer((asked, response) => void answer(asked, response));
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  t.teardown(() => front.close().closeAllConnections());
  const url = `http://127.0.0.1:${(front.address() as AddressInfo).port}`;
  const place = await makePlace(t);
  return {
    runtime,
    place,
    digest,
    /** Returns what the server in front has done since the last call. */
    history: () => seen.splice(0),
    disturb: (...next: readonly Disturbance[]) => void disturbances.push(...next),
    say: async (...args: readonly string[]) => {
      const [stdout, stderr]: [string[], string[]] = [[], []];
      const output = {
        print: (text: string) => void stdout.push(text),
        remark: (text: string) => void stderr.push(text),
      };
      const code = await runCommandLine([...args, '--url', url], output);
      return { code, stdout: stdout.join('\n'), stderr: stderr.join('\n') };
    },
  };
};

test('archive commands wait for a server that starts, or that stops and is replaced, as other commands do', async (t) => {
  const { place, history, disturb, say, runtime } = await scene(t);
  disturb('RUNTIME_STOPPING', 'RUNTIME_NOT_READY');
  const backup = await say('backup', join(place, 'all.archive'));
  t.is(backup.code, 0, backup.stderr);
  t.deepEqual(history(), [
    'GET x/archives: RUNTIME_STOPPING',
    'GET x/archives: RUNTIME_NOT_READY',
    'GET x/archives: answered',
  ]);

  const archive = ['workers', 'archive', 'ada', '--to', join(place, 'old'), '--json'];
  // the list, the file and the removal
  disturb('RUNTIME_NOT_READY', null, 'RUNTIME_STOPPING', null, 'RUNTIME_STOPPING', 'RUNTIME_NOT_READY');
  const archived = await say(...archive);
  t.is(archived.code, 0, archived.stderr);
  const { file } = JSON.parse(archived.stdout) as { readonly file: string };
  t.deepEqual(history(), [
    'GET x/archives/workers: RUNTIME_NOT_READY',
    'GET x/archives/workers: answered',
    'GET x/archives/workers/ada: RUNTIME_STOPPING',
    'GET x/archives/workers/ada: answered',
    'DELETE x/archives/workers/ada: RUNTIME_STOPPING',
    'DELETE x/archives/workers/ada: RUNTIME_NOT_READY',
    'DELETE x/archives/workers/ada: answered',
  ]);
  t.deepEqual((await runtime.listWorkers()).items, []);
  disturb('RUNTIME_NOT_READY');
  const back = await say('workers', 'import', file);
  t.is(back.stdout, 'ada is stopped', back.stderr);
  // a server that stops may have put the Worker back, and a second time would be refused
  t.deepEqual(history(), ['POST x/archives/workers: RUNTIME_NOT_READY', 'POST x/archives/workers: answered']);
});

test('P76: a removal whose answer is lost is repeated, and counts once', async (t) => {
  const { place, history, disturb, say, runtime } = await scene(t);
  const folder = join(place, 'old');
  // the list, the file, and the removal, which happens although its answer is lost
  disturb(null, null, 'lose the answer');
  const { code, stdout, stderr } = await say('workers', 'archive', 'ada', '--to', folder);
  t.is(code, 0, stderr);
  t.regex(stdout, /^ada: \d+ bytes, now in /);
  t.deepEqual(history().slice(2), [
    'DELETE x/archives/workers/ada: lose the answer',
    'DELETE x/archives/workers/ada: answered',
  ]);
  t.deepEqual((await runtime.listWorkers()).items, []);
  t.is((await readdir(folder)).length, 1);
  await runtime.createWorker({ engine: 'echo', workerId: 'bob' });
  for (const text of ['one', 'two', 'three']) await runtime.sendInput('bob', { text }, { waitMs: 10_000 });
  history();
  disturb(null, null, 'lose the answer');
  const trimmed = await say('workers', 'archive', 'bob', '--history-before', '6', '--to', folder);
  t.is(trimmed.code, 0, trimmed.stderr);
  t.is((await runtime.getWorker('bob')).archived?.firstSeq, 6);
});

test('P75: a download that ends early leaves no file, and says so with the code of a lost connection', async (t) => {
  const { place, disturb, say, digest } = await scene(t);
  for (const [name, args, cuts] of [
    ['all.archive', ['backup', join(place, 'all.archive')], ['cut the answer']],
    // a file is asked for a second time
    [
      'a.png',
      ['file', 'ada', digest, '--output', join(place, 'a.png')],
      ['cut the answer', 'cut the answer'],
    ],
  ] as const) {
    // what an earlier command left that was killed
    await writeFile(join(place, `${name}.partial`), 'the beginning');
    disturb(...cuts);
    const { code, stdout, stderr } = await say(...args, '--json');
    t.is(code, 3, stderr);
    t.is(stdout, '');
    t.like(JSON.parse(stderr), { code: 'RUNTIME_UNREACHABLE', retryable: true }, name);
    await t.throwsAsync(access(join(place, name)), { code: 'ENOENT' }, name);
    t.is((await say(...args)).code, 0, name);
    t.deepEqual(
      (await readdir(place)).filter((found) => found.startsWith(name)),
      [name],
    );
  }
});

test('archive commands report refusals with the code and the correlation id of the runtime', async (t) => {
  const { place, say, runtime } = await scene(t);
  const { code, stderr } = await say('backup', join(place, 'a.archive'), '--runtime', 'runtime_x', '--json');
  t.is(code, 4, stderr);
  const problem = JSON.parse(stderr) as { readonly code: string; readonly correlationId: unknown };
  t.is(problem.code, 'RUNTIME_NOT_FOUND');
  t.is(typeof problem.correlationId, 'string');
  t.is((await say('backup', join(place, 'a.archive'), '--runtime', runtime.runtimeId)).code, 0);
  t.is((await say('backup', join(place, 'b.archive'), '--runtime', '../x')).code, 2);
  t.deepEqual(
    (await readdir(place)).filter((name) => name.includes('archive')),
    ['a.archive'],
  );
});
