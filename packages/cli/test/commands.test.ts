import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type CancelOutcome,
  type Diagnostic,
  type InputReceipt,
  type Page,
  Runtime,
  type RuntimeSummary,
  type StopOutcome,
  silentLogger,
  type TranscriptItem,
  type WorkerDetail,
  type WorkerEvent,
  type WorkerSummary,
} from '@worker-runtime/core';
import { UNLIMITED } from '@worker-runtime/core/scope';
import { HttpServer, http } from '@worker-runtime/plugin-http';
import { Registry } from '@worker-runtime/registry';
import test, { type ExecutionContext } from 'ava';
import { runCommandLine } from '../src/command-line.ts';
import { plugin } from '../src/echo.ts';
import { makePlace, Program, request, serve } from './program.ts';
import { ask, serve as serveScripted } from './typist.ts';

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command in this process. Most tests use this, because starting a process takes half a second. */
const runIn = async (url: string, ...args: readonly string[]): Promise<Result> => {
  let stdout = '';
  let stderr = '';
  const end = args.includes('--') ? args.indexOf('--') : args.length;
  const code = await runCommandLine([...args.slice(0, end), '--url', url, ...args.slice(end)], {
    print: (text) => {
      stdout += `${text}\n`;
    },
    remark: (text) => {
      stderr += `${text}\n`;
    },
  });
  return { code, stdout, stderr };
};

/** Starts a runtime for one test, and returns functions that run commands against it. */
const makeRuntime = async (t: ExecutionContext) => {
  const place = await makePlace(t);
  const web = http({ port: 0 });
  const runtime = await Runtime.start({ plugins: [web, plugin()] });
  t.teardown(() => runtime.stop());
  const { url } = web;
  const json = async <T>(...args: readonly string[]): Promise<T> => {
    const { code, stdout, stderr } = await runIn(url, ...args, '--json');
    t.is(code, 0, stderr);
    return JSON.parse(stdout) as T;
  };
  const begin = (...args: readonly string[]): Program =>
    new Program(t, place, args, { WORKER_RUNTIME_URL: url });
  return {
    runtime,
    place,
    url,
    json,
    begin,
    say: (...args: readonly string[]) => runIn(url, ...args),
  };
};

test('--json prints the answers of the runtime for every command of a Worker’s life', async (t) => {
  const { json, say, runtime } = await makeRuntime(t);
  const worker = await json<WorkerDetail>(
    ...['workers', 'create', '007', '--engine', 'echo', '--display-name', 'Ada', '--label', 'team=docs'],
    ...['--label', 'a=b=c', '--engine-config', '{"delayMs":1}', '--idempotency-key', 'k1'],
  );
  t.like(worker, { workerId: '007', displayName: 'Ada', status: 'idle', labels: { team: 'docs', a: 'b=c' } });

  const receipt = await json<InputReceipt>('send', '007', '--hello there'.slice(2), '--wait', '20');
  t.is(receipt.run?.outcome, 'completed');
  const transcript = await json<Page<TranscriptItem>>('transcript', '007');
  t.deepEqual(
    transcript.items.map(({ role }) => role),
    ['user', 'assistant'],
  );
  const list = await json<Page<WorkerSummary>>('workers', 'list', '--label', 'team=docs', '--status', 'idle');
  t.deepEqual(
    list.items.map(({ workerId }) => workerId),
    ['007'],
  );
  t.deepEqual((await json<Page<WorkerSummary>>('workers', 'list', '--label', 'team=sales')).items, []);
  t.is((await json<CancelOutcome>('workers', 'cancel', '007')).changed, false);
  t.like(await json<StopOutcome>('workers', 'stop', '007', '--reason', 'a rest'), {
    changed: true,
    outcome: 'graceful',
  });
  t.like(await json<StopOutcome>('workers', 'stop', '007'), { changed: false, status: 'stopped' });
  t.is((await json<WorkerDetail>('workers', 'resume', '007')).status, 'idle');

  const { stdout } = await say('events', '007', '--json');
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as WorkerEvent);
  t.deepEqual(
    events.map(({ seq }) => seq),
    events.map((_, at) => at + 1),
  );
  t.like(
    events.find(({ type }) => type === 'worker.stopped'),
    { data: { reason: 'a rest' } },
  );
  t.is((await json<RuntimeSummary>('status')).runtimeId, runtime.runtimeId);
});

