import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RuntimeError } from '@worker-runtime/core';
import { bundled } from '@worker-runtime/test-environment/bundled';
import type { Answer } from '@worker-runtime/test-environment/fake-model-server';
import test, { type ExecutionContext } from 'ava';
import { z } from 'zod';
import { type ToolCaller, tool } from '../../src/index.ts';
import { FakeMcpServer, LOOK, textResult } from '../fake-mcp-server.ts';
import { ModelScene, type SceneOptions } from '../model-scene.ts';
import { namedStore } from '../named-store.ts';

/** The longest time for a call in these tests. A call that is noticed to have failed takes much less. */
const TOOL_MS = 20_000;

/** Calls the tool that the input names, and answers with its result. */
const caller: Answer = ({ last, lines }) =>
  lines.at(-1)?.startsWith('tool ')
    ? [{ text: `It answered: ${last}` }]
    : [{ call: last, input: {}, id: 'call_0' }];

const folder = async (t: ExecutionContext): Promise<string> => {
  const path = await mkdtemp(join(tmpdir(), 'ai-sdk-'));
  t.teardown(() => rm(path, { recursive: true, force: true, maxRetries: 10 }));
  return path;
};

/** Opens a scene whose model calls tools of a fake server with the name `far`. */
const open = async (t: ExecutionContext, options: SceneOptions = {}, server: object = {}) => {
  const far = await FakeMcpServer.open(t);
  const scene = await openAt(t, far.url, options, server);
  return { far, scene };
};

const openAt = async (
  t: ExecutionContext,
  url: string,
  options: SceneOptions = {},
  server: object = {},
): Promise<ModelScene> => {
  const mcpServers = { far: { url, permission: 'allow' as const, ...server } };
  const scene = await ModelScene.open(t, { toolMs: TOOL_MS, connectMs: 60_000, mcpServers, ...options });
  scene.server.answer = caller;
  return scene;
};

/** Lets the model call the tool that an input names, and answer with its result. */
const callTools = ({ server }: ModelScene): void => {
  server.answer = ({ last, lines }) =>
    lines.at(-1)?.startsWith('tool ')
      ? [{ text: last }]
      : [{ call: last, input: { text: 'x' }, id: 'call_0' }];
};

/** Sends the name of a tool as an input, and returns what the model learned from the call. */
const learned = async (scene: ModelScene, workerId: string, tool = 'far_look'): Promise<string> => {
  await scene.say(workerId, tool);
  return (await scene.transcript(workerId)).at(-2) ?? '';
};

const notices = async (scene: ModelScene, workerId: string): Promise<readonly string[]> =>
  (await scene.log(workerId)).flatMap(({ type, data }) =>
    type === 'diagnostic.recorded' ? [data.message] : [],
  );

/** Creates a Worker as soon as a tool server that is starting is ready. */
const createWhenReady = async (scene: ModelScene, tools: readonly string[]): Promise<string> => {
  for (;;)
    try {
      return await scene.create({}, { tools: [...tools] });
    } catch (error) {
      if (!(error instanceof RuntimeError) || !error.message.includes('still starting')) throw error;
    }
};

for (const unknownSession of [
  404,
  400,
  { code: -32_001, message: 'Session not found' },
  { code: -32_600, message: 'Invalid session ID' },
])
  test(`a server that forgot its sessions (${JSON.stringify(unknownSession)}) works for the next call of every Worker`, async (t) => {
    const { far, scene } = await open(t);
    far.unknownSession = unknownSession;
    const workers = [
      await scene.create({}, { tools: ['far.look'] }),
      await scene.create({}, { tools: ['far.look'] }),
    ];
    for (const worker of workers) t.is(await learned(scene, worker), 'result "seen"');
    far.forget();
    t.deepEqual(await Promise.all(workers.map((worker) => learned(scene, worker))), [
      'result "seen"',
      'result "seen"',
    ]);
    t.is(far.calls.length, 4, 'each call is taken once');
    far.forget();
    far.tools = [LOOK, { ...LOOK, name: 'added' }];
    const other = await scene.create({}, { tools: ['far.added'] });
    t.is(await learned(scene, other, 'far_added'), 'result "seen"', 'a creation finds the new tools');
  });

