/** Kills a server at the commits of a run that calls tools and asks for permission. */
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { OpenRequest, TranscriptItem, WorkerEvent } from '@worker-runtime/core';
import { bundled } from '@worker-runtime/test-environment/bundled';
import { FakeModelServer } from '@worker-runtime/test-environment/fake-model-server';
import type { ExecutionContext } from 'ava';
import { makePlace, request, type Served, serve } from './program.ts';

const UNKNOWN = /Whether it had an effect is not known/;

/**
 * A plugin that records the last event of each commit, as `<worker>:<seq>`. If the file of the commits to kill at has such a
 * line, it kills its process with SIGKILL at that moment: the store has the commit, and no client knows of it.
 */
const KILLER = `
  import { appendFileSync, readFileSync } from 'node:fs';
  export const plugin = ({ commits, at }) => ({
    name: 'killer',
    apply: (host) => host.hooks.committed.tap(({ workerId, events }) => {
      const line = workerId + ':' + events.at(-1).seq;
      appendFileSync(commits, line + '\\n');
      if (readFileSync(at, 'utf8').split('\\n').includes(line)) process.kill(process.pid, 'SIGKILL');
    }),
  });`;

const linesOf = (path: string): readonly string[] =>
  existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];

/** Starts a model server, and a runtime with two tool servers that can start again over its files. */
const scenery = async (t: ExecutionContext) => {
  const place = await makePlace(t);
  const model = await FakeModelServer.open();
  t.teardown(() => model.close());
  const at = (name: string): string => join(place, name);
  const command = process.execPath;
  const args = [await bundled('mcp-process'), at('tools')];
  await writeFile(at('killer.js'), KILLER);
  await writeFile(at('kill-at'), '');
  await writeFile(at('package.json'), '{"type":"module"}');
  const config = {
    plugin: ['fs-store', 'http', 'ai-sdk', './killer.js'],
    'fs-store': { dir: at('store') },
    killer: { commits: at('commits'), at: at('kill-at') },
    'ai-sdk': {
      providers: { fake: { type: 'openai-compatible', baseUrl: model.url } },
      mcpServers: { free: { command, args, permission: 'allow' }, asked: { command, args } },
      connectMs: 60_000,
    },
  };
  await writeFile(at('worker-runtime.config.json'), JSON.stringify(config));
  return {
    model,
    start: (): Promise<Served> => serve(t, place, []),
    killAt: (commit: string): Promise<void> => writeFile(at('kill-at'), commit),
    commits: () => linesOf(at('commits')),
    effects: () => linesOf(at('tools')),
  };
};

/** A model whose steps follow from the results that it gets: one call, one that asks, and both kinds at once. */
const scripted: FakeModelServer['answer'] = ({ lines }) => {
  const worker = /^user: (\S+)/.exec(lines[0] ?? '')?.[1] ?? '';
  const call = (tool: string, letter: string) => ({ call: tool, input: { text: `${worker}-${letter}` } });
  const results = lines.filter((line) => line.startsWith('tool ')).length;
  if (worker.startsWith('hang')) return results === 0 ? [call('free_hang', 'a')] : [{ text: 'Done.' }];
  if (results === 0) return [{ text: 'First.' }, call('free_echo', 'a')];
  if (results === 1) return [call('asked_echo', 'b')];
  if (results === 2) return [{ text: 'Last.' }, call('free_echo', 'c'), call('asked_echo', 'd')];
  return [{ text: 'Done.' }];
};

const eventsOf = async (url: string, worker: string): Promise<readonly WorkerEvent[]> =>
  (await request<{ items: WorkerEvent[] }>(url, 'GET', `/workers/${worker}/events?after=start&limit=1000`))
    .body.items;

/** Sends the input of a Worker, which has the same idempotency key each time. */
const send = async (url: string, worker: string): Promise<void> => {
  await request(url, 'POST', `/workers/${worker}/inputs`, { text: worker }, { 'idempotency-key': worker });
};

/** Grants the open requests of a Worker until its run has ended. Returns the ids of those whose answer was acknowledged. */
const work = async (url: string, worker: string, granted: Set<string>): Promise<void> => {
  while (!(await eventsOf(url, worker)).some(({ type }) => type === 'run.finished')) {
    const { body } = await request<{ items: OpenRequest[] }>(url, 'GET', `/workers/${worker}/requests`);
    for (const { requestId } of body.items) {
      const path = `/workers/${worker}/requests/${requestId}/response`;
      if ((await request(url, 'POST', path, { decision: 'allow' })).status === 200) granted.add(requestId);
    }
  }
};

const create = async (t: ExecutionContext, url: string, workerId: string): Promise<void> => {
  const { status, body } = await request(url, 'POST', '/workers', {
    workerId,
    engine: 'ai-sdk',
    config: { provider: 'fake', model: 'm' },
    tools: ['free.echo', 'free.hang', 'asked.echo'],
    whenInterrupted: 'continue',
  });
  t.is(status, 201, JSON.stringify(body));
};

/** The conversation of a Worker, with the results of calls by their letters. */
const linesIn = async (url: string, worker: string): Promise<readonly string[]> => {
  const path = `/workers/${worker}/transcript?after=start&limit=1000`;
  const { items } = (await request<{ items: TranscriptItem[] }>(url, 'GET', path)).body;
  const calls = new Map<string, string>();
  return items.flatMap(({ role, parts }) =>
    parts.map((part) => {
      if (part.type === 'tool-call') {
        calls.set(part.call, JSON.stringify(part.input).replace(`${worker}-`, ''));
        return `call ${part.name} ${calls.get(part.call)}`;
      }
      if (part.type === 'tool-result') {
        const outcome = UNKNOWN.test(part.error ?? '') ? 'unknown' : (part.error ?? 'done');
        return `result of ${calls.get(part.call)}: ${outcome}`;
      }
      return part.type === 'text' ? `${role}: ${part.text.replace(worker, 'go')}` : part.type;
    }),
  );
};

