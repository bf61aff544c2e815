import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { runtimeClient } from '@worker-runtime/client';
import {
  inputText,
  memoryStore,
  type Observation,
  type Page,
  Runtime,
  type WorkerRequest,
} from '@worker-runtime/core';
import { Conversation } from '@worker-runtime/core/views';
import { http } from '@worker-runtime/plugin-http';
import test from 'ava';
import { Dialogue } from '../src/attach/dialogue.ts';
import { Narrator } from '../src/attach/narrator.ts';
import { BARE } from '../src/attach/style.ts';
import { runCommandLine } from '../src/command-line.ts';
import { eventSummary } from '../src/display-text.ts';
import { plugin } from '../src/echo.ts';
import { screenOf } from './emulated-screen.ts';
import { ask, serve, Typist } from './typist.ts';

test('typed lines are answered, and the end of the input waits for the answers', async (t) => {
  const { engine, runtime, attach, pipe } = await serve(t);
  engine.script = ({ input }) => [
    { type: 'text', text: `you said ${inputText(input)}` },
    { type: 'message' },
    { type: 'tool-call', call: 'c', name: 'read', input: { path: 'x' } },
    { type: 'tool-result', call: 'c', output: 'found' },
  ];
  await runtime.sendInput('ada', { text: 'before' }, { waitMs: 10_000 });
  const program = pipe();
  program.types('one');
  program.types('');
  program.types('two\u001b[2J');
  t.is(await program.leaves(), 0);
  const recent = 'user: before\nassistant: you said before\nassistant: read({"path":"x"})\ntool: "found"\n';
  const tools = '[read {"path":"x"}]\n[→ "found"]\n';
  t.is(program.seen, `you said one\n${tools}you said two\u{fffd}[2J\n${tools}`);

  const person = attach();
  await person.sees(`${recent}user: one\n`);
  await person.sees('[ada is idle; Ctrl-C cancels its run, Ctrl-D leaves]\n');
  person.types('three');
  await person.sees(`you said three\n${tools}`);
  t.is(await person.leaves(), 0);
});

test('a call is shown with its title, and with the name of its tool if it has none', async (t) => {
  const { engine, runtime, pipe, attach } = await serve(t);
  engine.script = () => [
    { type: 'tool-call', call: 'c', name: 'execute', title: 'Count the \u001b[2Jbeans', input: { n: 3 } },
    { type: 'tool-result', call: 'c', output: 3 },
    { type: 'tool-call', call: 'd', name: 'execute', input: {} },
    { type: 'tool-result', call: 'd', output: 4 },
  ];
  const program = pipe();
  program.types('count');
  t.is(await program.leaves(), 0);
  const title = 'Count the \u{fffd}[2Jbeans';
  t.is(program.seen, `[${title} {"n":3}]\n[→ 3]\n[execute {}]\n[→ 4]\n`);
  const person = attach();
  await person.sees(`assistant: ${title}({"n":3})\ntool: 3\nassistant: execute({})\n`);
  t.is(await person.leaves(), 0);
  const { items } = await runtime.events('ada', { after: 'start' });
  t.deepEqual(
    items.flatMap((event) => (event.type === 'tool.called' ? [eventSummary(event)] : [])),
    ['Count the \u001b[2Jbeans', 'execute'],
  );
});

test('pasted lines are one input, a backslash continues a line, and Ctrl-C discards what was begun', async (t) => {
  const { engine, runtime, attach } = await serve(t);
  engine.script = ({ input }) => [{ type: 'text', text: `${inputText(input).split('\n').length} lines` }];
  const person = attach();
  await person.sees('Ctrl-D leaves]');
  t.true(person.written.includes('\u001b[?2004h'));
  person.presses('see: \u001b[200~one\ntwo\rthree\u001b[201~!\n');
  await person.sees('assistant: 3 lines');
  person.presses('first \\\nsecond\n');
  await person.sees('assistant: 2 lines');
  person.presses('not this\\\n');
  await person.sees('… ');
  person.interrupts();
  person.presses('only this\n');
  await person.sees('assistant: 1 lines');
  t.is(await person.leaves(), 0);
  t.true(person.written.includes('\u001b[?2004l'));
  const { items } = await runtime.transcript('ada', { after: 'start' });
  t.deepEqual(
    items.flatMap(({ role, parts }) =>
      role === 'user' ? parts.map((part) => 'text' in part && part.text) : [],
    ),
    ['see: one\ntwo\nthree!', 'first \nsecond', 'only this'],
  );
});

