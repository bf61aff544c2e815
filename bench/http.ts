import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { open, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Runtime } from '@worker-runtime/core';
import { fsStore } from '@worker-runtime/plugin-fs-store';
import { http } from '@worker-runtime/plugin-http';
import { benchEngines } from './engines.ts';
import type { Load, Loaded } from './http-client-process.ts';
import type { Bench } from './measurement.ts';
import { inScratch } from './scratch.ts';
import { TEXT } from './workload.ts';

const run = promisify(execFile);
const PROGRAM = new URL('http-client-process.ts', import.meta.url).pathname;

/** Sends requests from another process, so that they take no time of the server. */
export const load = async (plan: Load): Promise<Loaded> => {
  const { stdout } = await run(process.execPath, ['--import=tsx', PROGRAM, JSON.stringify(plan)]);
  return JSON.parse(stdout) as Loaded;
};

export const get = (path: string, accept: string): string =>
  `GET ${path} HTTP/1.1\r\nhost: localhost\r\naccept: ${accept}\r\n\r\n`;
const post = (path: string, body: string): string =>
  `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nprefer: wait=30\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
export const inputOf = (workerId: string, runtimeId = 'self'): string =>
  post(`/v1/runtimes/${runtimeId}/workers/${workerId}/inputs`, JSON.stringify({ text: TEXT }));
export const workerIds = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, at) => `worker-${at}`);

/** Runs a plain server until `use` has resolved. */
export const withServer = async <T>(
  listener: RequestListener,
  use: (port: number) => Promise<T>,
): Promise<T> => {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const used = await use((server.address() as AddressInfo).port);
  server.close();
  return used;
};

interface Served {
  readonly runtime: Runtime;
  readonly port: number;
}

/**
 * Runs a runtime with the file store, HTTP and the engines of the benchmarks until `use` has resolved.
 */
export const withRuntime = <T>(use: (served: Served) => Promise<T>): Promise<T> =>
  inScratch(async (dir) => {
    const web = http({ port: 0 });
    const runtime = await Runtime.start({ plugins: [fsStore({ dir }), web, benchEngines] });
    const used = await use({ runtime, port: Number(new URL(web.url).port) });
    await runtime.stop({ deadlineMs: 1_000 });
    return used;
  });

const PAGE = '/v1/runtimes/self/workers/ada/events?after=start&limit=100';
const PAGES = 8_000;
const READERS = Array.from({ length: 16 }, () => get(PAGE, 'application/x-ndjson'));
let page: Uint8Array | null = null;

/** Measures a page from the beginning of a log that is longer than the part that is kept in memory. */
export const pagesOverHttp: Bench = {
  id: 'B5',
  what: 'pages of 100 events over HTTP as NDJSON, vs node:http alone with one asynchronous read of the same bytes per page',
  unit: 'pages/s',
  better: 'more',
  goal: 0.7,
  floor: () =>
    inScratch(async (folder) => {
      // The first floor is only a warm-up, because there is no page yet.
      const bytes = page ?? Buffer.alloc(30_000, 'x');
      const path = join(folder, 'page');
      await writeFile(path, bytes);
      const file = await open(path, 'r');
      const { perSecond } = await withServer(
        (_request, response) => {
          void file.read(Buffer.allocUnsafe(bytes.length), 0, bytes.length, 0).then(({ buffer }) => {
            response.writeHead(200, {
              'content-type': 'application/x-ndjson',
              'content-length': bytes.length,
            });
            response.end(buffer);
          });
        },
        (port) => load({ port, requests: READERS, status: 200, total: PAGES }),
      );
      await file.close();
      return perSecond;
    }),
  figure: () =>
    withRuntime(async ({ runtime, port }) => {
      await runtime.createWorker({ engine: 'chatty', workerId: 'ada' });
      await runtime.sendInput('ada', { text: TEXT }, { waitMs: 60_000 });
      page = Buffer.from((await runtime.readEvents('ada', { limit: 100 })).lines);
      return (await load({ port, requests: READERS, status: 200, total: PAGES })).perSecond;
    }),
};

const CONNECTIONS = 64;
const INPUTS = 12_000;
let receipt = '{}'.padEnd(900);

/** Measures inputs, each of which is answered when its run has ended, after three durable commits. */
export const inputsOverHttp: Bench = {
  id: 'B8',
  what: `durable inputs with their whole runs over ${CONNECTIONS} HTTP connections, vs node:http alone with the same bodies and no work`,
  unit: 'inputs/s',
  better: 'more',
  goal: 0.2,
  floor: () =>
    withServer(
      (request, response) => {
        const pieces: Buffer[] = [];
        request.on('data', (piece: Buffer) => pieces.push(piece));
        request.on('end', () => {
          JSON.parse(Buffer.concat(pieces).toString());
          response.writeHead(200, {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(receipt),
          });
          response.end(receipt);
        });
      },
      async (port) => {
        const requests = workerIds(CONNECTIONS).map((workerId) => inputOf(workerId));
        return (await load({ port, requests, status: 200, total: INPUTS })).perSecond;
      },
    ),
  figure: () =>
    withRuntime(async ({ runtime, port }) => {
      const ids = workerIds(CONNECTIONS);
      for (const workerId of ids) await runtime.createWorker({ engine: 'talker', workerId });
      const { replayed: _, ...answer } = await runtime.sendInput(
        'worker-0',
        { text: TEXT },
        { waitMs: 10_000 },
      );
      receipt = JSON.stringify(answer);
      return (
        await load({ port, requests: ids.map((workerId) => inputOf(workerId)), status: 200, total: INPUTS })
      ).perSecond;
    }),
};

const RUNS = 300;

/** Returns the p95 duration of one Worker's runs, optionally while another Worker streams text as fast as it can. */
const besideFlood = (floods: boolean): Promise<number> =>
  withRuntime(async ({ runtime, port }) => {
    await runtime.createWorker({ engine: 'talker', workerId: 'quiet' });
    if (floods) {
      await runtime.createWorker({ engine: 'flooder', workerId: 'loud' });
      await runtime.sendInput('loud', { text: TEXT });
    }
    return (await load({ port, requests: [inputOf('quiet')], status: 200, total: RUNS })).p95Ms;
  });

/** Measures how much a Worker that floods delays another Worker. */
export const quietBesideFlood: Bench = {
  id: 'B12',
  what: 'p95 duration of one Worker’s runs over HTTP while another Worker streams text without pause, vs without the other Worker',
  unit: 'ms',
  better: 'less',
  goal: 1.3,
  floor: () => besideFlood(false),
  figure: () => besideFlood(true),
};