/** Separates the results, whose order may differ if calls are made at the same time, and takes unknown ones for done. */
const withoutOrder = (spoken: readonly string[]): readonly (readonly string[])[] => {
  const isResult = (line: string): boolean => line.startsWith('result of ');
  const results = spoken.filter(isResult).map((line) => line.replace(/unknown$/, 'done'));
  return [spoken.filter((line) => !isResult(line)), results.sort()];
};

const letterIn = (line: string): string => /"text":"(.)"/.exec(line)?.[1] ?? '';

/** Chooses commits evenly, the first one and the last one included. */
const chosen = (commits: readonly number[], count: number): readonly number[] =>
  count >= commits.length
    ? commits
    : Array.from({ length: count }, (_, at) =>
        Number(commits[Math.round((at * (commits.length - 1)) / (count - 1))]),
      );

/** Kills a server at `kills` commits of runs, or at each one if there are fewer. Asserts that each run ends as without the kill. */
export const assertKilledRunsEndOnce = async (t: ExecutionContext, kills: number): Promise<void> => {
  t.timeout(120_000 + kills * 30_000);
  const { model, start, killAt, commits, effects } = await scenery(t);
  model.answer = scripted;
  let served = await start();
  await create(t, served.url, 'whole');
  await send(served.url, 'whole');
  await work(served.url, 'whole', new Set());
  const whole = await linesIn(served.url, 'whole');
  t.is(whole.at(-1), 'assistant: Done.');
  const requests = (await eventsOf(served.url, 'whole')).filter(
    ({ type }) => type === 'request.opened',
  ).length;
  t.is(requests, 2);
  const first = (await eventsOf(served.url, 'whole')).find(({ type }) => type === 'input.accepted')?.seq ?? 0;
  const seqs = commits()
    .filter((line) => line.startsWith('whole:'))
    .map((line) => Number(line.slice('whole:'.length)))
    .filter((seq) => seq >= first);
  t.true(seqs.length > 12, `${seqs.length} commits`);

  for (const seq of chosen(seqs, kills)) {
    const worker = `at-${seq}`;
    const granted = new Set<string>();
    const { url, program } = served;
    await create(t, url, worker);
    await killAt(`${worker}:${seq}`);
    // The last requests get no answer, because the server dies.
    await send(url, worker)
      .then(() => work(url, worker, granted))
      .catch(() => {});
    t.is((await program.ended).signal, 'SIGKILL', worker);
    served = await start();
    await send(served.url, worker);
    await work(served.url, worker, granted);

    const log = await eventsOf(served.url, worker);
    const of = (type: WorkerEvent['type']) => log.filter((event) => event.type === type);
    t.deepEqual(
      log.map((event) => event.seq),
      log.map((_, at) => at + 1),
    );
    t.deepEqual(
      log.flatMap(({ type, data }) => (type === 'run.finished' ? [data.outcome] : [])),
      ['completed'],
      worker,
    );
    t.is(of('input.accepted').length, 1, worker);
    t.is(of('request.opened').length, 2, worker);
    const answers = log.flatMap(({ type, data }) => (type === 'request.resolved' ? [data] : []));
    t.deepEqual(
      answers.map(({ decision }) => decision),
      ['allow', 'allow'],
    );
    for (const requestId of granted) t.true(answers.some((answer) => answer.request === requestId));
    const spoken = await linesIn(served.url, worker);
    t.deepEqual(withoutOrder(spoken), withoutOrder(whole), worker);
    const unknown = spoken.filter((line) => line.endsWith('unknown')).map(letterIn);
    t.true(unknown.length <= 2, `${worker}: only the calls of the step that was interrupted`);
    for (const letter of 'abcd') {
      const made = effects().filter((line) => line === `echo ${worker}-${letter}`).length;
      if (unknown.includes(letter)) t.true(made <= 1, `${worker}: ${letter} was made ${made} times`);
      else t.is(made, 1, `${worker}: ${letter}`);
    }
  }
  for (const { lines } of model.requests) {
    const results = new Set(lines.flatMap((line) => /^tool (\S+):/.exec(line)?.[1] ?? []));
    for (const line of lines) {
      const call = /^assistant calls (\S+) /.exec(line)?.[1];
      t.true(call === undefined || results.has(call), 'the model never gets a call without a result');
    }
  }
};

/** Kills a server while a run calls a tool. Asserts that the call is not made again. */
export const assertCallIsNotRepeated = async (t: ExecutionContext): Promise<void> => {
  t.timeout(120_000);
  const { model, start, effects } = await scenery(t);
  model.answer = scripted;
  const { url, program } = await start();
  await create(t, url, 'hang');
  await send(url, 'hang');
  while (!effects().includes('hang')) await eventsOf(url, 'hang');
  program.kill('SIGKILL');
  await program.ended;
  const again = await start();
  await work(again.url, 'hang', new Set());
  t.deepEqual(await linesIn(again.url, 'hang'), [
    'user: go',
    'call free.hang {"text":"a"}',
    'result of {"text":"a"}: unknown',
    'assistant: Done.',
  ]);
  t.deepEqual(effects(), ['hang']);
};
