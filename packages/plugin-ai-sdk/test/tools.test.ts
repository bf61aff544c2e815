import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { RuntimeError } from '@worker-runtime/core';
import { bundled } from '@worker-runtime/test-environment/bundled';
import type { Answer } from '@worker-runtime/test-environment/fake-model-server';
import { toolServer } from '@worker-runtime/test-environment/tool-server';
import { type Tool, tool } from 'ai';
import test, { type ExecutionContext } from 'ava';
import { z } from 'zod';
import type { McpServerOptions } from '../src/options.ts';
import { ModelScene } from './model-scene.ts';

const shape = z.strictObject({ text: z.string() });

/** A tool that is a function of the embedder. */
const echo = (needsApproval = false): Tool =>
  tool({
    description: 'Says it back.',
    inputSchema: shape,
    needsApproval,
    execute: async ({ text }) => `<${text}>`,
  }) as Tool;

/** Calls the tool that the input names (`name text`), and answers with its result. */
const caller: Answer = ({ last, lines }) => {
  if (lines.at(-1)?.startsWith('tool ')) return [{ text: `It answered: ${last}` }];
  const [name = '', ...words] = last.split(' ');
  return [{ call: name, input: { text: words.join(' ') }, id: 'call_0' }];
};

const folder = async (t: ExecutionContext): Promise<string> => {
  const path = await mkdtemp(join(tmpdir(), 'ai-sdk-'));
  t.teardown(() => rm(path, { recursive: true, force: true, maxRetries: 10 }));
  return path;
};

/** Returns the options of a tool server in its own process, and a function that reads its recorded calls. */
const stdioServer = async (
  t: ExecutionContext,
  rest: { readonly permission?: 'ask' | 'allow'; readonly env?: string[] } = {},
) => {
  const record = join(await folder(t), 'record');
  const server = {
    command: process.execPath,
    args: [await bundled('mcp-process'), record],
    permission: 'allow' as const,
    ...rest,
  };
  const recordedCalls = (): readonly string[] =>
    existsSync(record) ? readFileSync(record, 'utf8').split('\n').slice(0, -1) : [];
  return { server, recordedCalls };
};

for (const type of ['openai-compatible', 'anthropic'] as const)
  test(`${type}: a granted function is called, and the model gets its result`, async (t) => {
    const scene = await ModelScene.open(t, { type, tools: { echo: echo(), other: echo() } });
    scene.server.answer = caller;
    const workerId = await scene.create({}, { tools: ['echo'] });
    for (const word of ['one', 'two']) t.is((await scene.say(workerId, `echo ${word}`)).outcome, 'completed');
    t.deepEqual(scene.server.requests[0]?.tools, ['echo'], 'the model sees only granted tools');
    t.deepEqual(await scene.transcript(workerId), [
      'user: echo one',
      'call echo {"text":"one"}',
      'result "<one>"',
      'assistant: It answered: <one>',
      'user: echo two',
      'call echo {"text":"two"}',
      'result "<two>"',
      'assistant: It answered: <two>',
    ]);
    const calls = (await scene.log(workerId)).flatMap(({ type: kind, data }) =>
      kind === 'tool.called' ? [data.call] : [],
    );
    t.is(new Set(calls).size, 2, 'call ids are unique in the log, even if those of the provider are not');
    t.deepEqual(scene.server.requests[3]?.lines.slice(1, 3), [
      `assistant calls ${calls[0]} echo({"text":"one"})`,
      `tool ${calls[0]}: <one>`,
    ]);
    const types = (await scene.log(workerId)).map(({ type: kind }) => kind);
    t.is(types.filter((kind) => kind === 'usage.recorded').length, 4, 'each step is counted');
    t.is(types.filter((kind) => kind === 'step.finished').length, 4);
  });

test('a creation with an unknown tool is refused', async (t) => {
  const scene = await ModelScene.open(t, { tools: { echo: echo() } });
  await t.throwsAsync(scene.create({}, { tools: ['rm'] }), { code: 'TOOL_UNKNOWN' });
  t.deepEqual((await scene.runtime.summary()).capabilities.tools.available, ['echo']);
});

