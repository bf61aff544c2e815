/** `worker-runtime backend`, and the commands around it. */
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { makePlace, Program, request, run, serve } from './program.ts';

const startBackend = async (t: ExecutionContext, place: string, args: readonly string[]) => {
  const program = new Program(t, place, [...args, 'backend', '--port', '0']);
  const [, url = '', workspaces = ''] = await program.prints(
    /^worker-runtime backend listening on (http:\S+) \(workspaces: (.*)\)$/m,
  );
  const [, link = ''] = await program.prints(/^log in: (\S+)$/m);
  return { program, url, workspaces, link };
};

test('the default workspace has the Workers of serve, and client commands find the token of this machine', async (t) => {
  const place = await makePlace(t);
  const plain = await serve(t, place, ['--plugin', 'fs-store', '--plugin', 'echo']);
  await request(plain.url, 'POST', '/workers', {
    engine: 'echo',
    workerId: 'ada',
    initialInput: { text: 'from serve' },
  });
  plain.program.kill('SIGTERM');
  await plain.program.ended;
  const { program, url, workspaces, link } = await startBackend(t, place, ['--plugin', 'echo']);
  t.is(workspaces, 'default');
  t.true(link.startsWith(`${url}/login#`));
  const client = (...args: readonly string[]) => run(t, place, [...args, '--url', url]);
  const transcript = await client('transcript', 'ada');
  t.regex(transcript.stdout, /from serve/, transcript.stderr);
  t.is((await client('send', 'ada', 'from the backend', '--wait')).code, 0);
  const words = ['worker-runtime', '--url', url, 'send', 'a'];
  t.is((await run(t, place, ['--get-yargs-completions', ...words])).stdout, 'ada\n');
  t.is((await fetch(`${url}/v1/runtimes/self/workers`)).status, 401);
  const another = await run(t, place, [
    'link',
    '--as',
    'bea',
    '--group',
    'team-a',
    '--group',
    'team-b',
    '--json',
  ]);
  const code = String(JSON.parse(another.stdout).url).split('#')[1];
  const session = await fetch(`${url}/v1/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ code }),
  });
  const { name, groups } = JSON.parse(await session.text());
  t.deepEqual([name, groups], ['bea', ['team-a', 'team-b']]);
  t.is((await run(t, place, ['link', '--as', 'no such\nname'])).code, 4);
  program.kill('SIGTERM');
  t.is((await program.ended).code, 0);
  t.is((await run(t, place, ['link'])).code, 3);
});

test('a settings file describes workspaces, whose plugins it names', async (t) => {
  const place = await makePlace(t);
  await writeFile(
    join(place, 'backend.config.json'),
    JSON.stringify({
      dataDir: 'files',
      workspaces: { acme: { plugins: ['echo'], companion: { engine: 'echo' } }, other: {} },
    }),
  );
  const { url, workspaces } = await startBackend(t, place, []);
  t.is(workspaces, 'acme, other');
  const listed = await run(t, place, ['link', '--data-dir', 'files']);
  t.true(listed.stdout.startsWith(`${url}/login#`), listed.stderr);
  t.deepEqual((await readdir(join(place, 'files', 'workspaces'))).sort(), ['acme', 'other']);
  const refused = await run(t, place, ['--plugin', 'echo', 'backend']);
  t.is(refused.code, 2);
  t.regex(refused.stderr, /cannot be combined with .*backend\.config\.json/);
});

test('mistakes are usage errors that say what to do', async (t) => {
  const place = await makePlace(t);
  await mkdir(join(place, 'sub'));
  await writeFile(join(place, 'list.json'), '[]');
  await writeFile(join(place, 'wrong.json'), '{"workspaces":{"acme":{"plugins":["nowhere-plugin"]}}}');
  for (const [args, message] of [
    [['--config', 'nowhere.json', 'backend'], /file not found/],
    [['--config', 'list.json', 'backend'], /must contain one object/],
    [['--config', 'wrong.json', 'backend'], /unknown plugin "nowhere-plugin"/],
    [['backend', '--host', '0.0.0.0'], /set listen\.publicUrl/],
    [['backend', '--colour', 'red'], /unknown option --colour/],
    [['--plugin', 'fs-store', 'backend'], /a part of the backend already/],
  ] as const) {
    const { code, stderr } = await run(t, place, args);
    t.is(code, 2, stderr);
    t.regex(stderr, message);
  }
});

test('login gets a token with a code that a person confirms elsewhere, and logout ends it', async (t) => {
  const place = await makePlace(t);
  const { url, link } = await startBackend(t, place, ['--plugin', 'echo']);
  const headers = { 'content-type': 'application/json', origin: url };
  const code = link.split('#')[1];
  const session = await fetch(`${url}/v1/session`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ code }),
  });
  const cookie = session.headers.getSetCookie()[0]?.split(';')[0] ?? '';
  // another machine: it has neither the files of the backend nor a token
  const machine = await makePlace(t);
  const client = (...args: readonly string[]) => run(t, machine, [...args, '--url', `${url}/`]);
  t.is((await client('status')).code, 4);
  const login = new Program(t, machine, ['login', '--url', `${url}/`, '--permission', 'observe']);
  const [, page = '', userCode = ''] = await login.prints(
    /^open (\S+) in a browser, and type the code ([A-Z]{4}-[A-Z]{4})$/m,
    'stderr',
  );
  t.is(page, `${url}/device`);
  const decide = (allow: boolean, typed = userCode) =>
    fetch(`${url}/v1/device-logins/${typed}`, {
      method: 'POST',
      headers: { ...headers, cookie },
      body: JSON.stringify({ allow }),
    });
  t.is((await decide(true)).status, 200);
  const { code: exitCode, stdout } = await login.ended;
  t.is(exitCode, 0);
  t.regex(stdout, /^logged in at http:\S+ until 20\d\d-/);
  const kept = join(machine, 'data', 'worker-runtime', 'tokens.json');
  t.is((await stat(kept)).mode & 0o777, 0o600);
  const token = JSON.parse(await readFile(kept, 'utf8'))[url];
  t.is((await client('status')).code, 0);
  // it may do what was asked for
  t.is((await client('workers', 'create', 'ada', '--engine', 'echo')).code, 4);
  t.is((await client('logout')).code, 0);
  t.is((await client('status')).code, 4);
  t.is((await client('logout')).code, 1);
  t.is(
    (await fetch(`${url}/v1/session`, { headers: { authorization: `Bearer ${token}` } })).status,
    401,
    'the backend knows the token no longer',
  );
  const refused = new Program(t, machine, ['login', '--url', url]);
  const [, , second = ''] = await refused.prints(/^open (\S+) .* code (\S+)$/m, 'stderr');
  await decide(false, second);
  const { code: refusal, stderr } = await refused.ended;
  t.is(refusal, 4);
  t.regex(stderr, /FORBIDDEN: The login was refused in the browser/);
  t.is((await run(t, machine, ['login', '--url', 'http://127.0.0.1:1'])).code, 3);
  t.is((await run(t, machine, ['login', '--url', 'agents.example'])).code, 2);
});

