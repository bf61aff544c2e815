/** Kills a server in the middle of conversations with a model and with agent processes. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { OpenRequest, TranscriptItem, WorkerEvent, WorkerSummary } from '@worker-runtime/core';
import { bundled } from '@worker-runtime/test-environment/bundled';
import { FakeModelServer } from '@worker-runtime/test-environment/fake-model-server';
import test, { type ExecutionContext } from 'ava';
import { makePlace, request, type Served, serve } from './program.ts';

const KEY = 'sk-canary-of-the-model';

const linesOf = (path: string): readonly string[] =>
  existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];

/** Starts a model server, a tool server and an agent, and a runtime that uses them and can restart over its files. */
const scenery = async (t: ExecutionContext) => {
  t.timeout(120_000);
  const place = await makePlace(t);
  const model = await FakeModelServer.open();
  t.teardown(() => model.close());
  const at = (name: string): string => join(place, name);
  await mkdir(at('agent'));
  const toolServer = { command: process.execPath, args: [await bundled('mcp-process'), at('tools')] };
  const config = {
    plugin: ['fs-store', 'http', 'ai-sdk', 'acp'],
    'fs-store': { dir: at('store') },
    'ai-sdk': {
      providers: { fake: { type: 'openai-compatible', baseUrl: model.url, apiKeyEnv: 'MODEL_KEY' } },
      mcpServers: {
        free: { ...toolServer, permission: 'allow' },
        asked: toolServer,
      },
      connectMs: 60_000,
    },
    acp: {
      agents: {
        fake: { command: process.execPath, args: [await bundled('fake-agent'), at('agent')] },
      },
      startMs: 25_000,
    },
  };
  await writeFile(at('worker-runtime.config.json'), JSON.stringify(config));
  const start = (): Promise<Served> => serve(t, place, [], { MODEL_KEY: KEY, TMPDIR: place });
  const agentDid = (): readonly string[] =>
    linesOf(at('agent/record')).filter((line) => line.startsWith('did '));
  return { model, start, toolsDid: () => linesOf(at('tools')), agentDid };
};

const eventsOf = async (url: string, worker: string): Promise<readonly WorkerEvent[]> =>
  (await request<{ items: WorkerEvent[] }>(url, 'GET', `/workers/${worker}/events?after=start&limit=1000`))
    .body.items;

/** Waits until the log of a Worker contains a matching event. */
const until = async (url: string, worker: string, is: (event: WorkerEvent) => boolean): Promise<void> => {
  while (!(await eventsOf(url, worker)).some(is)) await new Promise((resolve) => setImmediate(resolve));
};

const say = async (url: string, worker: string, text: string): Promise<void> => {
  await request(url, 'POST', `/workers/${worker}/inputs`, { text });
};

const outcomesOf = async (url: string, worker: string): Promise<readonly string[]> =>
  (await eventsOf(url, worker)).flatMap(({ type, data }) => (type === 'run.finished' ? [data.outcome] : []));

/** Returns the tool calls in a model request that have no result. */
const dangling = (lines: readonly string[]): readonly string[] => {
  const results = new Set(lines.flatMap((line) => /^tool (\S+):/.exec(line)?.[1] ?? []));
  return lines
    .flatMap((line) => /^assistant calls (\S+) /.exec(line)?.[1] ?? [])
    .filter((call) => !results.has(call));
};

test('P7, P12: the server is killed during a run, a tool call and an open permission request, with both engines', async (t) => {
  const { model, start, toolsDid, agentDid } = await scenery(t);
  model.answer = ({ lines, last }) => {
    if (lines.at(-1)?.startsWith('tool ')) return [{ text: 'Done.' }];
    if (last === 'talk') return [{ text: 'Well, ' }, 'hang'];
    if (last === 'free') return [{ call: 'free_hang', input: { text: 'x' } }];
    if (last === 'asked') return [{ call: 'asked_echo', input: { text: 'x' } }];
    return [{ text: `You said: ${last}` }];
  };
  const first = await start();
  const create = async (body: object): Promise<void> => {
    const { status, body: answer } = await request(first.url, 'POST', '/workers', body);
    t.is(status, 201, JSON.stringify(answer));
  };
  const config = { provider: 'fake', model: 'm' };
  const tools = ['free.hang', 'asked.echo'];
  for (const workerId of ['model-talk', 'model-free', 'model-asked'])
    await create({ workerId, engine: 'ai-sdk', config, tools });
  for (const workerId of ['agent-talk', 'agent-free', 'agent-asked'])
    await create({ workerId, engine: 'acp', config: { agent: 'fake' } });
  for (const [worker, text] of [
    ['model-talk', 'talk'],
    ['model-free', 'free'],
    ['model-asked', 'asked'],
    ['agent-talk', 'long'],
    ['agent-free', 'tool hang'],
    ['agent-asked', 'ask rm'],
  ] as const)
    await say(first.url, worker, text);
  await until(first.url, 'model-talk', ({ type }) => type === 'step.started');
  await until(first.url, 'agent-talk', ({ type }) => type === 'run.started');
  await until(first.url, 'model-free', ({ type }) => type === 'tool.called');
  await until(first.url, 'agent-free', ({ type, data }) => type === 'tool.called' && data.title === 'hang');
  for (const worker of ['model-asked', 'agent-asked'])
    await until(first.url, worker, ({ type }) => type === 'request.opened');
  while (!toolsDid().includes('hang')) await new Promise((resolve) => setImmediate(resolve));
  while (!agentDid().includes('did hang')) await new Promise((resolve) => setImmediate(resolve));
  first.program.kill('SIGKILL');
  await first.program.ended;

  const { url } = await start();
  const { body } = await request<{ items: WorkerSummary[] }>(url, 'GET', '/workers');
  t.is(body.items.length, 6);
  for (const { workerId, status, execution } of body.items) {
    t.is(status, 'idle', workerId);
    t.false(execution.connected, workerId);
    t.deepEqual(await outcomesOf(url, workerId), ['interrupted'], workerId);
    t.deepEqual(
      (await request<{ items: OpenRequest[] }>(url, 'GET', `/workers/${workerId}/requests`)).body.items,
      [],
    );
  }
  for (const { workerId } of body.items) {
    await say(url, workerId, 'and now?');
    await until(url, workerId, ({ type, data }) => type === 'run.finished' && data.outcome === 'completed');
  }
  t.deepEqual(toolsDid(), ['hang'], 'no tool is called again, and no tool is called without permission');
  t.deepEqual(agentDid(), ['did hang']);
  for (const { lines } of model.requests) t.deepEqual(dangling(lines), []);
  const transcript = async (worker: string): Promise<string> =>
    JSON.stringify(
      (await request<{ items: TranscriptItem[] }>(url, 'GET', `/workers/${worker}/transcript`)).body,
    );
  t.regex(await transcript('model-talk'), /You said: and now\?/);
  t.regex(await transcript('agent-talk'), /and now\?/);

  // P19: no answer contains the key, or the paths and arguments of programs
  const answers = JSON.stringify(
    await Promise.all(
      body.items.flatMap(({ workerId }) => [
        eventsOf(url, workerId),
        request(url, 'GET', `/workers/${workerId}`),
        request(url, 'GET', ''),
        request(url, 'GET', '/diagnostics'),
      ]),
    ),
  );
  for (const secret of [KEY, 'MODEL_KEY', model.url, 'mcp-process', 'fake-agent', 'stderr-canary'])
    t.false(answers.includes(secret), secret);
});
