import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { engine, memoryStore, type RuntimePlugin } from '@worker-runtime/core';
import test from 'ava';
import { traceIdOf } from '../../src/logging/trace-context.ts';
import { Tally } from '../../src/metrics/tally.ts';
import { type Served, serve, serveAda } from '../served.ts';
import { SseClient } from '../sse-client.ts';

/** Returns the samples of a scrape: the value by name and labels. */
const scrape = async (served: Served): Promise<ReadonlyMap<string, number>> => {
  const { text } = await served.call('/metrics');
  const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    samples.map((line) => [
      line.slice(0, line.lastIndexOf(' ')),
      Number(line.slice(line.lastIndexOf(' ') + 1)),
    ]),
  );
};

test('requests, commits, diagnostics and the process are measured', async (t) => {
  const served = await serveAda(t);
  const { call, url } = served;
  await call('workers/ada/inputs', {
    method: 'POST',
    body: { text: 'say hi' },
    headers: { prefer: 'wait=20' },
  });
  await call('workers/ada/inputs', {
    method: 'POST',
    body: { text: 'fail' },
    headers: { prefer: 'wait=20' },
  });
  await call('workers/bob');
  await call('/nowhere');
  const stream = await SseClient.open(url('workers/ada/events'));
  await stream.next();

  const samples = await scrape(served);
  const is = (name: string, value: number) => t.is(samples.get(`worker_runtime_${name}`), value, name);
  const route = '/v1/runtimes/:r/workers/:w';
  is(`http_requests_total{method="POST",route="${route}/inputs",status="200"}`, 2);
  is(`http_requests_total{method="GET",route="${route}",status="404"}`, 1);
  is('http_requests_total{method="other",route="none",status="404"}', 1);
  is(`http_request_duration_seconds_count{method="POST",route="${route}/inputs"}`, 2);
  is('http_streams', 1);
  is('workers{runtime="self",status="idle"}', 1);
  is('workers{runtime="self",status="stopped"}', 0);
  is('store_healthy{runtime="self"}', 1);
  const { store } = await served.runtime.summary();
  is('stored_bytes{runtime="self",content="events"}', store.eventBytes);
  is('stored_bytes{runtime="self",content="files"}', 0);
  is('events_total{runtime="self",type="run.finished"}', 2);
  is('diagnostics_total{runtime="self",code="ENGINE_FAILED"}', 1);
  t.true((samples.get('worker_runtime_http_connections') ?? 0) >= 1);
  t.true((samples.get('worker_runtime_commits_total{runtime="self"}') ?? 0) >= 4);
  t.true((samples.get('process_resident_memory_bytes') ?? 0) > 1_000_000);
  t.true([...samples.keys()].some((name) => name.startsWith('nodejs_eventloop_lag')));
  stream.close();
});

const deployed = (name: string): string =>
  readFileSync(new URL(`../../../../deploy/${name}`, import.meta.url), 'utf8');

test('P73: runs, tokens, tool calls, requests and queues are measured as committed, and the files of deploy use no other names', async (t) => {
  const served = await serveAda(t);
  const { call, puppet } = served;
  const send = (text: string) =>
    call('workers/ada/inputs', { method: 'POST', body: { text }, headers: { prefer: 'wait=20' } });
  await send('say hi');
  await send('fail');
  await call('workers/nobody');
  const begun = call('workers/ada/inputs', { method: 'POST', body: { text: 'work' } });
  await puppet.say({ type: 'tool-call', call: 'c1', name: 'search', input: {} });
  await begun;
  await puppet.say({ type: 'usage', model: 'm', inputTokens: 7, outputTokens: 3, cacheReadTokens: 2 });
  await call('workers/ada/inputs', { method: 'POST', body: { text: 'say later', whenBusy: 'queue' } });
  const working = await scrape(served);
  const is = (samples: ReadonlyMap<string, number>, name: string, value: number) =>
    t.is(samples.get(`worker_runtime_${name}`), value, name);
  const of = 'runtime="self"';
  is(working, `runs_total{${of},engine="puppet",outcome="completed"}`, 1);
  is(working, `runs_total{${of},engine="puppet",outcome="failed"}`, 1);
  is(working, `runs_total{${of},engine="puppet",outcome="interrupted"}`, 0);
  is(working, `run_duration_seconds_count{${of},outcome="completed"}`, 1);
  is(working, `run_first_output_seconds_count{${of}}`, 2);
  is(working, `tokens_total{${of},model="m",kind="input"}`, 7);
  is(working, `tokens_total{${of},model="m",kind="cache_read"}`, 2);
  is(working, `tool_calls_open{${of}}`, 1);
  is(working, `inputs_queued{${of}}`, 1);
  is(working, 'http_refusals_total{code="WORKER_NOT_FOUND"}', 1);
  t.true((working.get(`worker_runtime_run_age_seconds{${of}}`) ?? 0) > 0);
  await puppet.say({ type: 'tool-result', call: 'c1', output: 'found' });
  await puppet.finish();
  await call('workers', {
    method: 'POST',
    body: { engine: 'puppet', workerId: 'bob', initialInput: { text: 'ask me' } },
  });
  let asking = await scrape(served);
  while (asking.get(`worker_runtime_requests_open{${of},kind="permission"}`) !== 1)
    asking = await scrape(served);
  is(asking, `tool_calls_total{${of},outcome="succeeded"}`, 1);
  is(asking, `tool_calls_open{${of}}`, 0);
  t.true((asking.get(`worker_runtime_request_age_seconds{${of}}`) ?? -1) >= 0);

  const { text } = await call('/metrics');
  t.notRegex(text, /"(ada|bob)"/);
  // these are of the file store, and of Prometheus itself
  const ofFileStore = [
    'store_groups_total',
    'store_group_seconds_total',
    'store_syncs_total',
    'store_sync_seconds_total',
  ];
  const known = [text, ...ofFileStore, 'store_bytes', 'store_unfiled_bytes'].join('\n');
  const used = deployed('prometheus-rules.yaml') + deployed('grafana-dashboard.json');
  for (const [name] of used.matchAll(/\bworker_runtime_\w+/g))
    t.true(known.includes(name.replace(/^worker_runtime_(?=store_)/, '')), name);
  const { error, stderr, stdout } = await new Promise<{ error: unknown; stderr: string; stdout: string }>(
    (resolve) => {
      const child = execFile('promtool', ['check', 'metrics'], (failure, out, err) =>
        resolve({ error: failure, stdout: out, stderr: err }),
      );
      child.stdin?.on('error', () => {}).end(text.endsWith('\n') ? text : `${text}\n`);
    },
  );
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
    t.log('skipped: promtool is not installed');
  else t.is(stdout + stderr, '');
});