test('Up brings back whole inputs of several lines, which can be changed and sent again', async (t) => {
  const { engine, runtime, attach } = await serve(t);
  engine.script = ({ input }) => [{ type: 'text', text: `got ${JSON.stringify(inputText(input))}` }];
  const person = attach();
  await person.sees('Ctrl-D leaves]');
  const sent: string[] = [];
  const send = async (keys: string, text: string): Promise<void> => {
    sent.push(text);
    person.presses(keys);
    await person.sees(`assistant: got ${JSON.stringify(text)}`);
  };
  const up = '\u001b[A';
  // newer versions of Node move the cursor with Up within an input of several lines, and not with Ctrl-P
  const earlier = '\u0010';
  await send('single\n', 'single');
  await send('\u001b[200~one\ntwo\nthree\u001b[201~\n', 'one\ntwo\nthree');
  await send('first\\\nsecond\n', 'first\nsecond');
  await send(`${up} more\n`, 'first\nsecond more');
  await send(`${earlier.repeat(3)}!\n`, 'one\ntwo\nthree!');
  await send(`${earlier.repeat(5)}?\n`, 'single?');
  // a line of an input in progress is no input of its own
  person.presses('begun\\\n');
  await send(`${earlier}.\n`, 'begun\nsingle?.');
  t.is(await person.leaves(), 0);
  const { items } = await runtime.transcript('ada', { after: 'start', limit: 100 });
  t.deepEqual(
    items.flatMap(({ role, parts }) =>
      role === 'user' ? parts.map((part) => 'text' in part && part.text) : [],
    ),
    sent,
  );
});

test('an answer that arrives while an input of several lines is on the screen goes above it', async (t) => {
  const { engine, attach } = await serve(t);
  engine.script = () => [
    { type: 'gate', gate: 'typing' },
    { type: 'text', text: 'one\ntwo\nthree' },
    { type: 'gate', gate: 'end' },
  ];
  const columns = 40;
  const person = attach({ look: { columns } });
  await person.sees('Ctrl-D leaves]');
  person.presses('\u001b[200~first\nsecond\nthird\u001b[201~\n');
  await person.sees('third\n');
  await person.isPrompted();
  const wide = `${'w'.repeat(columns - 6)}the end`;
  person.presses('\u001b[A');
  for (const key of ` ${wide}`) person.presses(key);
  await person.sees('the end');
  engine.gate('typing').open();
  await person.sees('two\n');
  engine.gate('end').open();
  await person.sees('three\n');
  const [, end = ''] = screenOf(person.written, columns).join('\n').split('third\n');
  const answer = 'assistant: one\ntwo\nthree\n';
  t.true(end.startsWith(answer), end);
  // newer versions of Node draw a line before the further lines of an input
  t.is(end.slice(answer.length).replace(/^\| |\n/gm, ''), `> firstsecondthird ${wide}`);
  person.presses('\n');
  t.is(await person.leaves(), 0);
});

test('an input that is on its way when a person leaves is submitted, and no prompt follows it', async (t) => {
  const { engine, runtime, attach } = await serve(t);
  engine.script = () => [{ type: 'text', text: 'done' }];
  const person = attach();
  await person.sees('Ctrl-D leaves]');
  person.types('first \\');
  person.types('second');
  t.is(await person.leaves(), 0);
  t.false(person.written.slice(person.written.indexOf('second')).includes('> '), person.written);
  const { items } = await runtime.transcript('ada', { after: 'start' });
  t.like(items[0], { role: 'user', parts: [{ text: 'first \nsecond' }] });
});

