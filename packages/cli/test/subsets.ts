/** Composes and starts subsets of the plugins. */
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { request } from 'node:http';
import { basename, join } from 'node:path';
import { Runtime, RuntimeError } from '@worker-runtime/core';
import { migrate } from '@worker-runtime/plugin-postgres-store';
import { PostgresServer, WITHOUT_POSTGRES } from '@worker-runtime/test-environment/postgres-server';
import test, { type ExecutionContext } from 'ava';
import { compose, SHIPPED_PLUGINS } from '../src/compose.ts';
import { makePlace } from './program.ts';

/** The server for all subsets with `postgres-store`, each of which has a Runtime of its own there; null if there is none. */
const postgres = WITHOUT_POSTGRES === null ? await PostgresServer.start(['max_connections=600']) : null;
await postgres?.makeDatabase('subsets', migrate);
test.after.always(() => postgres?.dispose());

/**
 * Plugins that need nothing of other plugins. Each test tries its subset with none and with all of them, since twice as many tests
 * at once for each would starve each other.
 */
const INDEPENDENT = SHIPPED_PLUGINS.filter(
  (name) => name.startsWith('facade-') || ['otel', 'quota', 'webhooks'].includes(name),
);

/** Returns every subset of `names`, each in the given order. */
const subsetsOf = (names: readonly string[]): readonly (readonly string[])[] =>
  Array.from({ length: 2 ** names.length }, (_, mask) => names.filter((_, at) => mask & (1 << at)));

/** Returns the options that each plugin requires. */
const optionsOf = (place: string): Readonly<Record<string, Readonly<Record<string, unknown>>>> => ({
  'fs-store': { dir: join(place, 'store') },
  'postgres-store': {
    url: postgres?.url({ user: 'worker', database: 'subsets' }),
    runtime: basename(place),
    readers: 1,
    answerMs: 60_000,
  },
  http: { port: 0 },
  'legacy-pod': { command: 'false', dataDir: join(place, 'pods'), runtimeDir: join(place, 'sockets') },
  'ai-sdk': { providers: { local: { type: 'openai-compatible', baseUrl: 'http://127.0.0.1:9/v1' } } },
  acp: { agents: { any: { command: 'false' } } },
});

/** The engine that each plugin provides, by plugin name. The other plugins provide no engine. */
const ENGINES: Readonly<Record<string, string>> = {
  echo: 'echo',
  'legacy-pod': 'legacy-pod',
  'ai-sdk': 'ai-sdk',
  acp: 'acp',
};

/** Returns the status of the answer to an upgrade, which is 101 if the upgrade succeeded. */
const upgradeOf = async (url: string): Promise<number | undefined> => {
  const asked = request(`${url}/v1/runtimes/self/stream`, {
    headers: {
      connection: 'upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
      'sec-websocket-protocol': 'worker-runtime.v1',
    },
  }).end();
  const answer = await Promise.race([once(asked, 'response'), once(asked, 'upgrade')]);
  asked.destroy();
  return answer[0].statusCode;
};

const codeOf = async (attempt: Promise<unknown>): Promise<string> =>
  attempt.then(
    () => 'done',
    (error: unknown) => (error instanceof RuntimeError ? error.code : String(error)),
  );

const trySubset = async (t: ExecutionContext, names: readonly string[]): Promise<void> => {
  const place = await makePlace(t);
  for (const folder of ['pods', 'sockets']) await mkdir(join(place, folder), { mode: 0o700 });
  const known = optionsOf(place);
  const options = Object.fromEntries(names.map((name) => [name, known[name] ?? {}]));
  const plugins = await compose(
    names.map((name) => ({ name, from: place })),
    options,
  );
  const has = (name: string): boolean => names.includes(name);
  if (has('fs-store') && has('postgres-store')) {
    t.throws(() => new Runtime({ plugins }), { code: 'PLUGIN_CONFLICT' });
    return;
  }
  if (has('ws') && !has('http')) {
    // without http, no server listens for the sockets; `serve` adds http automatically
    t.throws(() => new Runtime({ plugins }), { code: 'PLUGIN_FAILED', message: /"ws" needs.*"http"/ });
    return;
  }
  const runtime = await Runtime.start({ plugins });
  try {
    const { store, engines, status } = await runtime.summary();
    t.is(status, 'running');
    const kind = ['fs-store', 'postgres-store'].find(has) ?? 'memory';
    t.deepEqual([store.kind, store.durable], [kind, kind !== 'memory']);
    t.deepEqual(
      engines.map(({ name }) => name).toSorted(),
      names.flatMap((name) => ENGINES[name] ?? []).toSorted(),
    );
    t.is(
      await codeOf(
        runtime.createWorker({ engine: 'echo', workerId: 'ada', initialInput: { text: 'hello' } }),
      ),
      has('echo') ? 'done' : 'ENGINE_UNKNOWN',
    );

    const listener = plugins.find(({ name }) => name === 'http');
    t.is(listener !== undefined, has('http'));
    if (listener === undefined) return;
    const { url } = listener as unknown as { readonly url: string };
    const statusOf = async (path: string): Promise<number> =>
      (await fetch(`${url}/v1/runtimes/self${path}`)).status;
    t.is(await statusOf('/workers/ada/events'), has('echo') ? 200 : 404);
    t.is(await statusOf('/x/legacy-pod'), has('legacy-pod') ? 200 : 404);
    t.is(await statusOf('/x/ui-stream/ada'), has('facade-ui-stream') && has('echo') ? 200 : 404);
    t.is(await statusOf('/x/a2a/ada'), has('facade-a2a') ? 405 : 404);
    t.is(await statusOf('/x/ag-ui/ada'), has('facade-ag-ui') ? 405 : 404);
    t.is(await statusOf('/x/mcp'), has('facade-mcp') ? 405 : 404);
    t.is(await statusOf('/x/openai/models'), has('facade-openai') ? 200 : 404);
    t.is(await upgradeOf(url), has('ws') ? 101 : 404);
  } finally {
    await runtime.stop();
  }
};

const PLUGINS = SHIPPED_PLUGINS.filter((name) => !INDEPENDENT.includes(name));

/**
 * True if a subset has at most two plugins, or lacks at most one besides the stores. Together these subsets have each pair of plugins with
 * each other, with neither, and with only one of the two.
 */
export const isSmallOrLarge = (names: readonly string[]): boolean =>
  names.length <= 2 ||
  PLUGINS.filter((name) => !name.endsWith('-store') && !names.includes(name)).length <= 1;

/** Declares a test of each subset that is chosen. `title` begins the titles. */
export const testSubsets = (title: string, isChosen: (names: readonly string[]) => boolean): void => {
  for (const names of subsetsOf(PLUGINS).filter(isChosen)) {
    const without = names.includes('postgres-store') ? WITHOUT_POSTGRES : null;
    const full = `${title}: ${names.join(', ') || 'none'}`;
    if (without === null)
      test(full, async (t) => {
        await trySubset(t, names);
        await trySubset(t, [...names, ...INDEPENDENT]);
      });
    else test.skip(`${full} (skipped: ${without})`, () => {});
  }
};