test('a call in progress ends as usual when the session is lost in the meantime', async (t) => {
  const { far, scene } = await open(t);
  const [slow, quick] = [
    await scene.create({}, { tools: ['far.look'] }),
    await scene.create({}, { tools: ['far.look'] }),
  ];
  let begun = (): void => {};
  let finish = (): void => {};
  const taken = new Promise<void>((resolve) => {
    begun = resolve;
  });
  far.respond = (id, response) => {
    far.respond = null;
    finish = () =>
      response.end(`data: ${JSON.stringify({ jsonrpc: '2.0', id, result: textResult('slow') })}\n\n`);
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    begun();
  };
  const first = learned(scene, slow);
  await taken;
  far.forget();
  t.is(await learned(scene, quick), 'result "seen"');
  finish();
  t.is(await first, 'result "slow"');
});

test('a key that is changed is used at once, also by servers that bind a session to its key', async (t) => {
  const apiKeyFile = join(await folder(t), 'key');
  await writeFile(apiKeyFile, 'first-key-0123456789', { mode: 0o600 });
  const { far, scene } = await open(t, {}, { apiKeyFile });
  far.key = 'first-key-0123456789';
  const workerId = await scene.create({}, { tools: ['far.look'] });
  t.is(await learned(scene, workerId), 'result "seen"');
  far.key = 'second-key-0123456789';
  await writeFile(apiKeyFile, `${far.key}\n`);
  t.is(await learned(scene, workerId), 'result "seen"');
  await writeFile(apiKeyFile, 'wrong-key-0123456789', { mode: 0o600 });
  t.is(
    await learned(scene, workerId),
    'error The tool server "far" cannot be reached. The call was not made.',
  );
  await writeFile(apiKeyFile, 'second-key-0123456789', { mode: 0o600 });
  t.is(await learned(scene, workerId), 'result "seen"');
  t.is(far.calls.length, 3);
});

test('a server that is away is result apart from a call whose effect is not known', async (t) => {
  const { far, scene } = await open(t);
  const workerId = await scene.create({}, { tools: ['far.look'] });
  await far.close();
  for (let input = 0; input < 2; input += 1)
    t.is(
      await learned(scene, workerId),
      'error The tool server "far" cannot be reached. The call was not made.',
    );
  await far.listen();
  t.is(await learned(scene, workerId), 'result "seen"');
});

test('an odd tool costs only itself', async (t) => {
  const odd: Readonly<Record<string, object | null | string>> = {
    any: { name: 'any', inputSchema: { anyOf: [{ type: 'object' }] } },
    empty: { name: 'empty', inputSchema: {} },
    absent: { name: 'absent' },
    null: { name: 'null', inputSchema: null, outputSchema: null, description: null, annotations: null },
    nullable: { name: 'nullable', inputSchema: { type: ['object', 'null'], required: null } },
    untyped: { name: 'untyped', inputSchema: { type: 'object' }, outputSchema: { description: 'y' } },
    output: {
      name: 'output',
      inputSchema: { type: 'object' },
      outputSchema: { type: 'strng', $ref: '#/none' },
    },
    described: { name: 'described', description: 5, inputSchema: { type: 'object' }, annotations: 'none' },
  };
  const refused: Readonly<Record<string, unknown>> = {
    text: { name: 'text', inputSchema: { type: 'string' } },
    list: { name: 'list', inputSchema: [] },
    properties: { name: 'properties', inputSchema: { type: 'object', properties: { a: 'string' } } },
    task: { name: 'task', inputSchema: { type: 'object' }, execution: { taskSupport: 'required' } },
    large: { name: 'large', description: 'x'.repeat(300_000), inputSchema: { type: 'object' } },
    'a/b': { name: 'a/b', inputSchema: { type: 'object' } },
  };
  const far = await FakeMcpServer.open(t);
  far.tools = [...Object.values(odd), ...Object.values(refused), null, 'text', {}, { name: 7 }, LOOK];
  const scene = await openAt(t, far.url);
  const names = [...Object.keys(odd), 'look'];
  const workerId = await scene.create({}, { tools: names.map((name) => `far.${name}`) });
  for (const name of names) t.is(await learned(scene, workerId, `far_${name}`), 'result "seen"', name);
  const reported = scene.logged.find((line) => line.startsWith('Tools of a server are not offered')) ?? '';
  for (const name of Object.keys(refused)) {
    t.true(reported.includes(`"${name}: `), name);
    const refusal = await t.throwsAsync(scene.create({}, { tools: [`far.${name}`] }), {
      code: 'TOOL_UNKNOWN',
    });
    t.regex(refusal?.message ?? '', new RegExp(`^The tool "far.${name}" is not offered: `));
  }
  const [schema] = scene.server.requests.flatMap(({ body }) =>
    JSON.stringify(body).includes('"far_any"') ? [JSON.stringify(body)] : [],
  );
  t.regex(schema ?? '', /"far_any"[^}]*"parameters":\{"anyOf":\[\{"type":"object"\}\],"type":"object"/);
});

