import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Backend } from '@worker-runtime/backend';
import { Runtime } from '@worker-runtime/core';
import { fsStore } from '@worker-runtime/plugin-fs-store';
import { http } from '@worker-runtime/plugin-http';
import { benchEngines } from './engines.ts';
import { get, inputOf, load, workerIds } from './http.ts';
import type { Bench } from './measurement.ts';
import { inScratch } from './scratch.ts';
import { TEXT } from './workload.ts';

const CONNECTIONS = 16;
const PAGES = 8_000;
const INPUTS = 6_000;

interface Place {
  readonly runtime: Runtime;
  readonly url: string;
  /** The token of the requests; null sends none. */
  readonly token: string | null;
}

/** Runs plugin-http alone until `use` has resolved. */
const alone = <T>(use: (place: Place) => Promise<T>): Promise<T> =>
  inScratch(async (dir) => {
    const web = http({ port: 0 });
    const runtime = await Runtime.start({ plugins: [fsStore({ dir }), web, benchEngines] });
    try {
      return await use({ runtime, url: web.url, token: null });
    } finally {
      await runtime.stop({ deadlineMs: 1_000 });
    }
  });

/** Runs a backend with one workspace until `use` has resolved. */
const throughBackend = <T>(use: (place: Place) => Promise<T>): Promise<T> =>
  inScratch(async (dataDir) => {
    const backend = await Backend.start({
      listen: { port: 0 },
      dataDir,
      workspaces: { default: { plugins: [benchEngines] } },
    });
    try {
      const { token } = JSON.parse(await readFile(join(dataDir, 'backend', 'local.json'), 'utf8')) as {
        readonly token: string;
      };
      return await use({ runtime: backend.runtime(), url: backend.url, token });
    } finally {
      await backend.stop();
    }
  });

/** Returns the requests that a measurement sends per second. */
const rateOf = async ({ url, token }: Place, requests: readonly string[], total: number): Promise<number> => {
  const host = 'host: localhost\r\n';
  const sent = token === null ? host : `${host}authorization: Bearer ${token}\r\n`;
  const plan = { port: Number(new URL(url).port), status: 200, total };
  return (await load({ ...plan, requests: requests.map((one) => one.replace(host, sent)) })).perSecond;
};

const readPages = async (place: Place): Promise<number> => {
  await place.runtime.createWorker({ engine: 'chatty', workerId: 'ada' });
  await place.runtime.sendInput('ada', { text: TEXT }, { waitMs: 30_000 });
  const path = '/v1/runtimes/self/workers/ada/events?after=start&limit=100';
  return rateOf(
    place,
    Array.from({ length: CONNECTIONS }, () => get(path, 'application/x-ndjson')),
    PAGES,
  );
};

const sendInputs = async (place: Place): Promise<number> => {
  const ids = workerIds(CONNECTIONS);
  for (const workerId of ids) await place.runtime.createWorker({ engine: 'talker', workerId });
  return rateOf(
    place,
    ids.map((workerId) => inputOf(workerId)),
    INPUTS,
  );
};

/** Measures pages of an embedded runtime through a backend, which identifies the caller and applies the policy. */
export const pagesThroughBackend: Bench = {
  id: 'B20',
  what: `pages of 100 events of an embedded runtime through a backend, over ${CONNECTIONS} connections, vs plugin-http alone`,
  unit: 'pages/s',
  better: 'more',
  goal: 0.95,
  floor: () => alone(readPages),
  figure: () => throughBackend(readPages),
};

/** Measures inputs of an embedded runtime through a backend, which also writes a line of the audit log for each. */
export const inputsThroughBackend: Bench = {
  id: 'B20i',
  what: `durable inputs with their whole runs of an embedded runtime through a backend, over ${CONNECTIONS} connections, vs plugin-http alone`,
  unit: 'inputs/s',
  better: 'more',
  goal: 0.95,
  floor: () => alone(sendInputs),
  figure: () => throughBackend(sendInputs),
};
