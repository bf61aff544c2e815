/** Errors as programs get them: with `--json`, each line of standard error is one object. */
import { Runtime } from '@worker-runtime/core';
import { http } from '@worker-runtime/plugin-http';
import test, { type ExecutionContext } from 'ava';
import { runCommandLine } from '../src/command-line.ts';
import { plugin } from '../src/echo.ts';
import { makePlace, Program, request, run, serve } from './program.ts';

interface Problem {
  readonly code: string;
  readonly detail: string;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;
  readonly correlationId: string | null;
}

const MEMBERS = ['code', 'correlationId', 'detail', 'details', 'retryable'];
/** Nothing listens at this address: the port is reserved. */
const NOWHERE = 'http://127.0.0.1:1';

/** Runs a command that fails, in this process. Returns its error and its answers. */
const failureOf = async (t: ExecutionContext, ...args: readonly string[]) => {
  const [printed, remarks]: [string[], string[]] = [[], []];
  const code = await runCommandLine(args, {
    print: (text) => void printed.push(text),
    remark: (text) => void remarks.push(text),
  });
  const name = args.join(' ');
  t.is(remarks.length, 1, `${name}: ${remarks.join('\n')}`);
  t.false(remarks[0]?.includes('\n'), name);
  const problem = JSON.parse(remarks[0] ?? '') as Problem;
  t.deepEqual(Object.keys(problem).sort(), MEMBERS, name);
  return { code, problem, printed };
};

test('with --json, a usage error is one JSON object with the code INVALID_REQUEST', async (t) => {
  const cases: readonly (readonly [args: readonly string[], detail: RegExp])[] = [
    [['--json'], /^no command given; available commands: serve, /],
    [['--json', 'srve'], /^unknown command "srve"; did you mean serve\?/],
    [['workers', 'lst', '--json'], /^unknown command "lst"; did you mean list\?/],
    [['workers', 'create', '--json'], /^missing option: --engine$/],
    [['workers', 'list', '--limit', 'x', '--json'], /^--limit must be a whole number/],
    [['workers', 'list', '--json', '--lable', 'a=b'], /^unknown option --lable/],
    [['send', 'ada', '--json=true'], /^missing argument: got 1, expected 2/],
    [['events', 'ada', '--json', '--follow', '--limit', '3'], /^--follow and --limit cannot be combined$/],
    [['status', '--json', '--url', 'here'], /^--url must be an address/],
    [['backup', 'a.archive', '--json', '--url', 'here'], /^--url must be an address/],
    [['link', '--json', '--group'], /^--group needs a value$/],
    [['top', '--json'], /^top needs a terminal/],
    [['workers', 'archive', '--to', 'x', '--json'], /^say which Workers go/],
  ];
  for (const [args, detail] of cases) {
    const { code, problem, printed } = await failureOf(t, ...args);
    t.is(code, 2, args.join(' '));
    t.like(problem, { code: 'INVALID_REQUEST', retryable: false, details: {}, correlationId: null });
    t.regex(problem.detail, detail);
    t.deepEqual(printed, []);
  }
  // a word after "--" is an argument, and not an option
  const remarks: string[] = [];
  const output = { print: () => t.fail(), remark: (text: string) => void remarks.push(text) };
  t.is(await runCommandLine(['sned', '--', '--json'], output), 2);
  t.is(await runCommandLine(['sned', '--json', 'false'], output), 2);
  t.true(remarks.every((text) => text.startsWith('worker-runtime: unknown command "sned"')));
});

test('with --json, each client command says in one JSON object that no runtime answers', async (t) => {
  const place = await makePlace(t);
  const commands = [
    'workers list',
    'workers create ada --engine echo',
    'workers show ada',
    'workers fork ada',
    'workers update ada --display-name Ada',
    'workers stop ada',
    'workers resume ada',
    'workers cancel ada',
    'workers delete ada',
    `workers archive ada --to ${place}`,
    'send ada hello',
    'wait ada run_1 --timeout 1',
    'requests',
    `file ada sha256:1 --output ${place}/file`,
    'events ada',
    'transcript ada',
    'status',
    'diagnostics',
    'legacy list',
    'legacy adopt pod',
    `backup ${place}/a.archive`,
    'login',
  ];
  for (const command of commands) {
    const { code, problem, printed } = await failureOf(t, ...command.split(' '), '--json', '--url', NOWHERE);
    t.is(code, 3, command);
    t.like(problem, { code: 'RUNTIME_UNREACHABLE', retryable: true, correlationId: null }, command);
    t.regex(problem.detail, /^no (runtime|backend) answers at http:\/\/127\.0\.0\.1:1/);
    t.deepEqual(printed, [], command);
  }
});