const ENDLESS: Readonly<Record<string, (cursor: unknown) => object>> = {
  'the same cursor and page': () => ({ tools: [LOOK], nextCursor: 'same' }),
  'the same cursor and empty pages': (cursor) => ({
    tools: cursor === undefined ? [LOOK] : [],
    nextCursor: 'same',
  }),
  'an empty cursor': () => ({ tools: [LOOK], nextCursor: '' }),
  'two cursors in turn': (cursor) => ({ tools: [LOOK], nextCursor: cursor === 'a' ? 'b' : 'a' }),
  'always another cursor': (cursor) => ({
    tools: cursor ? [] : [LOOK],
    nextCursor: String(Number(cursor ?? 0) + 1),
  }),
  'always more tools': (cursor) => ({
    tools: [LOOK, ...Array.from({ length: 100 }, (_, n) => ({ ...LOOK, name: `t${String(cursor)}-${n}` }))],
    nextCursor: String(Number(cursor ?? 0) + 1),
  }),
  'a cursor that is a number': () => ({ tools: [LOOK], nextCursor: 8 }),
};
for (const [title, page] of Object.entries(ENDLESS))
  test(`a list that never ends is cut: ${title}`, async (t) => {
    const far = await FakeMcpServer.open(t);
    far.page = page;
    const scene = await openAt(t, far.url);
    const workerId = await createWhenReady(scene, ['far.look']);
    t.true(far.lists.length <= 100);
    t.is(await learned(scene, workerId), 'result "seen"');
    t.true(
      scene.logged.some((line) => line.startsWith('The list of tools of a server was not read to its end')),
    );
  });

test('P22: a slow tool server holds up neither the start nor a run, and is used when it is there', async (t) => {
  const far = await FakeMcpServer.open(t);
  const release = far.hold();
  // Without the limit of the server, the test would take longer than it may.
  const scene = await openAt(t, far.url, { connectMs: 600_000 }, { connectMs: 300 });
  t.deepEqual((await scene.runtime.summary()).capabilities.tools.available, []);
  const refusal = await t.throwsAsync(scene.create({}, { tools: ['far.look'] }), {
    code: 'ENGINE_UNAVAILABLE',
  });
  t.is(refusal?.message, 'The tool server "far" is still starting: try again later');
  release();
  const workerId = await createWhenReady(scene, ['far.look']);
  t.is(far.initializations, 1, 'the first attempt continued');

  const releaseAgain = far.hold();
  await scene.start();
  scene.server.answer = ({ tools }) => [{ text: tools.length > 0 ? 'I have it.' : 'I have nothing.' }];
  for (let input = 0; input < 2; input += 1) await scene.say(workerId, 'hello');
  t.is((await scene.transcript(workerId)).at(-1), 'assistant: I have nothing.');
  t.is((await notices(scene, workerId)).length, 2);
  t.is(far.initializations, 2, 'the runs wait for one attempt');
  releaseAgain();
  await createWhenReady(scene, ['far.look']);
  await scene.say(workerId, 'hello');
  t.is((await scene.transcript(workerId)).at(-1), 'assistant: I have it.');
});

