import { get, load, withRuntime, withServer } from './http.ts';
import type { Bench } from './measurement.ts';

/*
 * Answers of a few hundred bytes from memory, where the work for each request of HTTP is nearly all of the work. The floor sends the same
 * bytes without any work.
 */

const CONNECTIONS = 16;
const REQUESTS = 16_000;
const LISTED = 10;

const rateOf = async (port: number, path: string): Promise<number> => {
  const requests = Array.from({ length: CONNECTIONS }, () => get(path, 'application/json'));
  return (await load({ port, requests, status: 200, total: REQUESTS })).perSecond;
};

const readsOf = (bench: Pick<Bench, 'id' | 'what' | 'goal'>, path: string): Bench => {
  // The first floor is only a warm-up, because there is no answer yet.
  let answer = '{}'.padEnd(1_000);
  return {
    ...bench,
    unit: 'answers/s',
    better: 'more',
    floor: () =>
      withServer(
        (_request, response) => {
          response.writeHead(200, {
            'content-type': 'application/json; charset=utf-8',
            'content-length': Buffer.byteLength(answer),
          });
          response.end(answer);
        },
        (port) => rateOf(port, path),
      ),
    figure: () =>
      withRuntime(async ({ runtime, port }) => {
        for (let at = 0; at < LISTED; at += 1)
          await runtime.createWorker({ engine: 'talker', workerId: `worker-${at}` });
        answer = await (await fetch(`http://127.0.0.1:${port}${path}`)).text();
        return rateOf(port, path);
      }),
  };
};

/** Measures reads of the runtime: its status, capabilities, limits and counts. */
export const readsOfRuntime: Bench = readsOf(
  {
    id: 'B15',
    what: `reads of a runtime over ${CONNECTIONS} HTTP connections, vs node:http alone with the same bytes`,
    goal: 0.43,
  },
  '/v1/runtimes/self',
);

/** Measures reads of the list of Workers. */
export const readsOfWorkers: Bench = readsOf(
  {
    id: 'B15l',
    what: `reads of a list of ${LISTED} Workers over ${CONNECTIONS} HTTP connections, vs node:http alone with the same bytes`,
    goal: 0.54,
  },
  '/v1/runtimes/self/workers',
);
