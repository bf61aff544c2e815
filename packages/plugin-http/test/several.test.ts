/** One server for several runtimes of the process. */
import {
  DEFAULT_LIMITS,
  Runtime,
  RuntimeError,
  type RuntimePlugin,
  silentLogger,
} from '@worker-runtime/core';
import type { ServedRuntime } from '@worker-runtime/core/plugin-kit';
import { Puppet } from '@worker-runtime/test-http/puppet';
import test, { type ExecutionContext } from 'ava';
import { TokenAccess } from '../src/access/access.ts';
import { type Directory, HttpServer } from '../src/index.ts';
import { SseClient } from './sse-client.ts';

/** The directory of a program that embeds several runtimes. */
class Several implements Directory {
  readonly status = 'running';
  readonly failure = null;
  readonly limits = null;
  readonly #runtimes: Readonly<Record<string, ServedRuntime>>;

  constructor(runtimes: Readonly<Record<string, ServedRuntime>>) {
    this.#runtimes = runtimes;
  }

  get(id: string): ServedRuntime {
    for (const runtime of Object.values(this.#runtimes))
      if (runtime.status !== 'new' && runtime.runtimeId === id) return runtime;
    const named = this.#runtimes[id];
    if (!named) throw new RuntimeError('RUNTIME_NOT_FOUND');
    return named;
  }

  async entries() {
    return Object.entries(this.#runtimes).map(([name, { status }]) => ({
      name,
      runtimeId: null,
      kind: 'embedded' as const,
      state: status === 'running' ? ('ok' as const) : ('starting' as const),
      since: new Date().toISOString(),
      error: null,
      summary: null,
    }));
  }
}

const scene = async (t: ExecutionContext, names: readonly string[]) => {
  const runtimes: Record<string, Runtime> = {};
  const server = new HttpServer(new Several(runtimes), { port: 0 }, silentLogger);
  for (const name of names) {
    const measured: RuntimePlugin = {
      name: 'measured',
      apply: ({ runtime, hooks }) => server.measure(name, runtime, hooks),
    };
    runtimes[name] = new Runtime({ plugins: [new Puppet().plugin(), measured] });
  }
  await server.listen(new TokenAccess([]));
  t.teardown(async () => {
    await server.close();
    for (const runtime of Object.values(runtimes)) await runtime.stop({ deadlineMs: 500 });
  });
  const call = async (path: string, init?: RequestInit) => {
    const response = await fetch(`${server.url}/v1/runtimes${path}`, init);
    return { status: response.status, body: JSON.parse((await response.text()) || 'null') };
  };
  return { runtimes, server, call };
};

test('two runtimes with Workers of the same id are distinct on every route', async (t) => {
  const { runtimes, server, call } = await scene(t, ['east', 'west']);
  for (const [name, runtime] of Object.entries(runtimes)) {
    await runtime.start();
    await runtime.createWorker({ engine: 'puppet', workerId: 'ada', displayName: name });
    await runtime.sendInput('ada', { text: `hello ${name}` }, { waitMs: 5_000 });
  }
  for (const [name, { runtimeId }] of Object.entries(runtimes)) {
    t.is((await call(`/${runtimeId}/workers/ada`)).body.displayName, name);
    t.deepEqual((await call(`/${name}/workers/ada`)).body.runtimeId, runtimeId);
    for (const part of ['events', 'transcript', 'overview', 'requests'])
      t.is((await call(`/${name}/workers/ada/${part}`)).status, 200);
    t.regex(JSON.stringify((await call(`/${name}/workers/ada/events`)).body), new RegExp(`hello ${name}`));
    const watched = await SseClient.open(`${server.url}/v1/runtimes/${name}/watch`);
    t.is((await watched.next()).data.displayName, name);
    watched.close();
  }
  t.is((await call('/west/workers/ada/stop', { method: 'POST' })).status, 200);
  t.is((await call('/west/workers/ada', { method: 'DELETE' })).status, 204);
  t.is((await call('/west/workers/ada')).body.code, 'WORKER_NOT_FOUND');
  t.is((await call('/east/workers/ada')).status, 200);
  for (const path of ['/north/workers/ada', '/self/workers/ada', '/north'])
    t.is((await call(path)).body.code, 'RUNTIME_NOT_FOUND', path);
});

test('a runtime that has not started refuses requests to itself only', async (t) => {
  const { runtimes, server, call } = await scene(t, ['east', 'west']);
  await runtimes.east?.start();
  t.is((await call('/west/workers')).body.code, 'RUNTIME_NOT_READY');
  t.is((await call('/east/workers')).status, 200);
  t.is((await fetch(`${server.url}/readyz`)).status, 200);
  t.deepEqual(
    (await call('')).body.items.map(({ name, state }: { name: string; state: string }) => [name, state]),
    [
      ['east', 'ok'],
      ['west', 'starting'],
    ],
  );
  const page = await call('?limit=1');
  t.is(page.body.next, 'n.east');
  t.is((await call('?after=n.east')).body.items[0].name, 'west');
});

test('the document of several runtimes names their limits instead of stating them', async (t) => {
  const { server } = await scene(t, ['east', 'west']);
  const document = await (await fetch(`${server.url}/openapi.json`)).text();
  t.notRegex(document, new RegExp(`at most ${DEFAULT_LIMITS.inputBytes} bytes`));
  t.regex(document, /at most `limits\.inputBytes` bytes/);
  t.notRegex(document, /"maximum":1000[,}]/);
});

test('the metrics have a series for each runtime', async (t) => {
  const { runtimes, server } = await scene(t, ['east', 'west']);
  await runtimes.east?.start();
  await runtimes.west?.start();
  await runtimes.west?.createWorker({ engine: 'puppet' });
  const text = await (await fetch(`${server.url}/metrics`)).text();
  t.regex(text, /worker_runtime_workers\{runtime="east",status="idle"\} 0/);
  t.regex(text, /worker_runtime_workers\{runtime="west",status="idle"\} 1/);
  t.regex(text, /worker_runtime_commits_total\{runtime="west"\} [1-9]/);
});