test('P22: neither a start nor runs after the first one wait for a tool server that is late', async (t) => {
  const connectMs = 4_000;
  const far = await FakeMcpServer.open(t);
  const scene = await openAt(t, far.url, {}, { connectMs });
  const workerId = await createWhenReady(scene, ['far.look']);
  const release = far.hold();
  let since = performance.now();
  await scene.start();
  t.true(performance.now() - since < connectMs);
  scene.server.answer = () => [{ text: 'Well.' }];
  await scene.say(workerId, 'hello');
  since = performance.now();
  for (let input = 0; input < 4; input += 1) await scene.say(workerId, 'hello');
  t.true(performance.now() - since < 4 * connectMs, 'they do not wait as the first one did');
  t.is((await notices(scene, workerId)).length, 5);
  release();
});

test('a program that starts slowly is not started again', async (t) => {
  const path = await folder(t);
  const [record, gate] = [join(path, 'record'), join(path, 'gate')];
  const program = await bundled('mcp-process');
  const slow = { command: process.execPath, args: [program, record, gate], connectMs: 100 };
  const scene = await ModelScene.open(t, { mcpServers: { slow: { ...slow, permission: 'allow' } } });
  for (let attempt = 0; attempt < 3; attempt += 1)
    await t.throwsAsync(scene.create({}, { tools: ['slow.echo'] }), { message: /still starting/ });
  await writeFile(gate, '');
  await createWhenReady(scene, ['slow.echo']);
  t.is(readFileSync(record, 'utf8'), 'begun\n');
});

test('a run that waits for a tool server is cancelled at once, and so is a stop of the runtime', async (t) => {
  const far = await FakeMcpServer.open(t);
  const scene = await openAt(t, far.url, { connectMs: 600_000 });
  const workerId = await scene.create({}, { tools: ['far.look'] });
  far.hold();
  await scene.start();
  const { runId } = await scene.runtime.sendInput(workerId, { text: 'far_look' });
  for await (const item of scene.runtime.observe(workerId, { after: 'start' }))
    if (item.type === 'event' && item.event.type === 'run.started') break;
  t.deepEqual(await scene.runtime.cancelRun(workerId, { runId }), { changed: true, status: 'idle' });
  const { items } = await scene.runtime.diagnostics();
  t.deepEqual(items, [], 'the execution was not detached');
  await scene.runtime.stop();
});

const RESULTS: Readonly<Record<string, readonly [sent: unknown, output: string | RegExp]>> = {
  'text and structured content': [
    { ...textResult('1. a link for people'), structuredContent: { hits: 1 } },
    'result {"content":"1. a link for people","structuredContent":{"hits":1}}',
  ],
  'structured content that the text repeats': [
    { ...textResult('{"hits": 1}'), structuredContent: { hits: 1 } },
    'result {"hits":1}',
  ],
  'a text in a wrapper': [
    { ...textResult('plain'), structuredContent: { result: 'plain' } },
    'result "plain"',
  ],
  'structured content alone': [{ content: [], structuredContent: { a: 1 } }, 'result {"a":1}'],
  'no content': [{}, 'result ""'],
  'content of another shape': [
    { content: [null, 5, {}, { type: 'new' }], isError: 'no' },
    /^result "\[unknown content\]\\n.*\[new\]"$/,
  ],
  'an image, audio and a blob': [
    {
      content: [
        { type: 'image', data: 'aGVsbG8=', mimeType: 'image/png' },
        { type: 'audio', data: 'aGk=', mimeType: 'audio/wav' },
        { type: 'resource', resource: { uri: 'file:///a.bin', mimeType: 'application/zip', blob: 'aGk=' } },
      ],
    },
    `result ${JSON.stringify('[image image/png, 5 bytes]\n[audio audio/wav, 2 bytes]\n[resource application/zip, 2 bytes] file:///a.bin')}`,
  ],
  'a link and an embedded text': [
    {
      content: [
        {
          type: 'resource_link',
          uri: 'file:///a.md',
          name: 'a.md',
          description: 'A page.',
          mimeType: 'text/markdown',
        },
        { type: 'resource', resource: { uri: 'file:///b.md', mimeType: 'text/markdown', text: '# B' } },
      ],
    },
    `result ${JSON.stringify('[resource_link text/markdown] file:///a.md a.md: A page.\n[resource file:///b.md text/markdown]\n# B')}`,
  ],
  'a failure with text and structured content': [
    { ...textResult('no such file'), structuredContent: { path: 'a' }, isError: true },
    'error no such file\n{"path":"a"}',
  ],
  'a failure without content': [{ isError: true }, 'error The tool reported a failure without a message'],
};
test('a result reaches the model and the log whole', async (t) => {
  const { far, scene } = await open(t);
  const outputSchema = { type: 'object', properties: { hits: { type: 'string' } }, required: ['hits'] };
  far.tools = [{ ...LOOK, outputSchema }];
  const workerId = await scene.create({}, { tools: ['far.look'] });
  for (const [title, [sent, output]] of Object.entries(RESULTS)) {
    far.call = () => sent;
    const result = await learned(scene, workerId);
    if (typeof output === 'string') t.is(result, output, title);
    else t.regex(result, output, title);
    const shown = scene.server.requests.at(-1)?.lines.at(-1) ?? '';
    if (title === 'text and structured content') t.regex(shown, /1\. a link for people.*"hits":1/);
  }
});