test('speakers and remarks have their own look on a terminal with colours, and NO_COLOR is respected', async (t) => {
  const { engine, runtime, url } = await serve(t);
  engine.script = () => [
    { type: 'text', text: 'before' },
    { type: 'message' },
    { type: 'tool-call', call: 'c', name: 'read', input: {} },
    { type: 'tool-result', call: 'c', output: 1 },
    { type: 'text', text: 'after' },
  ];
  await runtime.sendInput('ada', { text: 'go' }, { waitMs: 10_000 });
  const person = new Typist(t, ['attach', 'ada', '--url', url], true, { hasColors: () => true });
  await person.sees('Ctrl-D leaves]');
  t.true(person.written.includes('\u001b[1muser: \u001b[22mgo'));
  person.types('again');
  await person.sees('[→ 1]\nassistant: after');
  t.true(person.written.includes('\u001b[1massistant: \u001b[22mbefore'));
  t.true(person.written.includes('\u001b[2m[read {}]\u001b[22m'));
  t.is(await person.leaves(), 0);
  const plain = new Typist(t, ['attach', 'ada', '--url', url], true, { hasColors: () => false });
  await plain.sees('Ctrl-D leaves]');
  t.false(plain.written.includes('\u001b[1m'));
  t.is(await plain.leaves(), 0);
});

test('a request is answered by name or number; a line that is neither is not sent', async (t) => {
  const { engine, runtime, attach, pipe } = await serve(t);
  engine.script = () => [
    ask,
    { ...ask, reply: ({ decision }) => [{ type: 'text', text: `so ${decision}` }] },
  ];
  await runtime.sendInput('ada', { text: 'go' }, { waitMs: 10_000 });
  const person = attach();
  await person.sees('? May I? (1 Yes, 2 no)\n[ada is waiting');
  person.types('perhaps');
  await person.sees('[answer with one of: 1 Yes, 2 no]');
  person.types('yes');
  await person.sees('[answered: Yes]\n? May I? (1 Yes, 2 no)\n');
  person.types('2');
  await person.sees('[answered: no]\nassistant: so no');
  t.is(await person.leaves(), 0);

  const late = pipe();
  late.types('again');
  t.is(await late.leaves(), 1, 'the input has ended, so no answer can follow');
  t.is(late.seen, '? May I? (1 Yes, 2 no)\n');
  t.regex(late.remarks, /run_\w+ waits for an answer; continue with: worker-runtime attach ada\n$/);

  const wrong = pipe();
  wrong.types('perhaps');
  wrong.types('yes');
  t.is(
    await wrong.leaves(),
    1,
    'lines after a refused line are not sent, because they were meant for another state',
  );
  t.regex(wrong.remarks, /^answer with one of: 1 Yes, 2 no\n.*waits for an answer/);
  t.is((await runtime.listRequests('ada')).items.length, 1);
});

test('an answered request is not answered again before its event arrives', async (t) => {
  const sent: string[] = [];
  const client = runtimeClient({
    url: 'http://runtime',
    fetch: async (_, init) => {
      if (typeof init?.body === 'string') sent.push(init.body);
      return sent.length === 2
        ? new Response('{"code":"REQUEST_RESOLVED"}', { status: 409 })
        : Response.json({ changed: true });
    },
  });
  const request = {
    runId: 'run',
    kind: 'permission',
    prompt: '',
    call: null,
    options: [
      { id: 'Yes', label: 'Yes' },
      { id: 'no', label: 'no' },
    ],
    schema: null,
    openedAt: '',
    expiresAt: null,
  } as const;
  const failures: unknown[] = [];
  const dialogue = new Dialogue({
    client,
    workerId: 'ada',
    conversation: new Conversation({
      requests: [
        { ...request, requestId: 'first' },
        { ...request, requestId: 'second' },
      ],
    }),
    remark: (text) => t.fail(text),
    onError: (error) => void failures.push(error),
  });
  t.true(await dialogue.submit('1'));
  t.false(await dialogue.submit('2'), 'after the refusal, the request is still open');
  t.true(await dialogue.submit('1'));
  t.deepEqual(
    sent.map((body) => JSON.parse(body) as unknown),
    [{ decision: 'Yes' }, { decision: 'no' }, { decision: 'Yes' }],
  );
  const settled = dialogue.settled();
  dialogue.apply({
    seq: 1,
    time: '',
    worker: 'ada',
    run: 'run',
    type: 'run.finished',
    data: { outcome: 'completed' },
  });
  await t.throwsAsync(settled, { message: /REQUEST_RESOLVED/ });
  t.is(failures.length, 1);
});

