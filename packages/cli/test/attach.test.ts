import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { type Observation, Runtime } from '@worker-runtime/core';
import { type ScriptedEngine, scriptedEngine } from '@worker-runtime/core/testing';
import { http } from '@worker-runtime/plugin-http';
import test, { type ExecutionContext } from 'ava';
import { Narrator } from '../src/attach/narrator.ts';
import type { Terminal } from '../src/attach/terminal.ts';
import { runCommandLine } from '../src/command-line.ts';

/** A person at the keys of `attach`. */
class Person {
  readonly code: Promise<number>;
  seen = '';
  remarks = '';
  readonly #input = new PassThrough();
  #interrupt: () => void = () => {};
  #wake: () => void = () => {};

  constructor(t: ExecutionContext, args: readonly string[]) {
    const output = new PassThrough();
    output.setEncoding('utf8').on('data', (text: string) => {
      this.seen += text;
      this.#wake();
    });
    const terminal: Terminal = {
      input: this.#input,
      output,
      interrupted: (callback) => {
        this.#interrupt = callback;
        return () => {};
      },
    };
    const remark = (text: string): void => {
      this.remarks += `${text}\n`;
    };
    this.code = runCommandLine(['attach', ...args], { print: () => t.fail(), remark }, terminal);
    t.teardown(() => this.leaves());
  }

  types(line: string): void {
    this.#input.write(`${line}\n`);
  }

  interrupts(): void {
    this.#interrupt();
  }

  leaves(): Promise<number> {
    this.#input.end();
    return this.code;
  }