/** A schema whose check takes more steps than there are atoms, for a value that is nested 100 times. */
const COSTLY = {
  $ref: '#/$defs/a',
  $defs: {
    a: {
      anyOf: ['x', 'x', 'x'].map((name) => ({
        properties: { [name]: { $ref: '#/$defs/a' } },
        required: [name],
      })),
    },
  },
};
const nested = (depth: number): unknown => (depth === 0 ? { y: 1 } : { x: nested(depth - 1) });

/** Output schemas with a result, and the fault that the notice names; null if there is none. */
const FAULTS: Readonly<Record<string, readonly [schema: object, structured: unknown, fault: string | null]>> =
  {
    fits: [{ type: 'object', properties: { hits: { type: 'number' } } }, { hits: 3, more: 'x' }, null],
    'another type': [
      { properties: { hits: { type: 'integer' } } },
      { hits: 'three' },
      '/hits must be of the type "integer"',
    ],
    missing: [{ type: 'object', required: ['hits'] }, { text: 'x' }, '/hits is missing'],
    'no structured content': [{ type: 'object' }, undefined, 'it has no structured content'],
    'a reference': [
      { properties: { list: { items: { $ref: '#/$defs/hit' } } }, $defs: { hit: { enum: ['a', 'b'] } } },
      { list: ['a', 'c'] },
      '/list/1 must be one of: "a", "b"',
    ],
    'an unknown member': [
      { properties: { a: true }, additionalProperties: false },
      { a: 1, b: 2 },
      '/b must be absent',
    ],
    alternatives: [
      { properties: { a: { anyOf: [{ type: 'null' }, { type: 'string', maxLength: 2 }] } } },
      { a: 'long' },
      '/a must fit one of 2 schemas',
    ],
    'a dangling reference': [{ properties: { a: { $ref: '#/$defs/none' } } }, { a: 1 }, null],
    'a reference to itself': [{ $ref: '#' }, { a: 1 }, null],
    'too many steps': [COSTLY, nested(100), null],
    'an expression that never ends': [
      { properties: { a: { type: 'string', pattern: '^(a+)+$' } } },
      { a: `${'a'.repeat(50)}!` },
      null,
    ],
  };
test('a result that does not fit the output schema of its tool passes, with a remark for people and operators', async (t) => {
  const { far, scene } = await open(t);
  far.tools = Object.values(FAULTS).map(([outputSchema], index) => ({
    ...LOOK,
    name: `look${index}`,
    outputSchema,
  }));
  const tools = Object.keys(FAULTS).map((_, index) => `far.look${index}`);
  const workerId = await scene.create({}, { tools });
  for (const [index, [title, [, structuredContent, fault]]] of Object.entries(FAULTS).entries()) {
    far.call = () => ({
      ...textResult(title),
      ...(structuredContent !== undefined && { structuredContent }),
    });
    const before = (await notices(scene, workerId)).length;
    t.regex(await learned(scene, workerId, `far_look${index}`), /^result /, title);
    const message = `The result of far.look${index} does not fit its output schema: ${fault}`;
    t.deepEqual((await notices(scene, workerId)).slice(before), fault === null ? [] : [message], title);
  }
  const log = await scene.log(workerId);
  t.true(log.every((event) => event.type !== 'run.finished' || event.data.outcome === 'completed'));
  t.true(scene.logged.some((line) => line.startsWith('A result does not fit the output schema')));
  far.call = () => ({ ...textResult('It is wrong'), isError: true });
  t.is(await learned(scene, workerId, 'far_look1'), 'error It is wrong');
  t.is((await notices(scene, workerId)).length, Object.values(FAULTS).filter(([, , fault]) => fault).length);
});

