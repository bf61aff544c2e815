/** The façades of the product as plugins of a workspace: for people who are logged in, and for programs with tokens. */
import { randomUUID } from 'node:crypto';
import type { RuntimePlugin } from '@worker-runtime/core';
import { scriptedEngine } from '@worker-runtime/core/testing';
import { plugin as agUi } from '@worker-runtime/facade-ag-ui';
import { plugin as mcp } from '@worker-runtime/facade-mcp';
import { plugin as openAi } from '@worker-runtime/facade-openai';
import { plugin as uiStream } from '@worker-runtime/facade-ui-stream';
import test, { type ExecutionContext } from 'ava';
import { type Answer, Browser, makeFolder, send, start } from './scene.ts';

type Headers = Readonly<Record<string, string>>;

interface Facade {
  readonly name: string;
  /** Returns the path below `x/`, the body and the headers of a request that sends `hello` to a Worker. */
  readonly request: (
    workerId: string,
    session: string | null,
  ) => { readonly path: string; readonly body: unknown; readonly headers?: Headers };
}

const initialize = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
};
const MCP_ACCEPT = { accept: 'application/json, text/event-stream' };

const FACADES: readonly Facade[] = [
  {
    name: 'ui-stream',
    request: (workerId) => ({
      path: 'ui-stream',
      body: {
        id: workerId,
        messages: [{ id: randomUUID(), role: 'user', parts: [{ type: 'text', text: 'hello' }] }],
      },
    }),
  },
  {
    name: 'openai',
    request: (workerId) => ({
      path: 'openai/responses',
      body: { model: workerId, input: 'hello', stream: true },
    }),
  },
  {
    name: 'ag-ui',
    request: (workerId) => ({
      path: `ag-ui/${workerId}`,
      body: {
        threadId: 't1',
        runId: 'r1',
        messages: [{ id: randomUUID(), role: 'user', content: 'hello' }],
        state: {},
        tools: [],
        context: [],
        forwardedProps: {},
      },
    }),
  },
  {
    name: 'mcp',
    request: (workerId, session) => ({
      path: 'mcp',
      body: {
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: { name: 'send_input', arguments: { workerId, text: 'hello' } },
      },
      headers: { ...MCP_ACCEPT, ...(session !== null && { 'mcp-session-id': session }) },
    }),
  },
];

const hello = (): RuntimePlugin => ({
  name: 'hello',
  apply: (host) =>
    host.useEngine(
      scriptedEngine({
        hello: [{ type: 'text', text: 'Well, hi.' }],
      }),
    ),
});

/** Starts a backend whose workspace `acme` has all façades, and whose member `ada` gets the Workers of her team. */
const startAll = async (t: ExecutionContext, engine = hello()) => {
  const backend = await start(t, await makeFolder(t), {
    workspaces: { default: {}, acme: { plugins: [engine, uiStream(), openAi(), agUi(), mcp()] } },
    policy: ({ name }) =>
      name === 'root'
        ? { permissions: ['admin'], workers: '*', runtimes: '*' }
        : { permissions: ['operate', 'answer'], workers: [{ team: 'a' }], runtimes: '*' },
  });
  const runtime = backend.runtime('acme');
  for (const { name } of FACADES)
    await runtime.createWorker({ engine: 'scripted', workerId: `in-${name}`, labels: { team: 'a' } });
  await runtime.createWorker({ engine: 'scripted', workerId: 'theirs', labels: { team: 'b' } });
  const ada = await Browser.login(backend, { name: 'ada', groups: [] });
  const at = `${backend.url}/w/acme/v1/runtimes/self/x/`;
  /** Sends `hello` to a Worker through a façade. */
  const say = async (facade: Facade, workerId: string, headers: Headers): Promise<Answer> => {
    let session: string | null = null;
    if (facade.name === 'mcp') {
      const begun = await send(`${at}mcp`, 'POST', initialize, { ...MCP_ACCEPT, ...headers });
      session = begun.headers.get('mcp-session-id');
      if (session === null) return begun;
    }
    const { path, body, headers: own } = facade.request(workerId, session);
    return send(at + path, 'POST', body, { ...own, ...headers });
  };
  const inputsOf = async (workerId: string) =>
    (await runtime.events(workerId, { types: ['input.accepted'] })).items;
  return { backend, runtime, ada, at, say, inputsOf };
};

const bearer = (token: string): Headers => ({ authorization: `Bearer ${token}` });

