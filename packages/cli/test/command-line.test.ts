import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { runCommandLine } from '../src/command-line.ts';
import { shortName } from '../src/compose.ts';
import { pluginOptionsOf, takePluginOptions } from '../src/plugin-option.ts';
import { printable, printableLine } from '../src/printable.ts';
import { mergeSettings, settingsOf } from '../src/settings.ts';
import { fieldList, table } from '../src/table.ts';
import { makePlace, run } from './program.ts';

test('the variables of serve count for each command that uses its settings', async (t) => {
  const place = await makePlace(t);
  const commands = [
    ['serve'],
    ['export', 'x.archive'],
    ['doctor'],
    ['--plugin', 'postgres-store', 'host', '--postgres-store.url', 'postgres://ada@127.0.0.1:9/x'],
  ];
  for (const command of commands) {
    const { code, stderr } = await run(t, place, command, { WORKER_RUNTIME_NAME: '../up' });
    t.is(code, 2, command.join(' '));
    t.regex(stderr, /--name must have 1 to 64 letters.*not "\.\.\/up"$/m, command.join(' '));
  }
});

test('a usage error exits with 2 and names the valid choices', async (t) => {
  const place = await makePlace(t);
  const file = async (name: string, content: string): Promise<string> => {
    await writeFile(join(place, name), content);
    return join(place, name);
  };
  const empty = await file('empty.mjs', '');
  const wrong = await file('wrong.json', '{ "prot": 1 }');
  const broken = await file('broken.json', '{');
  const cases: readonly [args: readonly string[], message: RegExp][] = [
    [
      ['--plugin', 'fs-stor', 'serve'],
      /PLUGIN_UNKNOWN.*"fs-stor".*fs-store, postgres-store, http, ws, legacy-pod, ai-sdk, acp, facade-a2a, facade-ag-ui, facade-mcp, facade-openai, facade-ui-stream, otel, quota, webhooks, echo/,
    ],
    [['--plugin', 'fs-stor', 'serve'], /; did you mean fs-store\? \(available plugins: fs-store, /],
    [['--plugin', './gone.mjs', 'serve'], /PLUGIN_UNKNOWN.*gone\.mjs/],
    [['--plugin', empty, 'serve'], /no export named "plugin"/],
    [['--plugin', 'echo', '--plugin', 'echo', 'serve'], /two plugins have the short name "echo"/],
    [
      ['--plugin', 'echo', 'serve', '--fs-store.dir', 'x'],
      /"fs-store", which is not loaded \(loaded: echo, http;/,
    ],
    [['--plugin', 'echo', 'serve', '--http.prot', '1'], /http\.prot does not exist.*port/],
    [['--plugin', 'echo', 'serve', '--http.port', 'x'], /http\.port must be a whole number/],
    [['--plugin', 'echo', 'serve', '--echo.loud'], /echo\.loud does not exist/],
    [['serve', '--fs-store.dri', 'x'], /fs-store\.dri does not exist.*dir/],
    [['serve', '--fs-store.openFiles', '3'], /fs-store\.openFiles must be a whole number from 4/],
    [
      ['--plugin', 'echo', 'serve', '--limits.nothing', '1'],
      /limits\.nothing does not exist; the limits are workers, /,
    ],
    [
      ['--plugin', 'echo', 'serve', '--limits.workers', 'x'],
      /limits\.workers must be a positive whole number$/,
    ],
    [['serve', '--quiet-hours.is-loud=true'], /camelCase: --quiet-hours\.isLoud, not/],
    [['--plugin', 'echo', 'serve', '--port', '1', '--http.port', '2'], /give only one of them/],
    [['--plugin', 'echo', 'serve', '--log-level', 'loud'], /debug, info, warn, error, silent/],
    [['serve', '--name', '../up'], /--name must have 1 to 64 letters/],
    [['--config', 'gone.json', 'serve'], /file not found: /],
    [['--config', broken, 'serve'], /cannot read \S+broken\.json: /],
    [
      ['--config', wrong, 'serve'],
      /"prot" is neither a setting \(plugin, name, host, port, tokenFile, logLevel\)/,
    ],
    [['serve', '--prot', '1'], /prot.*--port/],
    [['serve', '--port', 'abc'], /--port must be a whole number/],
    [
      [],
      /^worker-runtime: no command given; available commands: serve, host, hosts, runtimes, drain, backend, link, login, logout, policy, export, import, restore, backup, verify, doctor, identity, workers, send, wait, requests, file, events, transcript, status, diagnostics, attach, top, postgres, legacy, acp, completion$/,
    ],
    [
      ['--plugin', 'serve'],
      /no command given; --plugin took "serve" as its value; available commands: serve/,
    ],
    [['workers', '--config', 'list'], /no command given after "workers"; --config took "list" as its value;/],
    [
      ['srve'],
      /unknown command "srve"; did you mean serve\? \(available commands: serve, host, hosts, runtimes, drain, backend, link, login, logout, policy, export/,
    ],
    [['sned', 'ada', 'x'], /unknown command "sned"; did you mean send\?/],
    [['topp'], /unknown command "topp"; did you mean top\?/],
    [['bakcup', 'x.archive'], /unknown command "bakcup"; did you mean backup\?/],
    [['xyz'], /unknown command "xyz" \(available commands: serve/],
    [
      ['workers'],
      /no command given after "workers"; available commands: list, create, show, fork, update, stop, resume, cancel, delete, archive, import$/,
    ],
    [['workers', 'lst'], /"lst"; did you mean list\? \(available commands: list, create/],
    [
      ['workers', 'list', '--status', 'asleep'],
      /--status must be one of idle, running, waiting, stopped, not "asleep"$/,
    ],
    [['workers', 'list', '--label', 'docs'], /--label must have the form key=value, not "docs"$/],
    [
      ['workers', 'create', '--engine', 'echo', '--claim', 'docs'],
      /--claim must have the form name=resource, not "docs"$/,
    ],
    [
      ['workers', 'list', '--lable', 'a=b'],
      /unknown option --lable; did you mean --label\? \(available options: --url, /,
    ],
    [['workers', 'list', '--limit'], /--limit needs a value$/],
    [['workers', 'create'], /missing option: --engine$/],
    [['workers', 'create', '--engine', 'echo', '--engine-config', '[]'], /must be a JSON object/],
    [['send', 'ada'], /missing argument: got 1, expected 2; see --help$/],
    [['send', 'ada', '--wait', 'x'], /--wait took "x" as its seconds: put --wait last, or write --wait=10$/],
    [['send', 'ada', 'hello', '--wait', '0'], /--wait must be a whole number from 1 to 86400/],
    [
      ['send', 'ada', 'hello', 'there'],
      /unexpected argument "there"; put a text of several words in quotes$/,
    ],
    [['events', 'ada', '--follow', '--limit', '3'], /--follow and --limit cannot be combined$/],
    [['status', '--url', 'here'], /--url must be an address/],
    [['status', '--url', 'http://a', '--url', 'http://b'], /--url may be given only once/],
    [
      ['workers', 'create', '--engine', 'echo', '--label', 'team=blue', '--label', 'team=red'],
      /--label has two values for "team"$/,
    ],
    [
      ['workers', 'create', '--engine', 'echo', '--claim-read', 'docs=fs:/a', '--claim-read', 'docs=fs:/b'],
      /--claim-read has two values for "docs"$/,
    ],
    [['status', '--token', 'two words'], /token must be printable ASCII/],
    [
      ['status', '--plugin', 'echo'],
      /apply only to the commands export, import, restore, serve, host, backend/,
    ],
    [
      ['status', '--http.port', '1'],
      /apply only to the commands export, import, restore, serve, host, backend/,
    ],
  ];
  for (const [args, message] of cases) {
    const remarks: string[] = [];
    const output = { print: () => t.fail(), remark: (text: string) => void remarks.push(text) };
    t.is(await runCommandLine(args, output), 2, args.join(' '));
    t.regex(remarks.join('\n'), message, args.join(' '));
  }
});

test('--help and --version print to standard output', async (t) => {
  const place = await makePlace(t);
  const [all, help, serving, version] = await Promise.all([
    run(t, place, ['--help']),
    run(t, place, ['workers', 'create', '--help']),
    run(t, place, ['serve', '--help']),
    run(t, place, ['--version']),
  ]);
  // the commands are named in one list, by which their files are found
  const remarks: string[] = [];
  await runCommandLine([], { print: () => t.fail(), remark: (text) => void remarks.push(text) });
  const [, listed = ''] = /available commands: (.*)$/.exec(remarks.join('')) ?? [];
  const shown = [...all.stdout.matchAll(/^ {2}worker-runtime ([a-z]+)/gm)].map(([, name]) => name);
  t.deepEqual(shown.slice(0, listed.split(', ').length), listed.split(', '));
  const page = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  for (const name of listed.split(', '))
    t.regex(page, new RegExp(`\`(?:worker-runtime .*)?${name}[ \`]`), name);
  const rows = page.matchAll(/^\| command \| purpose \|\n.*\n((?:\|.*\n)*)/gm);
  for (const [, name = ''] of [...rows].flatMap(([, body = '']) => [...body.matchAll(/^\| `([a-z]+)/gm)]))
    t.true(listed.split(', ').includes(name), `README.md has the command ${name}`);
  t.is(help.code, 0);
  t.regex(help.stdout, /--engine-config/);
  const withPlugins = /^ +--plugin [\s\S]*^ +--config /m;
  t.regex(all.stdout, withPlugins);
  t.regex(serving.stdout, withPlugins);
  t.notRegex(help.stdout, /^ +--(?:plugin|config) /m, 'a command that refuses an option does not show it');
  t.regex(help.stdout, /worker-runtime workers create ada --engine echo/);
  t.regex(version.stdout, /^\d+\.\d+\.\d+\n$/);
});

test('plugin options are removed from the arguments', (t) => {
  const { rest, options } = takePluginOptions([
    '--fs-store.dir',
    'D',
    'serve',
    '--http.port=0',
    '--limits.workers',
    '3',
    '--audit.loud',
    '--port',
    '1',
    '--audit.last',
    '--',
    '--not.taken',
  ]);
  t.deepEqual(rest, ['serve', '--port', '1', '--', '--not.taken']);
  t.deepEqual(options, {
    'fs-store': { dir: 'D' },
    http: { port: 0 },
    limits: { workers: 3 },
    audit: { loud: true, last: true },
  });
  t.deepEqual(takePluginOptions(['--a.b', '0123', '--a.c', '1e3', '--a.d', 'false', '--a.e=']).options.a, {
    b: '0123',
    c: '1e3',
    d: false,
    e: '',
  });
});

test('a variable sets an option of the loaded plugin with the longest matching name', (t) => {
  const variables = {
    WORKER_RUNTIME_FS_STORE_DIR: 'D',
    WORKER_RUNTIME_HTTP_BODY_BYTES: '10',
    WORKER_RUNTIME_HTTP_PROXY_PORT: '1',
    WORKER_RUNTIME_URL: 'http://a',
  };
  t.deepEqual(pluginOptionsOf(variables, ['http', 'fs-store', 'http-proxy']), {
    'fs-store': { dir: 'D' },
    http: { bodyBytes: 10 },
    'http-proxy': { port: 1 },
  });
});

test('an earlier source of settings overrides a later one, option by option', (t) => {
  const flags = settingsOf('flags', { port: 1 }, { a: { x: 1 } }, '/');
  const file = settingsOf('file', { port: 2, host: 'h', name: 'n' }, { a: { x: 2, y: 2 } }, '/');
  t.deepEqual(mergeSettings(flags, file), {
    name: 'n',
    options: { a: { x: 1, y: 2 }, http: { port: 1, host: 'h' } },
  });
});

test('the short name of a plugin is the last part of its name', (t) => {
  for (const [name, short] of [
    ['fs-store', 'fs-store'],
    ['@worker-runtime/plugin-http', 'http'],
    ['./plugins/audit.ts', 'audit'],
    ['@acme/worker-runtime-plugin-audit', 'audit'],
    ['/a/plugin-.js', 'plugin-'],
  ] as const)
    t.is(shortName(name), short);
});

test('P84: characters that change the order of letters do not reach the terminal, and the letters of all scripts do', (t) => {
  for (const character of '\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069')
    t.is(printable(`rm ${character}gpj.tac`), 'rm \u{fffd}gpj.tac');
  // with marks of direction, 1/2 shows as 2/1
  t.is(printable('rm 1\u200f/\u200f2\u061c'), 'rm 1\u{fffd}/\u{fffd}2\u{fffd}');
  for (const text of [
    'שלום',
    'שלום!\u200f 1/2',
    'مرحبا\u200fأ',
    '👩\u200d👧',
    '☎\ufe0f',
    'e\u0301',
    '日本',
    '葛\u{e0100}',
  ])
    t.is(printable(text), text);
});

test('P84: characters that carry text which no person sees do not reach the terminal', (t) => {
  for (const character of ['\u2060', '\u206f', '\ufff9', '\u{e0041}', '\u{e007f}', '\u{e0141}', '\u{e0fff}'])
    t.is(printable(`rm ${character}a`), 'rm \u{fffd}a');
  t.is(printable('葛\u{e0100}\u{e0141}'), '葛\u{e0100}\u{fffd}');
});

test('control characters in the text of an agent do not reach the terminal', (t) => {
  t.is(printable('a\u001b[2Jb\tc\nd\u009b'), 'a\u{fffd}[2Jb\tc\nd\u{fffd}');
  t.is(printableLine('a\n  b'), 'a ⏎ b');
  t.is(printableLine(' a \r\n\n\t\n b\n'), ' a ⏎ b ⏎ ');
  t.is(printableLine('\n'), ' ⏎ ');
  t.is(printableLine(' a\rb '), ' a\u{fffd}b ');
  t.is(table(['A', 'LONG'], [['wide', 'x']]), 'A     LONG\nwide  x');
});

test('a table fits a narrow terminal: cells are shortened, those that name a row last, and texts are wrapped', (t) => {
  const headings = ['WORKER', 'NAME', 'STATUS', 'UPDATED'];
  const rows = [
    [
      'worker_01k0aaaaaaaaaaaaaaaaaaaa',
      'the migration of the second database',
      'running, 3 queued',
      '5 s ago',
    ],
    ['ada', '-', 'idle', '2 d 3 h ago'],
  ];
  for (const columns of [200, 100, 60, 40, 12]) {
    const lines = table(headings, rows, { columns }).split('\n');
    t.is(lines.length, 3, `${columns}`);
    t.true(Math.max(...lines.map(({ length }) => length)) <= columns, `${columns}: ${lines.join('\n')}`);
    if (columns >= 60) t.true(lines[1]?.startsWith('worker_01k0aaaaaaaaaaaaaaaaaaaa  '), lines[1]);
  }
  t.is(table(headings, rows, { columns: 60 }).includes('…'), true);
  t.is(table(headings, rows, { columns: 200 }), table(headings, rows));

  const message = 'A run was active when the runtime ended, and so it was closed as interrupted';
  const text = table(['TIME', 'MESSAGE'], [['12:00', message]], { columns: 40, isText: true }).split('\n');
  t.true(text.every(({ length }) => length <= 40));
  t.is(
    text
      .slice(1)
      .map((line) => line.slice(7))
      .join(' '),
    message,
  );
  t.true(text.slice(2).every((line) => line.startsWith(' '.repeat(7))));
  t.is(
    fieldList([['waits for', message]], 40)
      .split('\n')
      .map((line) => line.slice(11))
      .join(' '),
    message,
  );
});

test('columns stay aligned with ideographs, emoji and combining marks, which are never cut in two', (t) => {
  const family = '\u{1f469}\u200d\u{1f469}\u200d\u{1f467}';
  const accented = 'e\u0301';
  t.is(
    table(
      ['NAME', 'X'],
      [
        ['日本', '1'],
        [family, '2'],
        [`${accented}a`, '3'],
        ['abcd', '4'],
      ],
    ),
    ['NAME  X', '日本  1', `${family}    2`, `${accented}a    3`, 'abcd  4'].join('\n'),
  );
  const narrow = (name: string): string | undefined =>
    table(['A', 'B'], [[name, 'b']], { columns: 10 }).split('\n')[1];
  t.is(narrow('日本語日本語日本語'), '日本語…  b');
  t.is(narrow(family.repeat(5)), `${family.repeat(3)}…  b`);
  t.is(narrow(accented.repeat(9)), `${accented.repeat(6)}…  b`);
  t.is(narrow(`abcdef${accented}ghi`), 'abcdef…  b');
  t.deepEqual(fieldList([['asks', '漢字'.repeat(10)]], 26).split('\n'), [
    `asks  ${'漢字'.repeat(5)}`,
    `      ${'漢字'.repeat(5)}`,
  ]);
  const wrapped = table(['T', 'TEXT'], [['日', `ok ${'語'.repeat(9)}`]], { columns: 20, isText: true });
  t.is(wrapped, `T   TEXT\n日  ok\n    ${'語'.repeat(8)}\n    語`);
  t.is(printableLine('a\tb'), 'a b');
});