test('of a large result, the text and the structured content are both kept in part', async (t) => {
  const { far, scene } = await open(t, { toolOutputBytes: 2_048 });
  const workerId = await scene.create({}, { tools: ['far.look'] });
  const cases: readonly (readonly [text: number, structured: number])[] = [
    [100_000, 10],
    [10, 100_000],
    [100_000, 100_000],
  ];
  for (const [text, structured] of cases) {
    far.call = () => ({
      ...textResult(`T${'t'.repeat(text)}`),
      structuredContent: { s: `S${'s'.repeat(structured)}` },
    });
    const result = await learned(scene, workerId);
    t.true(result.includes('Tttt') && result.includes('Ssss'));
    t.true(result.length < 2_500);
    const { data } = (await scene.log(workerId)).findLast(({ type }) => type === 'tool.finished') ?? {};
    t.like(data, { truncated: true });
  }
});

test('P19: a key in text or structured content of a tool server is redacted', async (t) => {
  const apiKeyFile = join(await folder(t), 'key');
  const key = 'quoted"key\\4711-0123456789';
  await writeFile(apiKeyFile, key, { mode: 0o600 });
  const { far, scene } = await open(t, {}, { apiKeyFile });
  const workerId = await scene.create({}, { tools: ['far.look'] });
  far.call = () => ({
    ...textResult(`the key is ${key}`),
    structuredContent: { key, nested: JSON.stringify({ key }) },
  });
  await learned(scene, workerId);
  far.call = () => ({ ...textResult(key), structuredContent: { key }, isError: true });
  await learned(scene, workerId);
  far.call = () => ({ error: { code: -32_602, message: `Invalid key ${key}` } });
  t.is(
    await learned(scene, workerId),
    'error The tool server "far" refused the call: Invalid key [secret]. The call was not made.',
  );
  t.notRegex(JSON.stringify([await scene.log(workerId), scene.logged]), /4711/);
});

test('a call that the server refused is reported as not made, and other errors as unknown', async (t) => {
  const { far, scene } = await open(t);
  const workerId = await scene.create({}, { tools: ['far.look'] });
  for (const [code, isMade] of [
    [-32_601, false],
    [-32_602, false],
    [-32_603, true],
    [1, true],
  ] as const) {
    far.call = () => ({ error: { code, message: 'Look again' } });
    const result = await learned(scene, workerId);
    if (isMade) t.regex(result, /Whether it had an effect is not known\.$/);
    else t.is(result, 'error The tool server "far" refused the call: Look again. The call was not made.');
  }
  far.respond = (_id, response) => response.writeHead(413).end();
  t.is(
    await learned(scene, workerId),
    'error The tool server "far" refused the call: status 413. The call was not made.',
  );
  t.is(far.initializations, 1);
});

const CUTS: Readonly<Record<string, FakeMcpServer['respond']>> = {
  'a stream that is cut': (_id, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(': begun\n\n', () => response.destroy());
  },
  'a stream that ends without an answer': (_id, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(
      'data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}\n\n',
    );
  },
  'a stream that cannot be resumed': (_id, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end('id: 1\nretry: 10\ndata:\n\n');
  },
  'a connection without a response': (_id, response) => {
    response.destroy();
  },
  'a body that is cut': (_id, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 });
    response.write('{"jsonrpc"', () => response.destroy());
  },
  'a response without a body': (_id, response) => {
    response.writeHead(202).end();
  },
};
for (const [title, respond] of Object.entries(CUTS))
  test(`the end of a connection during a call is noticed at once: ${title}`, async (t) => {
    const { far, scene } = await open(t);
    const workerId = await scene.create({}, { tools: ['far.look'] });
    far.respond = respond;
    t.is(await learned(scene, workerId), 'error The tool failed. Whether it had an effect is not known.');
    far.respond = null;
    t.is(await learned(scene, workerId), 'result "seen"');
    t.is(far.calls.length, 2, 'the call is not made again');
  });