for (const facade of FACADES) {
  test(`P70: ${facade.name} of a workspace answers its person and the person's programs, under their names`, async (t) => {
    const { ada, say, inputsOf } = await startAll(t);
    const workerId = `in-${facade.name}`;
    const answer = await say(facade, workerId, ada.headers);
    t.is(answer.status, 200, answer.text);
    t.regex(answer.text, /Well, hi\./);

    const program = await ada.token({ name: 'program', permission: 'operate' });
    const reader = await ada.token({ name: 'reader', permission: 'observe' });
    const refused = await say(facade, workerId, bearer(reader));
    t.regex(refused.text, /FORBIDDEN/);
    t.is((await inputsOf(workerId)).length, 1);
    const sent = await say(facade, workerId, bearer(program));
    t.is(sent.status, 200, sent.text);
    t.regex(sent.text, /Well, hi\./);
    t.deepEqual(
      (await inputsOf(workerId)).map(({ data }) => 'actor' in data && data.actor),
      ['ada', 'ada'],
    );
  });

  test(`P31: ${facade.name} of a workspace answers for a Worker out of scope as for one that is not there`, async (t) => {
    const { ada, say, inputsOf } = await startAll(t);
    const [theirs, nobodys] = await Promise.all(
      ['theirs', 'nobody'].map(async (workerId) => {
        const { status, text } = await say(facade, workerId, ada.headers);
        const ids = /"?(?:correlationId|requestId|request_id)"?:"[^"]+"/g;
        return { status, text: text.replaceAll(workerId, '…').replaceAll(ids, '') };
      }),
    );
    t.regex(theirs?.text ?? '', /WORKER_NOT_FOUND|does not exist|not found/i);
    t.deepEqual(theirs, nobodys);
    t.deepEqual(await inputsOf('theirs'), []);
  });

  test(`P33: ${facade.name} of a workspace takes no command of a page of another site, or of a stranger`, async (t) => {
    const { ada, say, inputsOf } = await startAll(t);
    const workerId = `in-${facade.name}`;
    for (const headers of [
      { ...ada.headers, origin: 'https://evil.example' },
      { cookie: ada.cookie },
      { ...ada.headers, 'sec-fetch-site': 'cross-site' },
    ])
      t.is((await say(facade, workerId, headers)).status, 403, JSON.stringify(headers));
    t.is((await say(facade, workerId, {})).status, 401);
    t.is((await say(facade, workerId, bearer('guessed'))).status, 401);
    t.deepEqual(await inputsOf(workerId), []);
  });

  test(`P34: the end of a session ends a stream of ${facade.name} in mid answer`, async (t) => {
    const engine = scriptedEngine({ hello: [{ type: 'text', text: 'Well, ' }, { type: 'hang' }] });
    const { ada, runtime, say } = await startAll(t, {
      name: 'hanging',
      apply: (host) => host.useEngine(engine),
    });
    const workerId = `in-${facade.name}`;
    const answer = say(facade, workerId, ada.headers);
    for await (const item of runtime.observe(workerId, { after: 'start' }))
      if (item.type === 'event' && item.event.type === 'run.started') break;
    t.is((await ada.send('/v1/session', 'DELETE')).status, 204);
    const { text } = await answer;
    t.regex(text, /AUTHORITY_EXPIRED/);
    t.is((await say(facade, workerId, ada.headers)).status, 401);
    t.is((await runtime.getWorker(workerId)).status, 'running');
  });
}

test('P31: façades show the Workers of the scope alone', async (t) => {
  const { ada, at } = await startAll(t);
  const models = await send(`${at}openai/models`, 'GET', undefined, ada.headers);
  t.deepEqual(
    models.body.data.map(({ id }: { readonly id: string }) => id).toSorted(),
    FACADES.map(({ name }) => `in-${name}`).toSorted(),
  );
  for (const path of ['openai/models/', 'ui-stream/']) {
    t.is((await send(`${at}${path}in-openai`, 'GET', undefined, ada.headers)).status, 200);
    t.is((await send(`${at}${path}theirs`, 'GET', undefined, ada.headers)).status, 404);
    t.is((await send(`${at}${path}theirs/stream`, 'GET', undefined, ada.headers)).status, 404);
  }
});

test('P59: a batch of calls to MCP is one input', async (t) => {
  const backend = await start(t, await makeFolder(t), {
    workspaces: { default: { plugins: [hello(), mcp()] } },
    policy: () => ({ permissions: ['operate'], workers: '*', runtimes: '*', limits: { inputsAMinute: 2 } }),
  });
  const runtime = backend.runtime();
  for (let at = 0; at < 5; at++) await runtime.createWorker({ engine: 'scripted', workerId: `w${at}` });
  const ada = await Browser.login(backend, { name: 'ada', groups: [] });
  const url = `${backend.url}/v1/runtimes/self/x/mcp`;
  const headers = { ...MCP_ACCEPT, ...ada.headers };
  const begun = await send(url, 'POST', initialize, headers);
  const session = { 'mcp-session-id': begun.headers.get('mcp-session-id') ?? '' };
  const call = (at: number) => ({
    ...{ jsonrpc: '2.0', id: at, method: 'tools/call' },
    params: { name: 'send_input', arguments: { workerId: `w${at}`, text: 'hello' } },
  });
  const batch = Array.from({ length: 5 }, (_, at) => call(at));
  t.is((await send(url, 'POST', batch, { ...headers, ...session })).status, 200);
  const runs = await Promise.all(batch.map((_, at) => runtime.overview(`w${at}`)));
  t.is(
    runs.reduce((sum, { runs: { completed } }) => sum + completed, 0),
    1,
  );
  t.is((await send(url, 'POST', batch, { ...headers, ...session })).body.code, 'LIMIT_REACHED');
});