test('workers show prints open requests and how to answer them', async (t) => {
  const { engine, runtime, url } = await serve(t);
  engine.script = () => [ask];
  await runtime.sendInput('ada', { text: 'go' }, { waitMs: 10_000 });
  let shown = '';
  const print = (text: string): void => {
    shown += text;
  };
  t.is(await runCommandLine(['workers', 'show', 'ada', '--url', url], { print, remark: t.fail }), 0);
  t.regex(shown, /^asks +May I\? \(1 Yes, 2 no\)\nanswer with +worker-runtime attach ada$/m);
});

test('requests prints the open requests of all Workers', async (t) => {
  const { engine, runtime, url } = await serve(t);
  engine.script = () => [ask];
  await runtime.createWorker({ workerId: 'grace', engine: engine.name });
  const shown: string[] = [];
  const output = {
    print: (text: string) => void shown.push(text),
    remark: (text: string) => void shown.push(text),
  };
  const run = async (...argv: readonly string[]): Promise<readonly string[]> => {
    shown.length = 0;
    t.is(await runCommandLine(['requests', ...argv, '--url', url], output), 0);
    return shown;
  };
  t.deepEqual(await run(), ['SINCE  WORKER  ASKS']);
  for (const workerId of ['grace', 'ada'])
    await runtime.sendInput(workerId, { text: 'go' }, { waitMs: 10_000 });
  const [table = '', ...remarks] = await run();
  t.regex(
    table,
    /^SINCE +WORKER +ASKS\n\S+Z +grace +May I\? \(1 Yes, 2 no\)\n\S+Z +ada +May I\? \(1 Yes, 2 no\)$/,
  );
  t.deepEqual(remarks, ['answer with: worker-runtime attach WORKER']);
  const [first, , more = ''] = await run('--limit', '1');
  t.regex(first ?? '', /grace/);
  const [, after = ''] = /--after (\S+)$/.exec(more) ?? [];
  t.deepEqual(
    (JSON.parse((await run('--after', after, '--json'))[0] ?? '') as Page<WorkerRequest>).items.map(
      ({ workerId }) => workerId,
    ),
    ['ada'],
  );
});

test('a person sees that a line was not sent', async (t) => {
  const { runtime, attach } = await serve(t);
  const person = attach();
  await person.sees('Ctrl-D leaves]');
  await runtime.stop();
  person.types('hello?');
  await person.sees('[not sent: no runtime answers at ');
  t.is(await person.leaves(), 0);
});

test('Ctrl-C cancels only the run; inputs of others are shown; deletion of the Worker ends attach', async (t) => {
  const { engine, runtime, attach } = await serve(t);
  engine.script = () => [
    { type: 'text', text: 'half a sen' },
    { type: 'gate', gate: 'never' },
  ];
  const person = attach();
  person.types('go');
  await person.sees('half a sen');
  person.interrupts();
  await person.sees('half a sen […]\n[cancelled]\n');
  person.interrupts();
  await person.sees('[no run is active; Ctrl-D leaves]\n');
  engine.script = () => [{ type: 'text', text: 'done' }];
  await runtime.sendInput('ada', { text: 'from elsewhere' }, { waitMs: 10_000 });
  await person.sees('user: from elsewhere\nassistant: done\n');
  await runtime.sendInput('ada', { text: 'and again' }, { waitMs: 10_000, actor: 'grace' });
  await person.sees('user (grace): and again\nassistant: done\n');
  await runtime.stopWorker('ada');
  await person.sees('[stopped: graceful]\n');
  person.types('hello?');
  await person.sees('[WORKER_STOPPED: ');
  await runtime.deleteWorker('ada');
  t.is(await person.code, 0);
  t.true(person.seen.trimEnd().endsWith('[deleted]\n[the Worker was deleted]'));
});