test('with --json, a refusal has the code, the details and the correlation id of the runtime', async (t) => {
  const web = http({ port: 0 });
  const runtime = await Runtime.start({ plugins: [web, plugin()] });
  t.teardown(() => runtime.stop());
  await runtime.createWorker({ engine: 'echo', workerId: 'ada' });
  const at = ['--json', '--url', web.url];
  const { code, problem, printed } = await failureOf(t, 'workers', 'delete', 'ada', ...at);
  t.is(code, 4);
  t.deepEqual(printed, []);
  const response = await fetch(`${web.url}/v1/runtimes/self/workers/ada`, { method: 'DELETE' });
  const body = (await response.json()) as Problem;
  t.is(problem.code, 'WORKER_NOT_STOPPED');
  for (const name of ['code', 'details', 'retryable'] as const) t.deepEqual(problem[name], body[name], name);
  t.true(problem.detail.startsWith(`${body.detail}; stop it first with: `), problem.detail);
  t.regex(problem.correlationId ?? '', /^\S{8,}$/);
  t.is((await failureOf(t, 'workers', 'create', '--engine', 'ehco', ...at)).code, 2);
});

test('with --json, a run that failed or has not ended is an error after the answer', async (t) => {
  const web = http({ port: 0 });
  const runtime = await Runtime.start({ plugins: [web, plugin()] });
  t.teardown(() => runtime.stop());
  await runtime.createWorker({ engine: 'echo', workerId: 'ada', config: { hang: true } });
  const at = ['--json', '--url', web.url];
  const late = await failureOf(t, 'send', 'ada', 'hello', '--wait', '1', ...at);
  t.is(late.code, 1);
  const receipt = JSON.parse(late.printed.join('')) as { runId: string };
  t.is(late.problem.code, 'RUN_NOT_ENDED');
  t.deepEqual(late.problem.details, { workerId: 'ada', runId: receipt.runId, waited: 'timeout' });
  await runtime.cancelRun('ada');
  const cancelled = await failureOf(t, 'wait', 'ada', receipt.runId, ...at);
  t.is(cancelled.code, 1);
  t.like(cancelled.problem, { code: 'RUN_NOT_COMPLETED', detail: 'the run was cancelled' });
  t.is(cancelled.problem.details.outcome, 'cancelled');
});

test('with --json, standard error of the program is one line, for commands and for servers', async (t) => {
  const place = await makePlace(t);
  const { url } = await serve(t, place, ['--plugin', 'fs-store', '--plugin', 'echo']);
  await request(url, 'POST', '/workers', { engine: 'echo', workerId: 'ada' });
  for (const [exit, code, args] of [
    [4, 'WORKER_NOT_FOUND', ['workers', 'show', 'bob', '--url', url]],
    [4, 'WORKER_NOT_STOPPED', ['workers', 'delete', 'ada', '--url', url]],
    [1, 'STORE_LOCKED', ['--plugin', 'fs-store', 'serve', '--port', '0', '--log-level', 'silent']],
    [2, 'PLUGIN_UNKNOWN', ['--plugin', 'fs-stor', 'serve']],
    [1, 'FILE_NOT_FOUND', ['verify', 'gone.archive']],
    [1, 'STORE_LOCKED', ['doctor']],
  ] as const) {
    const ended = await run(t, place, [...args, '--json']);
    t.deepEqual([ended.code, ended.stdout], [exit, ''], ended.stderr);
    t.regex(ended.stderr, /^[^\n]+\n$/);
    t.is((JSON.parse(ended.stderr) as Problem).code, code);
  }
});

test('with --json, remarks are objects too, and a fault of the program is INTERNAL with its stack', async (t) => {
  const place = await makePlace(t);
  const { url } = await serve(t, place, ['--plugin', 'echo']);
  await request(url, 'POST', '/workers', { engine: 'echo', workerId: 'ada' });
  const pipe = new Program(t, place, ['workers', 'archive', '--stopped-for', '1d', '--to', 'x', '--json'], {
    WORKER_RUNTIME_URL: url,
  });
  t.deepEqual(JSON.parse((await pipe.ended).stderr), { remark: 'no stopped Worker fits the options' });
  const remarks: string[] = [];
  const broken = {
    print: () => {
      throw new TypeError('the output is broken');
    },
    remark: (text: string) => void remarks.push(text),
  };
  t.is(await runCommandLine(['status', '--json', '--url', url], broken), 1);
  const [problem] = remarks.map((text) => JSON.parse(text) as Problem);
  t.like(problem, { code: 'INTERNAL', detail: 'the output is broken', retryable: false });
  t.regex(String(problem?.details.stack), /json-errors\.test\.ts/);
});