test('a call ends as usual if its server resumes the stream that was cut', async (t) => {
  const { far, scene } = await open(t);
  const workerId = await scene.create({}, { tools: ['far.look'] });
  let call = 0;
  far.respond = (id, response) => {
    call = id;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('id: first\nretry: 10\ndata:\n\n', () => response.destroy());
  };
  let resumes = 0;
  far.resume = (lastEventId, response) => {
    t.is(lastEventId, 'first');
    resumes += 1;
    if (resumes === 1) {
      response.destroy();
      return;
    }
    const answer = { jsonrpc: '2.0', id: call, result: textResult('late') };
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(`data: ${JSON.stringify(answer)}\n\n`);
  };
  t.is(await learned(scene, workerId), 'result "late"');
  t.is(far.calls.length, 1);
});

test('the exit of a program during a call is noticed at once, also if a child of it lives on', async (t) => {
  const record = join(await folder(t), 'record');
  const program = await bundled('mcp-process');
  const near = {
    command: process.execPath,
    args: [program, record],
    permission: 'allow' as const,
  };
  const scene = await ModelScene.open(t, { toolMs: TOOL_MS, connectMs: 60_000, mcpServers: { near } });
  callTools(scene);
  const workerId = await scene.create({}, { tools: ['near.die-beside-child', 'near.echo'] });
  t.is(
    await learned(scene, workerId, 'near_die-beside-child'),
    'error The tool failed. Whether it had an effect is not known.',
  );
  t.is(await learned(scene, workerId, 'near_echo'), 'result "x"');
});

/** True if a process runs. One that has ended may still be in the table, until its parent has noticed it. */
const isRunning = (pid: string): boolean =>
  /^[^Z]/.test(spawnSync('ps', ['-o', 'stat=', '-p', pid]).stdout.toString().trim());

/** The time between two looks at a process, and the latest time at which it may be there: it has four seconds to end by itself. */
const POLL_MS = 50;
const LATEST_END_MS = 30_000;

const SERVER = '"$0" "$2" "$3"';
/** Each starts another process in a shell, as `npx` does, and then has a server or none. */
const SHELLS: Readonly<Record<string, readonly [script: string, end: 'stop' | 'die']>> = {
  'the runtime stops': [SERVER, 'stop'],
  'the program exits during a call': [SERVER, 'die'],
  'the runtime stops while the server never answers, and ignores SIGTERM': ['wait', 'stop'],
};

for (const [title, [script, end]] of Object.entries(SHELLS))
  test(`P100: a tool server ends with all processes that it started: ${title}`, async (t) => {
    const path = await folder(t);
    const [started, record] = [join(path, 'started'), join(path, 'record')];
    const hasServer = script === SERVER;
    const program = await bundled('mcp-process');
    const near = {
      command: 'sh',
      args: [
        '-c',
        `${hasServer ? '' : 'trap "" TERM;'} sleep 600 & echo $! > "$1.new"; mv "$1.new" "$1"; ${script}; true`,
        process.execPath,
        started,
        program,
        record,
      ],
      permission: 'allow' as const,
    };
    const scene = await ModelScene.open(t, { toolMs: TOOL_MS, connectMs: 60_000, mcpServers: { near } });
    callTools(scene);
    const workerId = hasServer ? await scene.create({}, { tools: ['near.die', 'near.echo'] }) : null;
    while (!existsSync(started)) await new Promise((resolve) => setImmediate(resolve));
    const pid = readFileSync(started, 'utf8').trim();
    t.true(isRunning(pid));
    if (workerId !== null && end === 'die') await learned(scene, workerId, 'near_die');
    else await scene.runtime.stop();
    const until = performance.now() + LATEST_END_MS;
    while (isRunning(pid) && performance.now() < until)
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    const isLeft = isRunning(pid);
    if (isLeft) process.kill(Number(pid), 'SIGKILL');
    t.false(isLeft);
  });