  async sees(text: string): Promise<void> {
    while (!this.seen.includes(text)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

const serve = async (t: ExecutionContext) => {
  const engine: ScriptedEngine = scriptedEngine();
  const web = http({ port: 0 });
  const runtime = await Runtime.start({
    plugins: [web, { name: 'under-test', apply: (host) => host.useEngine(engine) }],
  });
  t.teardown(() => runtime.stop());
  await runtime.createWorker({ engine: 'scripted', workerId: 'ada' });
  const attach = (...args: readonly string[]): Person => new Person(t, ['ada', '--url', web.url, ...args]);
  return { engine, runtime, attach, url: web.url };
};

test('what is typed is answered, and the end of the input waits for the answers', async (t) => {
  const { engine, runtime, attach } = await serve(t);
  engine.script = ({ input }) => [
    { type: 'text', text: `you said ${input?.parts[0]?.text ?? ''}` },
    { type: 'message' },
    { type: 'tool-call', call: 'c', name: 'read', input: { path: 'x' } },
    { type: 'tool-result', call: 'c', output: 'found' },
  ];
  await runtime.sendInput('ada', { text: 'before' }, { waitMs: 10_000 });
  const person = attach();
  person.types('one');
  person.types('');
  person.types('two\u001b[2J');
  t.is(await person.leaves(), 0);
  const recent = 'user: before\nassistant: you said before\nassistant: read({"path":"x"})\ntool: "found"\n';
  const tools = '[read {"path":"x"}]\n[→ "found"]\n';
  t.is(
    person.seen.replace('[queued behind the run that is on]\n', ''),
    `${recent}[ada is idle; Ctrl-C cancels its run, Ctrl-D leaves]\nyou said one\n${tools}you said two\u{fffd}[2J\n${tools}`,
  );
});

test('requests are answered by name or number, and what is no answer is not sent', async (t) => {
  const { engine, runtime, attach } = await serve(t);
  const ask = {
    type: 'ask',
    question: { kind: 'permission', prompt: 'May I?', options: ['Yes', 'no'] },
  } as const;
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
  await person.sees('[answered: no]\nso no');
  t.is(await person.leaves(), 0);

  const late = attach();
  late.types('again');
  t.is(await late.leaves(), 0, 'nobody is left to answer');
  t.regex(late.seen, /\? May I\? \(1 Yes, 2 no\)\n$/);
});

test('an answer that is piped in waits for the run that goes on with it', async (t) => {
  const { engine, runtime, attach } = await serve(t);
  engine.script = () => [
    { type: 'ask', question: { kind: 'permission', prompt: 'May I?', options: ['Yes', 'no'] } },
    { type: 'text', text: 'so it is' },
  ];
  await runtime.sendInput('ada', { text: 'go' }, { waitMs: 10_000 });
  const person = attach();
  person.types('yes');
  t.is(await person.leaves(), 0);
  t.regex(person.seen, /so it is\n$/);
});

test('Ctrl-C cancels the run and only that; others are heard; the end of the Worker ends it', async (t) => {
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
  await person.sees('[nothing is running; Ctrl-D leaves]\n');
  engine.script = () => [{ type: 'text', text: 'done' }];
  await runtime.sendInput('ada', { text: 'from elsewhere' }, { waitMs: 10_000 });
  await person.sees('user: from elsewhere\ndone\n');
  await runtime.stopWorker('ada');
  await person.sees('[stopped (graceful)]\n');
  person.types('hello?');
  await person.sees('[WORKER_STOPPED: ');
  await runtime.deleteWorker('ada');
  t.is(await person.code, 0);
  t.true(person.seen.endsWith('[deleted]\n[the Worker is deleted]\n'));
});

test('a program gets the stream as lines', async (t) => {
  const { engine, attach } = await serve(t);
  engine.script = () => [{ type: 'text', text: 'hi' }];
  const person = attach('--json');
  person.types('hello');
  t.is(await person.leaves(), 0);
  const items = person.seen
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Observation);
  t.true(items.some((item) => item.type === 'event' && item.event.type === 'run.finished'));
  t.is(await new Person(t, ['nobody', '--url', 'http://127.0.0.1:1']).code, 3);
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

test('each character of an answer is shown once, however it comes', (t) => {
  const told = (...items: readonly Observation[]): string => {
    const narrator = new Narrator(() => false);
    return items.map((item) => narrator.tell(item)).join('');
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
  t.is(told(delta(0, 'one '), delta(4, 'two'), completed('one two')), 'one two\n');
  t.is(
    told(delta(0, 'one '), inFlight('one two'), delta(7, ' three'), completed('one two three')),
    'one two three\n',
  );
  t.is(told(delta(0, 'one '), completed('one two')), 'one two\n');
  t.is(told(delta(0, 'one'), inFlight('other'), completed('other')), 'one\nother\n');
  t.is(told(delta(0, 'a\ud83d'), delta(2, '\udc69b')), 'a👩b');
  t.is(told(delta(0, 'hm', 'p0', 'reasoning'), delta(0, 'yes')), '(hm)\nyes');
  t.is(
    told({ type: 'gap', afterSeq: 3, beforeSeq: 6, code: 'STORE_CORRUPT' }),
    '[events 4 to 5 cannot be read]\n',
  );
});

test('a token is sent as a bearer token, from the option or the environment', async (t) => {
  const sent: (string | undefined)[] = [];
  const server = createServer(({ headers }, response) => {
    sent.push(headers.authorization);
    response.writeHead(401, { 'content-type': 'application/problem+json' });
    response.end(JSON.stringify({ code: 'UNAUTHENTICATED', detail: 'who is there', correlationId: 'c-1' }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close().closeAllConnections());
  const { port } = server.address() as AddressInfo;
  const said: string[] = [];
  const output = { print: () => t.fail(), remark: (text: string) => void said.push(text) };
  const url = `http://127.0.0.1:${port}`;
  t.is(await runCommandLine(['status', '--url', url, '--token', 'secret'], output), 4);
  t.is(await runCommandLine(['status', '--url', url], output), 4);
  t.deepEqual(sent, ['Bearer secret', undefined]);
  t.is(said[0], 'worker-runtime: UNAUTHENTICATED: who is there (c-1)');
});

test('a shell completes Workers where one comes next, and runs nothing', async (t) => {
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
  t.deepEqual(await complete('--url', url, 'attach', ''), ['ada', 'bob']);
  t.deepEqual(await complete('workers', 'delete', `--url=${url}`, 'b'), ['bob']);
  t.deepEqual(await complete('--url', 'http://127.0.0.1:1', 'send', ''), []);
  t.is((await runtime.getWorker('bob')).status, 'stopped');
});