test('a list says for how long a run has been active, and so does show', async (t) => {
  const { runtime, say } = await makeRuntime(t);
  await runtime.createWorker({
    engine: 'echo',
    workerId: 'slow',
    config: { hang: true },
    initialInput: { text: 'hello' },
  });
  t.regex(
    (await say('workers', 'list')).stdout,
    /^slow +- +echo +running +\d+ s +engine, \d+ s +\d+ s ago$/m,
  );
  t.regex((await say('workers', 'show', 'slow')).stdout, /^run +run_\w+, active for \d+ s$/m);
});

test('without --json every command of a Worker’s life prints text for people', async (t) => {
  const { say } = await makeRuntime(t);
  const created = await say('workers', 'create', 'ada', '--engine', 'echo', '--display-name', 'Ada\u001b[2J');
  t.is(created.stdout, 'ada is idle\n');
  const answer = await say('send', 'ada', 'hello there', '--wait');
  t.deepEqual([answer.stdout, answer.code], ['hello there\n', 0]);
  t.is((await say('transcript', 'ada')).stdout, 'user: hello there\nassistant: hello there\n');
  // a limit alone is for the newest
  t.is((await say('transcript', 'ada', '--limit', '1')).stdout, 'assistant: hello there\n');
  const list = await say('workers', 'list');
  t.regex(
    list.stdout,
    /^WORKER {2}NAME +ENGINE {2}STATUS {2}RUN FOR {2}WAITS FOR {2}UPDATED\nada +Ada\u{fffd}\[2J +echo +idle +- +- +\d+ s ago/u,
  );
  t.regex(
    (await say('workers', 'list', '--usage')).stdout,
    /STATUS {2}RUN FOR {2}WAITS FOR {2}RUNS +TOKENS +UPDATED\nada .* idle +- +- +1 completed {2}2 in, 2 out {2}\d+ s ago/,
  );
  const shown = await say('workers', 'show', 'ada');
  t.regex(shown.stdout, /^runs +1 completed\ntokens +2 in, 2 out$/m);
  const chosen = await say('events', 'ada', '--type', 'run.finished', '--type', 'input.accepted');
  t.is(chosen.code, 0);
  t.regex(chosen.stdout, /^ *\d+ .* input\.accepted .*\n *\d+ .* run\.finished .*\n$/);
  t.is((await say('events', 'ada', '--type', 'run.eaten')).code, 2);
  t.regex((await say('events', 'ada', '--after', '@1', '--limit', '1')).stdout, /^ +2 /);
  const first = await say('events', 'ada', '--limit', '2');
  t.regex(first.stdout, /^ {4}1 .*worker\.created.*\n {4}2 .*echo, generation 1\n$/);
  const [, after = ''] = /^more items are available: --after (\S+)\n$/.exec(first.stderr) ?? [];
  const others = await say('events', 'ada', '--after', after);
  t.regex(others.stdout, /^ {4}3 /);
  t.is(others.stderr, '');
  t.regex(
    (await say('status')).stdout,
    /^store +memory, lost at exit\nengines +echo\nstored +.* of events, 0 bytes of files\nworkers +1, 1 idle$/m,
  );
  t.regex(
    (await say('workers', 'delete', 'ada')).stderr,
    /; stop it first with: worker-runtime workers stop ada\n$/,
  );
  t.is((await say('workers', 'stop', 'ada')).stdout, 'ada is stopped (graceful)\n');
  t.regex(
    (await say('send', 'ada', 'hello')).stderr,
    /; resume it with: worker-runtime workers resume ada\n$/,
  );
  t.is((await say('workers', 'delete', 'ada')).stdout, 'ada is deleted\n');
  t.is((await say('workers', 'show', 'ada')).code, 4);
});

test('workers update changes what was given, and nothing else', async (t) => {
  const { runtime, say } = await makeRuntime(t);
  await runtime.createWorker({ engine: 'echo', workerId: 'ada', labels: { team: 'docs' } });
  const changed = await say(
    'workers',
    'update',
    'ada',
    '--display-name',
    'Ada',
    '--engine-config',
    '{"repeat":2}',
  );
  t.is(changed.stdout, 'ada is changed\n');
  const worker = await runtime.getWorker('ada');
  t.like(worker, { displayName: 'Ada', labels: { team: 'docs' } });
  await runtime.sendInput('ada', { text: 'ho' }, { waitMs: 10_000 });
  t.is((await say('transcript', 'ada', '--limit', '1')).stdout, 'assistant: ho ho\n');
  const { stdout } = await say('workers', 'update', 'ada', '--display-name', '', '--label', 'a=b', '--json');
  t.like(JSON.parse(stdout), { displayName: null, labels: { a: 'b' } });
  const nothing = await say('workers', 'update', 'ada');
  t.is(nothing.code, 2);
  t.regex(nothing.stderr, /--display-name, --label, --tool/);
});

test('transcript --markdown prints the whole conversation as a document', async (t) => {
  const { runtime, say } = await makeRuntime(t);
  await runtime.createWorker({ engine: 'echo', workerId: 'ada' });
  for (let at = 0; at < 150; at += 1)
    await runtime.sendInput('ada', { text: `# ${at}\n` }, { waitMs: 10_000, actor: 'grace' });
  const { stdout, code } = await say('transcript', 'ada', '--markdown');
  t.is(code, 0);
  const headings = stdout.split('\n').filter((line) => line.startsWith('## '));
  t.is(headings.length, 300);
  t.regex(stdout, /^## user \(grace\), \d{4}-\S+Z\n\n# 0\n\n\n## assistant, \S+\n\n/);
  const both = await say('transcript', 'ada', '--markdown', '--limit', '3');
  t.is(both.code, 2);
  t.regex(both.stderr, /--limit/);
});

test('transcript and events print who commanded, once for each command', async (t) => {
  const { runtime, say } = await makeRuntime(t);
  await runtime.createWorker({ engine: 'echo', workerId: 'ada' }, { actor: 'grace' });
  await runtime.sendInput('ada', { text: 'hello' }, { waitMs: 10_000, actor: 'linus' });
  await runtime.updateWorker('ada', { displayName: 'Ada' }, { actor: 'grace' });
  await runtime.stopWorker('ada', {}, { actor: 'linus' });
  await runtime.resumeWorker('ada', {}, { actor: 'grace' });
  t.is((await say('transcript', 'ada')).stdout, 'user (linus): hello\nassistant: hello\n');
  const { stdout } = await say('events', 'ada');
  t.regex(stdout, /worker\.created +echo \(by grace\)$/m);
  t.regex(stdout, /input\.accepted +hello \(by linus\)$/m);
  t.regex(stdout, /worker\.updated +\{"displayName":"Ada"\} \(by grace\)$/m);
  t.regex(stdout, /worker\.stopped +graceful \(by linus\)$/m);
  t.regex(stdout, /worker\.resumed +\(by grace\)$/m);
  t.is(stdout.match(/\b(grace|linus)\b/g)?.length, 5);
});

test('the exit code tells the kind of failure', async (t) => {
  const { say, begin } = await makeRuntime(t);
  const missing = await say('workers', 'show', 'nobody');
  t.is(missing.code, 4);
  t.regex(missing.stderr, /^worker-runtime: WORKER_NOT_FOUND: .+ \(\S+\)\n$/);
  const unknown = await say('workers', 'create', '--engine', 'eco');
  t.is(unknown.code, 2);
  t.regex(unknown.stderr, /ENGINE_UNKNOWN: .*"eco".*; available: echo\n$/);
  const config = await say('workers', 'create', '--engine', 'echo', '--engine-config', '{"dela":1}');
  t.is(config.code, 4);
  t.regex(config.stderr, /no key "dela" .*; available: delayMs, hang, ignoreAbort, repeat\n$/);

  await say('workers', 'create', 'ada', '--engine', 'echo', '--engine-config', '{"hang":true}');
  const impatient = await say('send', 'ada', 'hello', '--wait=1');
  t.is(impatient.code, 1);
  t.regex(impatient.stderr, /did not finish within 1 s; continue with: worker-runtime attach ada\n$/);
  const busy = await say('send', 'ada', 'hello');
  t.deepEqual([busy.code, busy.stderr.includes('WORKER_BUSY')], [4, true]);
  t.regex((await say('send', 'ada', 'later', '--queue')).stdout, /^queued as run_/);
  t.is(
    (await say('workers', 'stop', 'ada')).stdout,
    'ada is stopped (graceful), 1 queued input was cancelled\n',
  );

  const { code, stderr } = await begin('workers', 'show', 'nobody').ended;
  t.deepEqual([code, stderr.includes('WORKER_NOT_FOUND')], [4, true]);
});

test('a command fails clearly if no runtime answers at the address', async (t) => {
  const other = createServer((_, response) => response.writeHead(404).end('not here'));
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  const foreign = await runIn(url, 'status');
  t.is(foreign.code, 1);
  t.regex(foreign.stderr, /is not a runtime \(it answered with 404\); check --url/);
  const secure = await runIn(url.replace('http:', 'https:'), 'status');
  t.is(secure.code, 3);
  t.regex(
    secure.stderr,
    /^worker-runtime: no TLS connection to \S+ is possible; if its server does not use TLS, the address begins with http:\/\/\n$/,
  );
  await new Promise((resolve) => other.close(resolve).closeAllConnections());
  const unreachable = await runIn(url, 'status');
  t.is(unreachable.code, 3);
  t.regex(unreachable.stderr, /no runtime answers at http:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED/);
});

test('a command to a path that is none of a server says that the address may be wrong', async (t) => {
  const { url } = await makeRuntime(t);
  const { code, stderr } = await runIn(`${url}/w/gone`, 'status');
  t.is(code, 4);
  t.regex(stderr, /^worker-runtime: ROUTE_NOT_FOUND: No such route \(\S+\); check --url\n$/);
});

test('--runtime names one of several runtimes at an address, for each client command', async (t) => {
  const [one, two] = [
    await Runtime.start({ plugins: [plugin()] }),
    await Runtime.start({ plugins: [plugin()] }),
  ];
  const registry = new Registry([
    { name: 'one', runtime: one },
    { name: 'two', runtime: two },
  ]);
  const server = new HttpServer(registry, { port: 0 }, silentLogger);
  const caller = async () => ({ name: null, scope: UNLIMITED, expiresAt: null, withdrawn: null });
  await server.listen({ isOpen: false, identify: caller, identifyUpgrade: caller });
  t.teardown(async () => {
    await server.close();
    registry.close();
    await Promise.all([one.stop(), two.stop()]);
  });
  const say = (...args: readonly string[]) => runIn(server.url, ...args);
  const unnamed = await say('workers', 'list');
  t.is(unnamed.code, 4);
  t.regex(
    unnamed.stderr,
    /RUNTIME_NOT_FOUND: .*; if the address has several runtimes, name one with --runtime$/m,
  );

  const ofTwo = ['--runtime', two.runtimeId];
  for (const command of [
    ['workers', 'create', 'ada', '--engine', 'echo'],
    ['send', 'ada', 'hello', '--wait'],
    ['events', 'ada'],
    ['transcript', 'ada'],
    ['workers', 'list'],
    ['workers', 'stop', 'ada'],
    ['requests'],
    ['diagnostics'],
    ['status'],
  ]) {
    const { code, stderr } = await say(...command, ...ofTwo);
    t.is(code, 0, `${command.join(' ')}: ${stderr}`);
  }
  t.deepEqual([(await one.listWorkers()).items.length, (await two.listWorkers()).items.length], [0, 1]);
});

test('a command waits for a server that starts, or that stops and is replaced', async (t) => {
  const refusals = ['RUNTIME_STOPPING', 'RUNTIME_NOT_READY', 'RUNTIME_NOT_READY'];
  const { url } = await serveScripted(t);
  const seen: string[] = [];
  const pass = async (asked: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = asked.method === 'POST' ? Buffer.concat(await asked.toArray()) : null;
    const answer = await fetch(`${url}${asked.url}`, {
      method: asked.method ?? 'GET',
      headers: { 'content-type': 'application/json' },
      body,
    });
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
  };
  const front = createServer((asked, response) => {
    const code = refusals.shift();
    seen.push(`${asked.method} ${code ?? 'answered'}`);
    const problem = { code, status: 503, title: code, detail: code, retryable: true, correlationId: 'c' };
    if (code === undefined) void pass(asked, response);
    else response.writeHead(503, { 'content-type': 'application/problem+json' }).end(JSON.stringify(problem));
  });
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  t.teardown(() => front.close().closeAllConnections());
  const there = `http://127.0.0.1:${(front.address() as AddressInfo).port}`;
  t.regex((await runIn(there, 'workers', 'list')).stdout, /^ada /m);
  t.deepEqual(seen.splice(0), [
    'GET RUNTIME_STOPPING',
    ...Array(2).fill('GET RUNTIME_NOT_READY'),
    'GET answered',
  ]);
  // a server that stops may have accepted the input, so that only a key makes a second one safe
  refusals.push('RUNTIME_NOT_READY', 'RUNTIME_STOPPING');
  t.regex((await runIn(there, 'send', 'ada', 'hello')).stderr, /RUNTIME_STOPPING/);
  t.deepEqual(seen.splice(0), ['POST RUNTIME_NOT_READY', 'POST RUNTIME_STOPPING']);
  refusals.push('RUNTIME_STOPPING');
  t.is((await runIn(there, 'send', 'ada', 'hello', '--idempotency-key', 'k')).code, 0);
  t.deepEqual(seen, ['POST RUNTIME_STOPPING', 'POST answered']);
});

test('a refusal says what to do about it', async (t) => {
  const { engine, url } = await serveScripted(t);
  engine.script = () => [{ type: 'gate', gate: 'never' }];
  t.is((await runIn(url, 'send', 'ada', 'one')).code, 0);
  t.regex((await runIn(url, 'send', 'ada', 'two')).stderr, /WORKER_BUSY: .*; add --queue/);
  t.regex((await runIn(url, 'send', 'ada', 'two', '--queue')).stdout, /^queued as/);
  const sha256 = createHash('sha256').update('secret').digest('hex');
  const web = http({ port: 0, tokens: [{ name: 'bea', sha256, permission: 'observe' }] });
  const runtime = await Runtime.start({ plugins: [web] });
  t.teardown(() => runtime.stop());
  t.regex(
    (await runIn(web.url, 'status', '--token', 'wrong')).stderr,
    /UNAUTHENTICATED: .*; set WORKER_RUNTIME_TOKEN/,
  );
});

test('status shows the newest diagnostics, and diagnostics lists all of them', async (t) => {
  const { runtime, json, say } = await makeRuntime(t);
  const quiet = await say('status');
  t.regex(quiet.stdout, /^diagnostics +0\nsince/m);
  await say(
    'workers',
    'create',
    'ada',
    '--engine',
    'echo',
    '--engine-config',
    '{"hang":true,"ignoreAbort":true}',
  );
  for (const text of ['one', 'two', 'three']) {
    await runtime.sendInput('ada', { text });
    await runtime.stopWorker('ada', { deadlineMs: 0 });
    await runtime.resumeWorker('ada');
  }
  const { items } = await json<Page<Diagnostic>>('diagnostics');
  t.is(items.length, 3);
  const { stdout } = await say('status');
  const lines = items.map(
    ({ time, code, message, correlationId, worker }) =>
      `${time}  ${code}: ${message} (${correlationId}), ${worker}`,
  );
  t.true(
    stdout.includes(
      `diagnostics  3, list them with: worker-runtime diagnostics\n             ${lines[0]}\n             ${lines[1]}\nsince`,
    ),
    stdout,
  );
  const newest = await say('diagnostics', '--limit', '1');
  t.regex(newest.stdout, /^TIME +SEVERITY +WORKER +MESSAGE\n\S+ +\w+ +ada +[A-Z_]+: .+\(err_\w+\)\n$/);
  const [, after = ''] = /^more items are available: --after (\S+)\n$/.exec(newest.stderr) ?? [];
  t.deepEqual((await json<Page<Diagnostic>>('diagnostics', '--after', after)).items, items.slice(1));
});

test('words behind -- are arguments, also if they begin with a hyphen', async (t) => {
  const { runtime, say } = await makeRuntime(t);
  await runtime.createWorker({ engine: 'echo', workerId: 'ada' });
  for (const text of [
    '- buy milk',
    '--json',
    '--url=x',
    '-5 degrees',
    '-',
    '---',
    '--',
    '--fs-store.dir x',
  ]) {
    const sent = await say('send', 'ada', '--wait=10', '--', text);
    t.deepEqual([sent.code, sent.stdout, sent.stderr], [0, `${text}\n`, ''], text);
  }
  t.is((await say('send', '--wait=10', '--', 'ada', '-x')).stdout, '-x\n');
  t.is((await say('send', 'ada', '-', '--wait=10')).stdout, '-\n');
  t.regex((await say('workers', 'show', '--', '-ada')).stderr, /WORKER_NOT_FOUND/);
  const extra = await say('send', 'ada', '--', 'a', '-b');
  t.is(extra.stderr, 'worker-runtime: unexpected argument "-b"; put a text of several words in quotes\n');
  const guessed = await say('send', 'ada', '- buy milk');
  t.regex(
    guessed.stderr,
    /missing argument: got 1, expected 2; put -- before arguments that begin with "-"$/m,
  );
});

test('send --wait fails if the run is cancelled', async (t) => {
  const { say, begin } = await makeRuntime(t);
  await say('workers', 'create', 'ada', '--engine', 'echo', '--engine-config', '{"hang":true}');
  const sending = begin('send', 'ada', 'hello', '--wait');
  const following = begin('events', 'ada', '--follow');
  await following.prints(/run\.started/);
  t.is((await say('workers', 'cancel', 'ada')).stdout, 'the run was cancelled; ada is idle\n');
  const { code, stderr } = await sending.ended;
  t.is(code, 1);
  t.regex(stderr, /the run was cancelled/);
  t.is(
    (await say('transcript', 'ada')).stdout,
    'user: hello\nassistant: hello […]\nsystem: [the run was cancelled]\n',
  );
  t.regex((await say('events', 'ada')).stdout, /message\.completed +hello \[…\]\n/);
});

test('send --wait says in one call why a run has not ended, and wait continues to wait for it', async (t) => {
  const { engine, runtime, url } = await serveScripted(t);
  const say = (...args: readonly string[]) => runIn(url, ...args);
  engine.script = () => [ask, { type: 'text', text: 'so it is' }];
  const getWorker = runtime.getWorker.bind(runtime);
  Object.assign(runtime, { getWorker: () => t.fail('send asked for the Worker') });
  const asking = await say('send', 'ada', 'hello', '--wait');
  Object.assign(runtime, { getWorker });
  t.is(asking.code, 1);
  const [, run = ''] =
    /^worker-runtime: (run_\w+) waits for an answer; continue with: worker-runtime attach ada\n$/.exec(
      asking.stderr,
    ) ?? [];
  const waiting = await say('wait', 'ada', run);
  t.deepEqual([waiting.code, waiting.stdout, waiting.stderr], [1, '', asking.stderr]);

  const { items } = await runtime.listRequests('ada');
  await runtime.respond('ada', items[0]?.requestId ?? '', { decision: 'Yes' });
  t.deepEqual(await say('wait', 'ada', run), { code: 0, stdout: 'so it is\n', stderr: '' });
  const { stdout } = await say('wait', 'ada', run, '--timeout', '1', '--json');
  t.like(JSON.parse(stdout), { waited: 'finished', run: { runId: run, outcome: 'completed' } });
  t.is((await say('wait', 'ada', 'run_unknown')).code, 4);

  engine.script = () => [{ type: 'gate', gate: 'never' }];
  const { runId } = await runtime.sendInput('ada', { text: 'hello' });
  const late = await say('wait', 'ada', runId, '--timeout', '1');
  t.is(late.code, 1);
  t.regex(late.stderr, /run_\w+ did not finish within 1 s; continue with: /);
  const queued = say('send', 'ada', 'later', '--queue', '--wait');
  while ((await runtime.getWorker('ada')).queued === 0) await new Promise((resolve) => setImmediate(resolve));
  await runtime.stop();
  t.regex((await queued).stderr, /run_\w+ has not finished, and the runtime is stopping; continue with: /);
});

test('P5: events --follow prints each event once, across a restart of the runtime, until the Worker is deleted', async (t) => {
  const place = await makePlace(t);
  const first = await serve(t, place, ['--plugin', 'fs-store', '--plugin', 'echo']);
  const { url } = first;
  await request(url, 'POST', '/workers', { engine: 'echo', workerId: 'ada', initialInput: { text: 'one' } });
  const following = new Program(t, place, ['events', 'ada', '--follow', '--json', '--url', url]);
  await following.prints(/"type":"run\.finished"/s);
  await request(url, 'POST', '/workers/ada/inputs', { text: 'two' }, { prefer: 'wait=10' });
  await following.prints(/"type":"run\.finished".*"type":"run\.finished"/s);
  first.program.kill('SIGTERM');
  await first.program.ended;

  const port = new URL(url).port;
  const second = new Program(t, place, ['--plugin', 'fs-store', '--plugin', 'echo', 'serve', '--port', port]);
  await second.prints(/listening/);
  await request(url, 'POST', '/workers/ada/inputs', { text: 'three' }, { prefer: 'wait=10' });
  await following.prints(/"text":"three".*"type":"run\.finished"/s);
  await request(url, 'POST', '/workers/ada/stop', {});
  await fetch(`${url}/v1/runtimes/self/workers/ada`, { method: 'DELETE' });
  const { code, stdout } = await following.ended;
  t.true(code === 0 || code === 4);
  const seen = stdout
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as WorkerEvent).seq);
  t.deepEqual(
    seen,
    seen.map((_, at) => at + 1),
  );
});