test('policy explain prints the decision and its rule', async (t) => {
  const place = await makePlace(t);
  const grants = [
    { to: ['group:team-a'], workspace: 'acme', may: ['operate', 'answer'], workers: [{ team: 'a' }] },
    {
      to: ['*'],
      workspace: 'acme',
      may: 'observe',
      limits: { workers: 2, inputsAMinute: 60 },
      allowance: { tools: ['read'], claims: [] },
    },
  ];
  await writeFile(join(place, 'policy.json'), JSON.stringify({ grants }), { mode: 0o644 });
  const explain = (...args: readonly string[]) => run(t, place, ['policy', 'explain', ...args]);
  const ada = await explain('--as', 'ada', '--group', 'team-a', '--workspace', 'acme');
  t.is(
    ada.stdout,
    'rule: /grants/0\npermissions: operate, answer\nWorkers: [{"team":"a"}]\nruntimes: all\nlimits: none\nengines: all\ntools: all\nclaims: all\n',
  );
  const limited = await explain('--as', 'eve', '--workspace', 'acme');
  t.regex(limited.stdout, /^limits: 2 Workers, 60 inputs a minute$/m);
  t.regex(limited.stdout, /^engines: all\ntools: \["read"\]\nclaims: \[\]$/m);
  const eve = await explain('--as', 'eve', '--workspace', 'acme', '--json');
  t.deepEqual(JSON.parse(eve.stdout), {
    rule: 1,
    grant: {
      permissions: ['observe'],
      workers: '*',
      runtimes: '*',
      limits: { workers: 2, inputsAMinute: 60 },
      allowance: { tools: ['read'], claims: [] },
    },
  });
  t.regex(
    (await explain('--as', 'eve')).stdout,
    /no rule fits: the workspace "default" does not exist for eve/,
  );
  const broken = await explain('--as', 'eve', '--policy', 'nowhere.json');
  t.is(broken.code, 2);
  t.regex(broken.stderr, /The policy file \S+nowhere\.json cannot be opened \(ENOENT\)/);
  await writeFile(join(place, 'torn.json'), '{ "grants": ', { mode: 0o644 });
  const torn = await explain('--as', 'eve', '--policy', 'torn.json');
  t.is(torn.code, 2);
  t.regex(torn.stderr, /The policy is not valid JSON: Unexpected end/);
});

test('login and logout take the answer of a proxy for none, follow no redirect, and keep a token that may be valid', async (t) => {
  const seen: (string | undefined)[] = [];
  let answer = { status: 502, location: '' };
  const proxy = createServer((request, response) => {
    seen.push(request.url);
    response.writeHead(answer.status, answer.location === '' ? {} : { location: answer.location });
    response.end('<html>');
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    proxy.closeAllConnections();
    proxy.close();
  });
  const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const machine = await makePlace(t);
  const kept = join(machine, 'data', 'worker-runtime', 'tokens.json');
  await mkdir(dirname(kept), { recursive: true });
  await writeFile(kept, JSON.stringify({ [url]: 'the-token' }));
  const tokens = async (): Promise<unknown> => JSON.parse(await readFile(kept, 'utf8'));
  t.is((await run(t, machine, ['logout', '--url', url])).code, 3);
  t.is((await run(t, machine, ['login', '--url', url])).code, 3);
  answer = { status: 307, location: `${url}/elsewhere` };
  t.is((await run(t, machine, ['logout', '--url', url])).code, 1);
  t.is((await run(t, machine, ['login', '--url', url])).code, 1);
  t.false(seen.includes('/elsewhere'));
  t.deepEqual(await tokens(), { [url]: 'the-token' });
});