/** A server that ignores the end of its input and SIGTERM, beside a process that it has started. Writes the ids of both. */
const stubborn = (file: string): string =>
  `trap "" TERM; sleep 600 & echo "$$ $!" > ${file}.new; mv ${file}.new ${file}; while :; do sleep 1; done`;

const pidsIn = async (file: string): Promise<readonly string[]> => {
  while (!existsSync(file)) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  return readFileSync(file, 'utf8').trim().split(' ');
};

(existsSync('/proc/self/environ') ? test : test.skip)(
  'P100: tool servers of a runtime that was killed are ended before those of its next start begin',
  async (t) => {
    const path = await folder(t);
    const [left, beside, fresh] = ['left', 'beside', 'fresh'].map((name) => join(path, name)) as [
      string,
      string,
      string,
    ];
    const started: string[] = [];
    t.teardown(() => {
      for (const pid of started.filter(isRunning)) process.kill(Number(pid), 'SIGKILL');
    });
    const program = fileURLToPath(new URL('../runtime-process.ts', import.meta.url));
    const start = async (runtimeId: string, file: string) => {
      const args = [
        '--import=tsx',
        '--conditions=@worker-runtime/source',
        program,
        runtimeId,
        stubborn(file),
      ];
      const runtime = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      t.teardown(() => runtime.kill('SIGKILL'));
      await once(runtime.stdout, 'data');
      const pids = await pidsIn(file);
      started.push(...pids);
      return { runtime, pids };
    };
    const runtimeId = `runtime_${process.pid}_${Date.now()}`;
    const killed = await start(runtimeId, left);
    const neighbour = await start(`${runtimeId}_2`, beside);
    killed.runtime.kill('SIGKILL');
    await once(killed.runtime, 'exit');
    t.true(killed.pids.every(isRunning), 'the server and the process that it started outlive the runtime');
    const mcpServers = { near: { command: 'sh', args: ['-c', stubborn(fresh)] } };
    const scene = await ModelScene.open(t, { store: namedStore(runtimeId), mcpServers });
    started.push(...(await pidsIn(fresh)));
    t.deepEqual(killed.pids.filter(isRunning), []);
    t.true(scene.logged.some((line) => line.startsWith('Tool servers of an earlier process')));
    t.true(neighbour.pids.every(isRunning), 'servers of a runtime that lives are left alone');
  },
);

test('functions and tool servers learn the Worker and the run that call them', async (t) => {
  const seen: unknown[] = [];
  const who = tool({
    inputSchema: z.object({}),
    needsApproval: async (_input, { experimental_context: by }) => {
      seen.push(by);
      return false;
    },
    execute: async (_input, { experimental_context: by }) => (by as ToolCaller).workerId,
  });
  const { far, scene } = await open(t, { tools: { who } });
  const { runtimeId } = await scene.runtime.summary();
  for (const workerId of ['ada', 'bob']) {
    await scene.create({}, { workerId, labels: { customer: workerId }, tools: ['who', 'far.look'] });
    t.is(await learned(scene, workerId, 'who'), `result "${workerId}"`);
    await learned(scene, workerId);
  }
  const runs = await Promise.all(
    ['ada', 'bob'].map(async (workerId) =>
      (await scene.log(workerId)).flatMap(({ type, run }) => (type === 'run.started' ? [run] : [])),
    ),
  );
  t.deepEqual(seen, [
    { runtimeId, workerId: 'ada', runId: runs[0]?.[0], labels: { customer: 'ada' } },
    { runtimeId, workerId: 'bob', runId: runs[1]?.[0], labels: { customer: 'bob' } },
  ]);
  t.deepEqual(
    far.calls.map(({ _meta }) => _meta),
    ['ada', 'bob'].map((workerId, index) => ({
      'worker-runtime/caller': { runtimeId, workerId, runId: runs[index]?.[1] },
    })),
  );
});