test('P12: events --follow does not report a deletion if another runtime answers at the address', async (t) => {
  const place = await makePlace(t);
  const first = await serve(t, place, ['--plugin', 'echo']);
  const { url } = first;
  await request(url, 'POST', '/workers', { engine: 'echo', workerId: 'ada', initialInput: { text: 'one' } });
  const following = new Program(t, place, ['events', 'ada', '--follow', '--url', url]);
  await following.prints(/run\.finished/);
  // later events arrive through the stream
  await request(url, 'POST', '/workers/ada/inputs', { text: 'two' }, { prefer: 'wait=10' });
  await following.prints(/run\.finished.*run\.finished/s);
  first.program.kill('SIGTERM');
  await first.program.ended;
  const second = new Program(t, place, ['--plugin', 'echo', 'serve', '--port', new URL(url).port]);
  await second.prints(/listening/);
  const { code, stdout, stderr } = await following.ended;
  t.deepEqual([code, stderr], [1, `worker-runtime: another runtime answers at ${url} now\n`]);
  t.notRegex(stdout, /deleted/);
});

test('claims have a name and a mode; a conflicting claim is refused', async (t) => {
  const { json, say } = await makeRuntime(t);
  const claims = [
    '--claim',
    'project=fs:/srv/a',
    '--claim',
    'cache=fs:/tmp/c',
    '--claim-read',
    'docs=fs:/srv/docs',
  ];
  const worker = await json<WorkerDetail>('workers', 'create', 'ada', '--engine', 'echo', ...claims);
  t.deepEqual(worker.claims, [
    { name: 'project', mode: 'write' },
    { name: 'cache', mode: 'write' },
    { name: 'docs', mode: 'read' },
  ]);
  const refused = await say('workers', 'create', '--engine', 'echo', '--claim', 'mine=fs:/srv/a/b');
  t.is(refused.code, 4);
  t.regex(refused.stderr, /CLAIM_CONFLICT/);
  t.is((await say('workers', 'create', '--engine', 'echo', '--claim', 'fs:/srv')).code, 2);
});

test('Ctrl-C ends events --follow with exit code 0', async (t) => {
  const { say, begin } = await makeRuntime(t);
  await say('workers', 'create', 'ada', '--engine', 'echo');
  const following = begin('events', 'ada', '--follow');
  await following.prints(/execution\.attached/);
  following.kill('SIGINT');
  t.deepEqual([(await following.ended).code, (await following.ended).signal], [0, null]);
});