test('the calls of one step run at the same time, and invalid calls are not made', async (t) => {
  let active = 0;
  let most = 0;
  let all: () => void = () => {};
  const both = new Promise<void>((resolve) => {
    all = resolve;
  });
  const meet = tool({
    inputSchema: shape,
    execute: async ({ text }) => {
      active += 1;
      most = Math.max(most, active);
      if (active === 2) all();
      await both;
      return text;
    },
  }) as Tool;
  const scene = await ModelScene.open(t, { tools: { meet } });
  scene.server.answer = ({ lines }) =>
    lines.at(-1)?.startsWith('tool ')
      ? [{ text: 'Done.' }]
      : [
          { call: 'meet', input: { text: 'a' } },
          { call: 'meet', input: { text: 'b' } },
          { call: 'meet', input: { wrong: true } },
          { call: 'ai-sdk:compact', input: { text: 'c' } },
        ];
  const workerId = await scene.create({}, { tools: ['meet'] });
  t.is((await scene.say(workerId, 'go')).outcome, 'completed');
  t.is(most, 2);
  const lines = await scene.transcript(workerId);
  t.deepEqual(lines.slice(1, 5), [
    'call meet {"text":"a"}',
    'call meet {"text":"b"}',
    'call meet {"wrong":true}',
    'call ai-sdk_compact {"text":"c"}',
  ]);
  t.is(lines.filter((line) => line.startsWith('error ')).length, 2);
  t.is(lines.filter((line) => line.startsWith('result ')).length, 2);
});

test('the model learns if a permission is allowed, denied with a note, or not given in time', async (t) => {
  const scene = await ModelScene.open(t, { tools: { echo: echo(true) }, permissionMs: 86_400_000 });
  scene.server.answer = caller;
  const workerId = await scene.create({}, { tools: ['echo'] });
  const request = await scene.asked(workerId, 'echo please');
  t.like(request, {
    kind: 'permission',
    prompt: 'echo {"text":"please"}',
    options: [{ id: 'allow' }, { id: 'deny' }],
  });
  t.is((await scene.runtime.getWorker(workerId)).status, 'waiting');
  await scene.runtime.respond(workerId, request.requestId, { decision: 'allow' });
  await scene.ended(workerId, request.runId);
  const denied = await scene.asked(workerId, 'echo again');
  await scene.runtime.respond(workerId, denied.requestId, { decision: 'deny', note: 'Not today.' });
  await scene.ended(workerId, denied.runId);
  t.deepEqual(
    (await scene.transcript(workerId)).filter((line) => /^(result|error|assistant)/.test(line)),
    [
      'result "<please>"',
      'assistant: It answered: <please>',
      'error Permission for this call was denied. It was not made. Not today.',
      'assistant: It answered: Permission for this call was denied. It was not made. Not today.',
    ],
  );

  const hasty = await ModelScene.open(t, { tools: { echo: echo(true) }, permissionMs: 1 });
  hasty.server.answer = caller;
  const other = await hasty.create({}, { tools: ['echo'] });
  const late = await hasty.runtime.sendInput(other, { text: 'echo now' });
  t.is((await hasty.ended(other, late.runId)).outcome, 'completed');
  t.is(
    (await hasty.transcript(other)).at(-1),
    'assistant: It answered: Permission for this call was not given in time. It was not made.',
  );
});

test('a Worker can require permission for every call', async (t) => {
  const scene = await ModelScene.open(t, { tools: { echo: echo() } });
  scene.server.answer = caller;
  const workerId = await scene.create({ permission: 'ask' }, { tools: ['echo'] });
  const { requestId, runId } = await scene.asked(workerId, 'echo x');
  await scene.runtime.respond(workerId, requestId, { decision: 'allow' });
  t.is((await scene.ended(workerId, runId)).outcome, 'completed');
});