test('P23: no client can create a series', async (t) => {
  const served = await serveAda(t);
  for (let at = 0; at < 20; at++) {
    await served.call(`workers/w${at}`);
    await served.call(`/path/${at}`);
    await served.call('workers/ada', { method: ['PUT', 'LINK', 'PROPFIND', 'POST'][at % 4] as string });
  }
  const names = [...(await scrape(served)).keys()].filter((name) => name.includes('requests_total'));
  t.true(names.length <= 4, names.join('\n'));
  const tally = new Tally(2);
  for (const name of ['a', 'b', 'c', 'a', 'd']) tally.add(name);
  const counts: [string, number][] = [];
  tally.report((count, name) => counts.push([name, count]));
  t.deepEqual(counts, [
    ['a', 2],
    ['b', 1],
    ['other', 2],
  ]);
});

test('the metrics of a store are measured', async (t) => {
  const store = Object.assign(memoryStore(), {
    metrics: () => [
      {
        name: 'store_doubts_total',
        help: 'Number of doubts',
        type: 'counter' as const,
        values: [
          { value: 2, labels: { outcome: 'happened' } },
          { value: 1, labels: { outcome: 'lost' } },
        ],
      },
      { name: 'store_owner', help: '1 for the owner', type: 'gauge' as const, values: [{ value: 1 }] },
    ],
  });
  const stored: RuntimePlugin = { name: 'stored', apply: (host) => host.useStore(store) };
  const samples = await scrape(await serve(t, { plugins: [stored] }));
  t.is(samples.get('worker_runtime_store_doubts_total{outcome="happened",runtime="self"}'), 2);
  t.is(samples.get('worker_runtime_store_doubts_total{outcome="lost",runtime="self"}'), 1);
  t.is(samples.get('worker_runtime_store_owner{runtime="self"}'), 1);
});

test('two runtimes in one process are measured separately', async (t) => {
  const silent: RuntimePlugin = {
    name: 'second-engine',
    apply: (host) => host.useEngine(engine('second', async function* () {})),
  };
  const first = await serveAda(t);
  const second = await serve(t, { plugins: [silent] });
  t.is((await scrape(first)).get('worker_runtime_workers{runtime="self",status="idle"}'), 1);
  t.is((await scrape(second)).get('worker_runtime_workers{runtime="self",status="idle"}'), 0);
});

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

test('a command is logged as info with its id, trace and duration; a read is logged as debug', async (t) => {
  const { call, log, logged } = await serveAda(t);
  const headers = { 'x-request-id': 'cmd-1', traceparent: `00-${TRACE}-00f067aa0ba902b7-01` };
  await call('workers/ada/cancel?', { method: 'POST', headers });
  await logged('answered');
  const line = log.find(({ message }) => message === 'answered');
  t.is(line?.level, 'info');
  const { durationMs, ...fields } = line?.fields ?? {};
  t.is(typeof durationMs, 'number');
  t.deepEqual(fields, {
    plugin: 'http',
    correlationId: 'cmd-1',
    from: '127.0.0.1',
    traceId: TRACE,
    method: 'POST',
    path: '/v1/runtimes/self/workers/ada/cancel',
    status: 200,
  });
  await call('workers/nobody?after=canary', { headers: { ...headers, 'x-request-id': 'read-1' } });
  await call('workers/ada', { headers: { 'x-request-id': 'read-2', traceparent: 'canary' } });
  await call('workers/ada', { method: 'HEAD' });
  const of = (id: string) => log.filter((entry) => entry.fields.correlationId === id);
  t.deepEqual(
    of('read-1').map(({ message, fields: found }) => [message, found.traceId]),
    [['refused', TRACE]],
  );
  t.deepEqual(
    of('read-2').map(({ level, message, fields: found }) => [level, message, 'traceId' in found]),
    [['debug', 'answered', false]],
  );
  t.notRegex(JSON.stringify(log), /canary/);
});

test('a trace id is taken from a valid traceparent only', (t) => {
  t.is(traceIdOf(`00-${TRACE}-00f067aa0ba902b7-01`), TRACE);
  t.is(traceIdOf(`cc-${TRACE}-00f067aa0ba902b7-01-what-comes-later`), TRACE);
  for (const none of [
    undefined,
    '',
    `ff-${TRACE}-00f067aa0ba902b7-01`,
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-00f067aa0ba902b7-01`,
    `00-${TRACE}-00f067aa0ba902b7-01x`,
    [`00-${TRACE}-00f067aa0ba902b7-01`, 'b'],
  ])
    t.is(traceIdOf(none), null);
});