const delta = (
  offset: number,
  text: string,
  part = 'p1',
  partType: 'text' | 'reasoning' = 'text',
): Observation => ({
  type: 'delta',
  run: 'r',
  message: 'm',
  part,
  partType,
  offset,
  text,
});
const inFlight = (text: string): Observation => ({
  type: 'in-flight',
  messages: [{ run: 'r', message: 'm', parts: [{ id: 'p1', type: 'text', text }] }],
});

test('each character of an answer is shown once, whether it arrives as deltas, repeated or as a whole', (t) => {
  const rendered = (...items: readonly Observation[]): string => {
    const narrator = new Narrator(() => false, BARE);
    const conversation = new Conversation();
    return items.map((item) => narrator.render(item, conversation.apply(item))).join('');
  };
  const completed = (text: string): Observation => ({
    type: 'event',
    cursor: 'c',
    event: {
      seq: 1,
      time: '',
      worker: 'ada',
      type: 'message.completed',
      data: { message: 'm', role: 'assistant', parts: [{ id: 'p1', type: 'text', text }] },
    },
  });
  t.is(rendered(delta(0, 'one '), delta(4, 'two'), completed('one two')), 'one two\n');
  t.is(
    rendered(delta(0, 'one '), inFlight('one two'), delta(7, ' three'), completed('one two three')),
    'one two three\n',
  );
  t.is(rendered(delta(0, 'one '), completed('one two')), 'one two\n');
  t.is(rendered(delta(0, 'one'), inFlight('other'), completed('other')), 'one\nother\n');
  t.is(rendered(delta(0, 'a\ud83d'), delta(2, '\udc69b')), 'a👩b');
  t.is(rendered(delta(0, 'hm', 'p0', 'reasoning'), delta(0, 'yes')), '(hm)\nyes');
  t.is(
    rendered({ type: 'gap', afterSeq: 3, beforeSeq: 6, code: 'STORE_CORRUPT' }),
    '[events 4 to 5 cannot be read]\n',
  );
});

/** Counts the characters that string methods read while `act` runs. */
const charactersRead = (act: () => void): number => {
  const slice = Reflect.get(String.prototype, 'slice') as (this: string, ...bounds: number[]) => string;
  const startsWith = Reflect.get(String.prototype, 'startsWith') as (this: string, text: string) => boolean;
  const testPattern = Reflect.get(RegExp.prototype, 'test') as (this: RegExp, text: string) => boolean;
  let read = 0;
  Object.assign(String.prototype, {
    slice(this: string, ...bounds: number[]) {
      const found = slice.apply(this, bounds);
      read += found.length;
      return found;
    },
    startsWith(this: string, text: string) {
      read += text.length;
      return startsWith.call(this, text);
    },
  });
  RegExp.prototype.test = function (text) {
    read += text.length;
    return testPattern.call(this, text);
  };
  act();
  Object.assign(String.prototype, { slice, startsWith });
  RegExp.prototype.test = testPattern;
  return read;
};

test('the cost of showing a delta does not grow with the answer before it', (t) => {
  const cost = (deltas: number): number => {
    const narrator = new Narrator(() => false, BARE);
    const conversation = new Conversation();
    return charactersRead(() => {
      for (let at = 0; at < deltas; at++) {
        const item = delta(at * 4, 'word');
        narrator.render(item, conversation.apply(item));
      }
    });
  };
  const one = cost(100);
  t.true(one >= 400 && cost(1_000) <= 11 * one, `${one}`);
});