test('the output of a tool is cut to its size limit, and the error that it throws is not public', async (t) => {
  const execute = async ({ text }: { readonly text: string }): Promise<unknown> => {
    if (text === 'throw') throw new Error('the password is swordfish');
    if (text === 'json') return { list: Array.from({ length: 1_000 }, (_, n) => n) };
    return 'ä'.repeat(5_000);
  };
  const scene = await ModelScene.open(t, {
    tools: { odd: tool({ inputSchema: shape, execute }) as Tool },
    toolOutputBytes: 1_024,
  });
  scene.server.answer = caller;
  const workerId = await scene.create({}, { tools: ['odd'] });
  for (const word of ['long', 'json', 'throw'])
    t.is((await scene.say(workerId, `odd ${word}`)).outcome, 'completed');
  const results = (await scene.log(workerId)).flatMap(({ type, data }) =>
    type === 'tool.finished' ? [data] : [],
  );
  t.is(results[0]?.output, `${'ä'.repeat(512)}\n[cut: 1024 of 10000 bytes are shown]`);
  t.true(results[0]?.truncated);
  t.regex(results[1]?.output as string, /^\{"list":\[0,1,2,.*\n\[cut: 1024 of \d+ bytes are shown\]$/s);
  t.is(results[2]?.error, 'The tool failed. Whether it had an effect is not known.');
  t.true(
    scene.logged.some((line) => line.includes('swordfish')),
    'the operator finds it in the log',
  );
});

test('a run ends at its limit of steps, and leaves no call open', async (t) => {
  const scene = await ModelScene.open(t, { tools: { echo: echo() } });
  scene.server.answer = () => [{ call: 'echo', input: { text: 'more' } }];
  const workerId = await scene.create({ maxSteps: 3 }, { tools: ['echo'] });
  const { outcome, error } = await scene.say(workerId, 'go');
  t.deepEqual([outcome, error?.code], ['failed', 'LIMIT_REACHED']);
  t.is(scene.server.requests.length, 3);
  const lines = await scene.transcript(workerId);
  t.is(lines.filter((line) => line.startsWith('call ')).length, 3);
  t.is(lines.at(-1), 'error The run reached its limit of steps. This call was not made.');
});

test('P3: a cancelled run does not wait for a tool that ignores the cancel, and records that its effect is not known', async (t) => {
  let begin: () => void = () => {};
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const deaf = tool({
    inputSchema: shape,
    execute: () => {
      begin();
      return new Promise(() => {});
    },
  }) as Tool;
  const scene = await ModelScene.open(t, { tools: { deaf } });
  scene.server.answer = caller;
  const workerId = await scene.create({}, { tools: ['deaf'] });
  const { runId } = await scene.runtime.sendInput(workerId, { text: 'deaf x' });
  await begun;
  t.deepEqual(await scene.runtime.cancelRun(workerId, { runId }), { changed: true, status: 'idle' });
  t.is((await scene.runtime.getWorker(workerId)).execution.generation, 1, 'the execution was not detached');
  t.regex((await scene.transcript(workerId)).at(-1) ?? '', /^error The run ended before this call did/);
});

test('tools of a server over standard input are granted by name, and their failures are results', async (t) => {
  process.env.TEST_MCP_TOKEN = 'mcp-canary-0123456789';
  const { server, recordedCalls } = await stdioServer(t, { env: ['TEST_MCP_TOKEN'] });
  const scene = await ModelScene.open(t, { mcpServers: { test: server } });
  scene.server.answer = caller;
  const workerId = await scene.create(
    {},
    { tools: ['test.echo', 'test.fail', 'test.environment', 'test.die'] },
  );
  t.deepEqual((await scene.runtime.summary()).capabilities.tools.available, [
    'test.die',
    'test.die-beside-child',
    'test.echo',
    'test.environment',
    'test.fail',
    'test.hang',
  ]);
  for (const text of [
    'test_echo hi',
    'test_fail no',
    'test_environment TEST_MCP_TOKEN',
    'test_environment AI_SDK_CANARY',
    'test_die now',
    'test_echo back',
  ])
    t.is((await scene.say(workerId, text)).outcome, 'completed');
  t.deepEqual(
    (await scene.transcript(workerId)).filter((line) => /^(call|result|error)/.test(line)),
    [
      'call test.echo {"text":"hi"}',
      'result "hi"',
      'call test.fail {"text":"no"}',
      'error It is wrong: no',
      'call test.environment {"text":"TEST_MCP_TOKEN"}',
      'result "[secret]"',
      'call test.environment {"text":"AI_SDK_CANARY"}',
      'result "not set"',
      'call test.die {"text":"now"}',
      'error The tool failed. Whether it had an effect is not known.',
      'call test.echo {"text":"back"}',
      'result "back"',
    ],
  );
  t.deepEqual(
    recordedCalls(),
    ['echo hi', 'fail no', 'environment', 'environment', 'die', 'echo back'],
    'no call is made twice',
  );
});

test('a tool of a server needs permission unless the operator allows it', async (t) => {
  const { server, recordedCalls } = await stdioServer(t);
  const { permission: _, ...withDefault } = server;
  const scene = await ModelScene.open(t, { mcpServers: { test: withDefault } });
  scene.server.answer = caller;
  const workerId = await scene.create({}, { tools: ['test.echo'] });
  const { requestId, runId } = await scene.asked(workerId, 'test_echo x');
  t.deepEqual(recordedCalls(), []);
  await scene.runtime.respond(workerId, requestId, { decision: 'allow' });
  await scene.ended(workerId, runId);
  t.deepEqual(recordedCalls(), ['echo x']);
});

test('a call of a tool server is cancelled when its run is', async (t) => {
  const { server, recordedCalls } = await stdioServer(t);
  const scene = await ModelScene.open(t, { mcpServers: { test: server } });
  scene.server.answer = caller;
  const workerId = await scene.create({}, { tools: ['test.hang', 'test.echo'] });
  const { runId } = await scene.runtime.sendInput(workerId, { text: 'test_hang x' });
  for await (const item of scene.runtime.observe(workerId, { after: 'start' }))
    if (item.type === 'event' && item.event.type === 'tool.called') break;
  await scene.runtime.cancelRun(workerId, { runId });
  t.is((await scene.runtime.getWorker(workerId)).status, 'idle');
  t.is((await scene.say(workerId, 'test_echo on')).outcome, 'completed');
  t.deepEqual(recordedCalls().at(-1), 'echo on');
});

test('a tool server that cannot be reached refuses creations, and existing Workers continue without its tools', async (t) => {
  const { server } = await stdioServer(t);
  const mcpServers: Record<string, McpServerOptions> = { test: { ...server, env: [], envFiles: {} } };
  const scene = await ModelScene.open(t, { mcpServers, connectMs: 20_000 });
  scene.server.answer = caller;
  const workerId = await scene.create({}, { tools: ['test.echo'] });
  mcpServers.test = {
    command: '/there/is/no/such/program',
    args: [],
    env: [],
    envFiles: {},
    permission: 'allow',
  };
  await scene.start();
  const refusal = await t.throwsAsync(scene.create({}, { tools: ['test.echo'] }), {
    code: 'ENGINE_UNAVAILABLE',
  });
  t.is(refusal?.message, 'The tool server "test" cannot be reached');
  t.is((await scene.say(workerId, 'hello')).outcome, 'completed');
  const notice = (await scene.log(workerId)).find(({ type }) => type === 'diagnostic.recorded');
  t.like(notice?.data, { code: 'TOOL_UNAVAILABLE', severity: 'warning' });
  t.false(JSON.stringify(await scene.log(workerId)).includes('/there/is'));
});

test('tools of a server over HTTP are called with its key', async (t) => {
  const recordedCalls: string[] = [];
  const keys = new Set<string | undefined>();
  const http = createServer((request, response) => {
    keys.add(request.headers.authorization);
    const transport = new StreamableHTTPServerTransport({});
    const server = toolServer((line) => recordedCalls.push(line));
    response.on('close', () => void server.close());
    server
      .connect(transport as Transport)
      .then(() => transport.handleRequest(request, response))
      .catch((error: unknown) => t.fail(String(error)));
  });
  http.listen(0, '127.0.0.1');
  await new Promise((resolve) => http.once('listening', resolve));
  t.teardown(() => {
    http.closeAllConnections();
    http.close();
  });
  process.env.TEST_MCP_KEY = 'http-canary-0123456789';
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`;
  const scene = await ModelScene.open(t, {
    connectMs: 60_000,
    mcpServers: { far: { url, apiKeyEnv: 'TEST_MCP_KEY', permission: 'allow' } },
  });
  scene.server.answer = caller;
  const workerId = await scene.create({}, { tools: ['far.echo'] });
  t.is((await scene.say(workerId, 'far_echo hi')).outcome, 'completed');
  t.deepEqual(recordedCalls, ['echo hi']);
  t.deepEqual([...keys], ['Bearer http-canary-0123456789']);
  t.is((await scene.transcript(workerId)).at(-1), 'assistant: It answered: hi');
});

test('P19: a key with quotes and backslashes is redacted in permission requests, calls, results and failures', async (t) => {
  const keyFile = join(await folder(t), 'key');
  const key = 'first"quoted\\secret-4711-ü';
  await writeFile(keyFile, key, { mode: 0o600 });
  const show = tool({
    inputSchema: shape,
    needsApproval: true,
    execute: async ({ text }) => {
      if (text.startsWith('fail')) throw new RuntimeError('ENGINE_FAILED', JSON.stringify({ text }));
      return { text, json: JSON.stringify({ text }) };
    },
  }) as Tool;
  const scene = await ModelScene.open(t, { key: { apiKeyFile: keyFile }, tools: { show } });
  scene.server.answer = ({ last, lines }) => {
    if (lines.at(-1)?.startsWith('tool ')) return [{ text: JSON.stringify({ key }) }];
    if (last === 'invalid') return [{ call: 'show', input: { wrong: key } }];
    return [{ call: 'show', input: { text: last === 'fail' ? `fail ${key}` : key } }];
  };
  const workerId = await scene.create({}, { tools: ['show'] });
  const shown: unknown[] = [];
  for (const text of ['show', 'fail']) {
    const { requestId, runId, prompt } = await scene.asked(workerId, text);
    t.regex(prompt, /^show \{"text":"(fail )?\[secret\]"\}$/);
    await scene.runtime.respond(workerId, requestId, { decision: 'allow' });
    await scene.ended(workerId, runId ?? '');
  }
  await scene.say(workerId, 'invalid');
  shown.push(await scene.log(workerId), scene.logged);
  t.notRegex(JSON.stringify(shown), /4711/);
  t.is((await scene.transcript(workerId)).filter((line) => line.includes('[secret]')).length, 9);
});
