import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { type CreateWorker, memoryStore, type OpenRequest } from '@worker-runtime/core';
import type { Answer } from '@worker-runtime/test-environment/fake-model-server';
import test, { type ExecutionContext } from 'ava';
import { askingServer } from './asking-server.ts';
import { ModelScene, type SceneOptions } from './model-scene.ts';

/*
 * The tests run one after the other, because each starts a process.
 */

/** Calls the tools that the input names, all in one step, and answers with the last result. */
const caller: Answer = ({ last, lines }) =>
  lines.at(-1)?.startsWith('tool ')
    ? [{ text: `It answered: ${last}` }]
    : last.split(' ').map((name, index) => ({ call: name, input: {}, id: `call_${index}` }));

const TOOLS = ['ask', 'ask-twice', 'ask-by-name', 'ask-briefly', 'ask-by-url', 'ask-forever'] as const;

const STDIO = {
  command: process.execPath,
  args: ['--import=tsx', fileURLToPath(new URL('asking-process.ts', import.meta.url))],
};

/** Serves the asking server of the official SDK over Streamable HTTP. All connections share one server. */
const overHttp = async (t: ExecutionContext): Promise<{ readonly url: string }> => {
  const server: McpServer = askingServer();
  let sessions = 0;
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: () => {
      sessions += 1;
      return `session-${sessions}`;
    },
  });
  await server.connect(transport as Transport);
  const listener = createServer(
    { keepAliveTimeout: 600_000 },
    (request, response) => void transport.handleRequest(request, response),
  );
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  t.teardown(async () => {
    listener.closeAllConnections();
    listener.close();
    await server.close();
  });
  return { url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}/mcp` };
};

const TRANSPORTS = {
  stdio: async () => STDIO,
  http: overHttp,
} as const;

const open = async (
  t: ExecutionContext,
  transport: keyof typeof TRANSPORTS,
  options: SceneOptions = {},
): Promise<ModelScene> => {
  const forms = { permission: 'allow' as const, ...(await TRANSPORTS[transport](t)) };
  const scene = await ModelScene.open(t, { connectMs: 60_000, mcpServers: { forms }, ...options });
  scene.server.answer = caller;
  return scene;
};

const create = (scene: ModelScene, rest: Omit<CreateWorker, 'config'> = {}): Promise<string> =>
  scene.create({}, { tools: TOOLS.map((name) => `forms.${name}`), ...rest });

const resultOf = async (scene: ModelScene, workerId: string): Promise<string> =>
  (await scene.transcript(workerId)).at(-2) ?? '';

/** The result in which a tool shows its answer. */
const shown = (answer: unknown): string => `result ${JSON.stringify(JSON.stringify(answer))}`;

/** Sends the name of a tool, and returns the request that its run opens. */
const asked = async (scene: ModelScene, workerId: string, tools = 'forms_ask') => {
  const { runId, cursor } = await scene.runtime.sendInput(workerId, { text: tools });
  return { runId, request: await scene.nextRequest(workerId, cursor) };
};

for (const transport of ['stdio', 'http'] as const) {
  test.serial(
    `a form of a tool server over ${transport} becomes a question about its call, and the answer goes back`,
    async (t) => {
      const scene = await open(t, transport);
      const workerId = await create(scene);
      const answers = [
        [
          { decision: 'accept', value: { count: 3, gift: true } },
          { action: 'accept', content: { count: 3, gift: true } },
        ],
        [{ decision: 'decline' }, { action: 'decline' }],
        [{ decision: 'cancel' }, { action: 'cancel' }],
        // no form was filled in, and the form needs a value
        [{ decision: 'accept' }, { action: 'cancel' }],
      ] as const;
      for (const [answer, expected] of answers) {
        const { runId, request } = await asked(scene, workerId);
        const call = (await scene.log(workerId)).findLast(({ type }) => type === 'tool.called')?.data;
        t.like(call, { call: request.call ?? '' });
        t.like(request, { kind: 'question', prompt: 'The tool server "forms" asks: How many?' });
        t.deepEqual(
          request.options.map(({ id, kind }) => [id, kind]),
          [
            ['accept', 'allow-once'],
            ['decline', 'reject-once'],
            ['cancel', undefined],
          ],
        );
        t.like(request.schema, { type: 'object', required: ['count'] });
        t.is((await scene.runtime.getWorker(workerId)).status, 'waiting');
        await scene.runtime.respond(workerId, request.requestId, answer);
        t.is((await scene.ended(workerId, runId)).outcome, 'completed');
        t.is(await resultOf(scene, workerId), shown(expected));
      }
    },
  );

  test.serial(
    `forms of two Workers that use a server over ${transport} at the same time reach the right people`,
    async (t) => {
      const scene = await open(t, transport);
      const workers = [await create(scene), await create(scene)];
      const tool = transport === 'http' ? 'forms_ask' : 'forms_ask-by-name';
      const questions = await Promise.all(workers.map((workerId) => asked(scene, workerId, tool)));
      for (const [index, workerId] of workers.entries()) {
        const { runId, request } = questions[index] as { runId: string; request: OpenRequest };
        t.is(request.runId, runId);
        await scene.runtime.respond(workerId, request.requestId, {
          decision: 'accept',
          value: { count: index + 1 },
        });
      }
      for (const [index, workerId] of workers.entries()) {
        await scene.ended(workerId, questions[index]?.runId ?? '');
        t.is(await resultOf(scene, workerId), shown({ action: 'accept', content: { count: index + 1 } }));
      }
    },
  );
}

test.serial(
  'a form that cannot be assigned to one of several runs is refused, and no person is asked',
  async (t) => {
    const scene = await open(t, 'stdio');
    const [first, second] = [await create(scene), await create(scene)];
    const { runId, request } = await asked(scene, first, 'forms_ask-by-name');
    await scene.say(second, 'forms_ask');
    t.regex(await resultOf(scene, second), /failed.*Calls of several runs are in progress/);
    t.false((await scene.log(second)).some(({ type }) => type === 'request.opened'));
    await scene.runtime.respond(first, request.requestId, { decision: 'decline' });
    t.is((await scene.ended(first, runId)).outcome, 'completed');
  },
);

test.serial('a form that belongs to one of several calls of a run names none of them', async (t) => {
  const scene = await open(t, 'stdio');
  const workerId = await create(scene);
  const { runId, request } = await asked(scene, workerId, 'forms_ask forms_ask');
  t.is(request.call, null);
  await scene.runtime.respond(workerId, request.requestId, { decision: 'decline' });
  const next = await scene.nextRequest(workerId);
  await scene.runtime.respond(workerId, next.requestId, { decision: 'cancel' });
  t.is((await scene.ended(workerId, runId)).outcome, 'completed');
  const results = (await scene.transcript(workerId)).filter((line) => line.startsWith('result'));
  t.deepEqual([...results].sort(), [shown({ action: 'cancel' }), shown({ action: 'decline' })]);
});

test.serial('a value that does not fit the form is refused, and the form stays open', async (t) => {
  const scene = await open(t, 'stdio');
  const workerId = await create(scene);
  const { runId, request } = await asked(scene, workerId);
  for (const [value, fault] of [
    [{}, '/count is missing'],
    [{ count: 0 }, '/count must be at least 1'],
    [{ count: 1.5 }, '/count must be of the type "integer"'],
    [{ count: 2, mail: 'nobody' }, '/mail must be of the format email'],
    [[2], 'the value must be of the type "object"'],
  ] as const)
    await t.throwsAsync(
      scene.runtime.respond(workerId, request.requestId, { decision: 'accept', value: value as never }),
      { code: 'INVALID_REQUEST', message: new RegExp(`${fault}$`) },
      fault,
    );
  await scene.runtime.respond(workerId, request.requestId, {
    decision: 'accept',
    value: { count: 2, mail: 'ada@example.org' },
  });
  await scene.ended(workerId, runId);
  t.is(
    await resultOf(scene, workerId),
    shown({ action: 'accept', content: { count: 2, mail: 'ada@example.org' } }),
  );
});

test.serial('two forms of one call are shown one after the other', async (t) => {
  const scene = await open(t, 'http');
  const workerId = await create(scene);
  const { runId, request } = await asked(scene, workerId, 'forms_ask-twice');
  await scene.runtime.respond(workerId, request.requestId, { decision: 'decline' });
  const second = await scene.nextRequest(workerId);
  t.not(second.requestId, request.requestId);
  await scene.runtime.respond(workerId, second.requestId, { decision: 'cancel' });
  await scene.ended(workerId, runId);
  t.is(await resultOf(scene, workerId), shown([{ action: 'decline' }, { action: 'cancel' }]));
});

test.serial(
  'the time for a call does not run while people are asked, and a form without an answer is cancelled',
  async (t) => {
    const scene = await open(t, 'stdio', { toolMs: 1_000, permissionMs: 3_000 });
    const workerId = await create(scene);
    const { runId } = await asked(scene, workerId);
    t.is((await scene.ended(workerId, runId)).outcome, 'completed');
    t.is(await resultOf(scene, workerId), shown({ action: 'cancel' }));
    const by = (await scene.log(workerId)).flatMap((event) =>
      event.type === 'request.resolved' ? [event.data.by] : [],
    );
    t.deepEqual(by, ['timeout']);
  },
);

test.serial('a form ends with its call: no one can answer it in vain', async (t) => {
  const scene = await open(t, 'http');
  const workerId = await create(scene);
  const { runId, request } = await asked(scene, workerId, 'forms_ask-briefly');
  await scene.ended(workerId, runId);
  t.regex(await resultOf(scene, workerId), /Request timed out/);
  const log = await scene.log(workerId);
  const resolved = log.find(({ type }) => type === 'request.resolved');
  t.like(resolved?.data, { request: request.requestId, decision: null, by: 'cancel' });
  const answered = log.find(({ type }) => type === 'message.completed');
  t.true((resolved?.seq ?? 0) < (answered?.seq ?? 0), 'before the model goes on');
});

test.serial('a run that is cancelled ends its form, and the server gets no values', async (t) => {
  const scene = await open(t, 'stdio');
  const workerId = await create(scene);
  const { runId } = await asked(scene, workerId);
  await scene.runtime.cancelRun(workerId);
  t.is((await scene.ended(workerId, runId)).outcome, 'cancelled');
  t.deepEqual((await scene.runtime.listRequests(workerId)).items, []);
  await scene.say(workerId, 'forms_ask-by-url');
  t.regex(await resultOf(scene, workerId), /failed/, 'the server serves the next call');
});

for (const whenInterrupted of ['stop', 'continue'] as const)
  test.serial(
    `P54: a form that is open when the runtime ends (${whenInterrupted}) ends too, and its call is not made again`,
    async (t) => {
      const store = memoryStore();
      const scene = await open(t, 'stdio', { store });
      const workerId = await create(scene, { whenInterrupted });
      const { runId, request } = await asked(scene, workerId);
      // nothing that the runtime does from now on is stored, as after a kill
      await store.close();
      await scene.start();
      const { outcome } = await scene.ended(workerId, runId);
      t.is(outcome, whenInterrupted === 'stop' ? 'interrupted' : 'completed');
      const log = await scene.log(workerId);
      const resolved = log.flatMap((event) => (event.type === 'request.resolved' ? [event.data] : []));
      const by = whenInterrupted === 'stop' ? 'restart' : 'cancel';
      t.deepEqual(resolved, [{ request: request.requestId, decision: null, by }]);
      t.is(log.filter(({ type }) => type === 'tool.called').length, 1);
      t.is(log.filter(({ type }) => type === 'request.opened').length, 1);
      if (whenInterrupted === 'stop') await scene.say(workerId, 'go on');
      const shownToModel = scene.server.requests.at(-1)?.lines.find((line) => line.startsWith('tool ')) ?? '';
      t.regex(shownToModel, /Whether it had an effect is not known/);
    },
  );

test.serial('a request to open an address is refused, because it was not offered', async (t) => {
  const scene = await open(t, 'stdio');
  const workerId = await create(scene);
  await scene.say(workerId, 'forms_ask-by-url');
  t.regex(await resultOf(scene, workerId), /failed.*url/i);
  t.false((await scene.log(workerId)).some(({ type }) => type === 'request.opened'));
});

test.serial('P23: a call shows people at most twenty forms', async (t) => {
  const scene = await open(t, 'stdio');
  const workerId = await create(scene);
  const { runId, cursor } = await scene.runtime.sendInput(workerId, { text: 'forms_ask-forever' });
  let after = cursor;
  for (let form = 0; form < 20; form += 1) {
    const { requestId } = await scene.nextRequest(workerId, after);
    await scene.runtime.respond(workerId, requestId, { decision: 'decline' });
    after = (await scene.runtime.listRequests(workerId)).asOf;
  }
  await scene.ended(workerId, runId);
  t.is(
    await resultOf(scene, workerId),
    shown({ asked: 20, failed: 'MCP error -32603: A call may ask 20 times' }),
  );
});
