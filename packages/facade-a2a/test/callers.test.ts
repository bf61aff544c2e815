/** Callers who may not do everything: scopes of an embedded runtime, and a person of a backend. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ContentTypeNotSupportedError, TaskNotFoundError } from '@a2a-js/sdk/errors';
import { Backend } from '@worker-runtime/backend';
import { engine, inputText, Runtime, type RuntimePlugin } from '@worker-runtime/core';
import { scoped, UNLIMITED } from '@worker-runtime/core/scope';
import { scriptedEngine } from '@worker-runtime/core/testing';
import { permission } from '@worker-runtime/test-facades/facade-script';
import test, { type ExecutionContext } from 'ava';
import { a2a, plugin } from '../src/index.ts';
import { clientOf, held, sending, taskIn, textMessage, textsOf, withToken } from './scene.ts';

test('P31: agents and tasks out of the scope of a caller are as those that never were', async (t) => {
  const runtime = await Runtime.start({
    engines: [scriptedEngine({ hello: [{ type: 'text', text: 'secret' }] })],
  });
  t.teardown(() => runtime.stop({ deadlineMs: 500 }));
  for (const [workerId, team] of [
    ['ada', 'blue'],
    ['bob', 'red'],
  ] as const)
    await runtime.createWorker({ engine: 'scripted', workerId, labels: { team } });
  const { runId } = await runtime.sendInput('bob', { text: 'hello' });
  const handler = a2a(scoped(runtime, { ...UNLIMITED, workers: [{ team: 'blue' }] }));
  const ask = async (agent: string, method: string, params: unknown): Promise<string> => {
    const answer = await handler(
      new Request(`http://facade.example/agents/${agent}`, {
        method: 'POST',
        headers: { 'a2a-version': '1.0', 'content-type': 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      }),
    );
    return (await answer.text()).replaceAll(agent, '…');
  };
  const message = { messageId: 'm', role: 'ROLE_USER', parts: [{ text: 'hello' }] };
  for (const [method, params] of [
    ['SendMessage', { message }],
    ['SendStreamingMessage', { message }],
    ['SendMessage', { message: { ...message, taskId: runId } }],
    ['GetTask', { id: runId }],
    ['ListTasks', {}],
    ['CancelTask', { id: runId }],
    ['SubscribeToTask', { id: runId }],
  ] as const) {
    const answer = await ask('bob', method, params);
    t.is(answer, await ask('never', method, params));
    t.regex(answer, /"code":-32001/);
  }
  for (const path of ['.well-known/agent-card.json', `files/sha256-${'0'.repeat(64)}`])
    t.is((await handler(new Request(`http://facade.example/agents/bob/${path}`))).status, 404);
  // the task of one agent is none of another
  t.regex(await ask('ada', 'GetTask', { id: runId }), /"code":-32001/);
  t.is((await runtime.overview('bob')).inputs, 1);
});

/** Counts the files that are read at once. */
class Counting extends Runtime {
  most = 0;
  #active = 0;
  override async getFile(workerId: string, digest: string) {
    this.#active += 1;
    this.most = Math.max(this.most, this.#active);
    try {
      return await super.getFile(workerId, digest);
    } finally {
      this.#active -= 1;
    }
  }
}

test('P40, P23: no file is a program in the origin of the server, and a few are read at once', async (t) => {
  const runtime = new Counting({ engines: [scriptedEngine()] });
  t.teardown(() => runtime.stop({ deadlineMs: 500 }));
  await runtime.start();
  await runtime.createWorker({ engine: 'scripted', workerId: 'ada' });
  const handler = a2a(runtime);
  const answerFor = async (mediaType: string): Promise<Response> => {
    const { digest } = await runtime.putFile('ada', Buffer.from(`a ${mediaType}`), { mediaType });
    return handler(new Request(`http://facade.example/agents/ada/files/${digest}`));
  };
  for (const [mediaType, served] of [
    ['text/javascript', 'application/octet-stream'],
    ['text/html', 'application/octet-stream'],
    ['image/svg+xml', 'application/octet-stream'],
    ['image/png', 'image/png'],
    ['text/plain', 'text/plain; charset=utf-8'],
  ] as const) {
    const { headers } = await answerFor(mediaType);
    t.is(headers.get('content-type'), served);
    t.is(headers.get('file-media-type'), mediaType);
    t.is(headers.get('content-disposition'), 'attachment');
    t.regex(headers.get('content-security-policy') ?? '', /default-src 'none'.*sandbox/);
  }
  const { digest } = await runtime.putFile('ada', Buffer.from('again'), { mediaType: 'image/png' });
  const again = () => handler(new Request(`http://facade.example/agents/ada/files/${digest}`));
  const answers = await Promise.all(Array.from({ length: 20 }, again));
  t.true(answers.every(({ status }) => status === 200));
  t.is(runtime.most, 4);
});

test('a file that the engine does not take is refused as the protocol says', async (t) => {
  const parrot = engine('parrot', async function* (run) {
    yield { type: 'text', text: inputText(run.input) };
  });
  const runtime = await Runtime.start({ engines: [parrot] });
  t.teardown(() => runtime.stop({ deadlineMs: 500 }));
  await runtime.createWorker({ engine: 'parrot', workerId: 'polly' });
  const handler = a2a(runtime);
  const client = await clientOf('http://facade.example/polly', (input, init) =>
    handler(new Request(input, init)),
  );
  const png = { content: { $case: 'raw' as const, value: Buffer.from('89504e470d0a1a0a', 'hex') } };
  await t.throwsAsync(client.sendMessage(sending([png], { taskId: '', messageId: 'm' })), {
    instanceOf: ContentTypeNotSupportedError,
  });
  t.is((await runtime.overview('polly')).inputs, 0);
});

/** Logs a person in at a backend, and returns an API token of that person. */
const tokenOf = async (backend: Backend): Promise<string> => {
  const post = (path: string, body: object, headers: Readonly<Record<string, string>> = {}) =>
    fetch(`${backend.url}/v1/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: backend.url, ...headers },
      body: JSON.stringify(body),
    });
  const [, code] = backend.link({ name: 'root', groups: ['operators'] }).split('#');
  const session = await post('session', { code });
  const cookie = session.headers.get('set-cookie')?.split(';')[0] ?? '';
  const made = await post('tokens', { name: 'program', permission: 'admin' }, { cookie });
  return ((await made.json()) as { readonly token: string }).token;
};

const startBackend = async (t: ExecutionContext, plugins: readonly RuntimePlugin[]): Promise<Backend> => {
  const folder = await mkdtemp(join(tmpdir(), 'worker-runtime-a2a-'));
  t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const workspaces = { default: {}, acme: { plugins } };
  const backend = await Backend.start({ listen: { port: 0 }, dataDir: folder, workspaces }, { folder });
  t.teardown(() => backend.stop());
  return backend;
};

test('P83: behind the mount of a backend a person gives tasks to the agents of a workspace', async (t) => {
  const scriptedGo = scriptedEngine({
    go: [
      { type: 'text', text: 'Well. ' },
      { type: 'message' },
      { type: 'tool-call', call: 'c', name: 'write', input: null },
      permission('c', (decision) => [
        { type: 'tool-result', call: 'c', output: decision },
        { type: 'text', text: 'Done.' },
      ]),
    ],
  });
  const scripted: RuntimePlugin = { name: 'scripted', apply: (host) => host.useEngine(scriptedGo) };
  const backend = await startBackend(t, [scripted, plugin()]);
  await backend.runtime('acme').createWorker({ engine: 'scripted', workerId: 'ada' });
  const as = withToken(await tokenOf(backend));
  const url = `${backend.url}/w/acme/v1/runtimes/self/x/a2a/ada`;
  const client = await clientOf(url, as);
  const card = await client.getAgentCard();
  t.is(card.supportedInterfaces[0]?.url, url);
  const asked = await held(client.sendMessageStream(textMessage('go')));
  t.deepEqual([asked.state, ...asked.texts], ['INPUT_REQUIRED', 'Well. ']);
  const done = taskIn(await client.sendMessage(textMessage('yes', { taskId: asked.id })));
  t.deepEqual(textsOf(done), ['Well. ', 'Done.']);
  await t.throwsAsync(client.getTask({ tenant: '', id: 'run-none' }), { instanceOf: TaskNotFoundError });
  t.is((await fetch(`${url}/.well-known/agent-card.json`)).status, 401);
  t.is((await as(`${backend.url}/v1/runtimes/self/x/a2a/ada/.well-known/agent-card.json`)).status, 404);
});