test('a token from the option or the environment is sent as a bearer token', async (t) => {
  const sent: (string | undefined)[] = [];
  const server = createServer(({ headers }, response) => {
    sent.push(headers.authorization);
    response.writeHead(401, { 'content-type': 'application/problem+json' });
    response.end(JSON.stringify({ code: 'UNAUTHENTICATED', detail: 'who is there', correlationId: 'c-1' }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close().closeAllConnections());
  const { port } = server.address() as AddressInfo;
  const remarks: string[] = [];
  const output = { print: () => t.fail(), remark: (text: string) => void remarks.push(text) };
  const url = `http://127.0.0.1:${port}`;
  t.is(await runCommandLine(['status', '--url', url, '--token', 'secret'], output), 4);
  t.is(await runCommandLine(['status', '--url', url], output), 4);
  t.deepEqual(sent, ['Bearer secret', undefined]);
  t.true(remarks[0]?.startsWith('worker-runtime: UNAUTHENTICATED: who is there (c-1); '), remarks[0]);
});

test('shell completion lists Workers and does not run the command', async (t) => {
  const { runtime, url } = await serve(t);
  await runtime.createWorker({ engine: 'scripted', workerId: 'bob' });
  await runtime.stopWorker('bob');
  const complete = async (...words: readonly string[]): Promise<readonly string[]> => {
    const printed: string[] = [];
    const output = {
      print: (text: string) => void printed.push(text),
      remark: (text: string) => t.fail(text),
    };
    t.is(await runCommandLine(['--get-yargs-completions', 'worker-runtime', ...words], output), 0);
    return printed;
  };
  // a runtime that answers too late for the Tab key completes nothing, and the tests of this process keep it busy
  const listed = async (...words: readonly string[]): Promise<readonly string[]> => {
    for (;;) {
      const workerIds = await complete(...words);
      if (workerIds.length > 0) return workerIds;
    }
  };
  t.deepEqual(await listed('--url', url, 'attach', ''), ['ada', 'bob']);
  t.deepEqual(await listed('workers', 'delete', `--url=${url}`, 'b'), ['bob']);
  t.deepEqual(await listed('workers', 'archive', '--url', url, 'a'), ['ada']);
  t.deepEqual(await complete('--url', 'http://127.0.0.1:1', 'send', ''), []);
  t.is((await runtime.getWorker('bob')).status, 'stopped');
});

test('a person sees that the server went away, and that it is back', async (t) => {
  const store = memoryStore();
  const begin = (port: number) => {
    const web = http({ port });
    return Runtime.start({
      plugins: [web, { name: 'kept', apply: (host) => host.useStore(store) }, plugin()],
    }).then((runtime) => ({ runtime, url: web.url }));
  };
  const first = await begin(0);
  await first.runtime.createWorker({ engine: 'echo', workerId: 'ada' });
  const person = new Typist(t, ['attach', 'ada', '--url', first.url], true);
  const watcher = new Typist(t, ['top', '--url', first.url], true, { columns: 80, rows: 8 });
  await Promise.all([person.sees('Ctrl-D leaves]'), watcher.sees('1 Workers: 1 idle')]);
  person.types('hello');
  await person.sees('assistant: hello');
  await first.runtime.stop();
  await Promise.all([person.sees('[no connection ('), watcher.sees('no connection (')]);
  const second = await begin(Number(new URL(first.url).port));
  t.teardown(() => second.runtime.stop());
  await Promise.all([person.sees('[connected again]'), watcher.seesLast('select')]);
  person.types('and again');
  await person.sees('assistant: and again');
  t.is(person.seen.split('no connection').length, 2, 'it is said once');
  watcher.presses('q');
  t.deepEqual([await person.leaves(), await watcher.code], [0, 0]);
});

test('keys have a line of their own while an answer arrives', async (t) => {
  const { engine, attach } = await serve(t);
  engine.script = ({ input }) => [
    { type: 'text', text: inputText(input) === 'count' ? 'one ' : 'ok ' },
    { type: 'gate', gate: 'typing' },
    { type: 'text', text: 'two\nthree' },
  ];
  const person = attach();
  await person.sees('Ctrl-D leaves]');
  person.types('count');
  await person.sees('assistant: one ');
  person.presses('half');
  await person.sees('one \nhalf');
  engine.gate('typing').open();
  await person.sees('three\n');
  t.false(person.seen.includes('one half'), person.seen);
  // the line that was begun is still there
  person.types(' and whole');
  await person.sees('half and whole');
  t.is(await person.leaves(), 0);
});
