import { engine, Runtime } from '@worker-runtime/core';
import { migrate, postgresStore } from '@worker-runtime/plugin-postgres-store';
import { PostgresServer, WITHOUT_POSTGRES } from '@worker-runtime/test-environment/postgres-server';
import { Client } from 'pg';
import { type Bench, median, milliseconds, perSecond } from './measurement.ts';
import { once } from './once.ts';
import { JOB, startTalkers, WORKERS } from './workload.ts';

/*
 * Measures the store in PostgreSQL. The floor of commits is PostgreSQL alone: a table with a primary key, a prepared insert, and a
 * transaction for each commit, on 64 connections.
 */

const CONNECTIONS = 64;
const MANY = 1_000;
const JOBS = 100;
const JOBS_OF_MANY = 10;
const SERIAL_JOBS = 300;
const FEW_RESTING = 10_000;
const MANY_RESTING = 100_000;

const server = once(async () => {
  const started = await PostgresServer.start([
    'max_connections=200',
    'shared_buffers=512MB',
    'max_wal_size=8GB',
  ]);
  await migrate({ url: started.url() });
  await started.query('create table raw (worker int, seq bigint, lines bytea, primary key (worker, seq))');
  return started;
});

let names = 0;

/** The options of a store for a new Runtime. */
const freshStore = async () => {
  names += 1;
  return { url: (await server()).url(), runtime: `bench-${names}` };
};

/** Inserts the commits of jobs as rows, on some connections. Each Worker waits for each of its commits. */
class RawInserts {
  readonly #clients: readonly Client[];
  readonly #free: Client[];
  readonly #waiting: ((client: Client) => void)[] = [];
  #seq = 0;

  private constructor(clients: readonly Client[]) {
    this.#clients = clients;
    this.#free = [...clients];
  }

  static async on(connections: number): Promise<RawInserts> {
    const postgres = await server();
    await postgres.query('truncate raw');
    const clients = Array.from(
      { length: connections },
      () => new Client({ connectionString: postgres.url() }),
    );
    await Promise.all(clients.map((client) => client.connect()));
    return new RawInserts(clients);
  }

  async job(worker: number): Promise<void> {
    for (const lines of JOB) {
      const client =
        this.#free.pop() ?? (await new Promise<Client>((resolve) => this.#waiting.push(resolve)));
      this.#seq += 1;
      await client.query({
        name: 'insert',
        text: 'insert into raw values ($1, $2, $3)',
        values: [worker, this.#seq, lines],
      });
      const next = this.#waiting.shift();
      if (next) next(client);
      else this.#free.push(client);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.end()));
  }
}

/** Lets a number of Workers do a number of jobs each, one after the other. Returns the jobs in a second. */
const jobsPerSecond = (
  workers: number,
  jobs: number,
  job: (worker: number) => Promise<void>,
): Promise<number> =>
  perSecond(workers * jobs, async () => {
    await Promise.all(
      Array.from({ length: workers }, async (_, worker) => {
        for (let at = 0; at < jobs; at++) await job(worker);
      }),
    );
  });

/** Starts a runtime with a store in PostgreSQL and a number of Workers, and lets `measure` send jobs to them. */
const withTalkers = async <T>(
  workers: number,
  measure: (job: (worker: number) => Promise<void>) => Promise<T>,
): Promise<T> => {
  const { runtime, job } = await startTalkers(1, postgresStore(await freshStore()));
  // there are 64 already
  for (let at = WORKERS; at < workers; at += 1)
    await runtime.createWorker({ engine: 'talker', workerId: `worker-${at}` });
  try {
    return await measure((worker) => job(`worker-${worker}`));
  } finally {
    await runtime.stop();
  }
};

const durableOf = (id: string, workers: number, jobs: number, goal: number): Bench => ({
  id,
  what: `durable jobs of ${workers.toLocaleString('en')} Workers, PostgreSQL store, vs three commits of the same bytes per job to PostgreSQL on ${CONNECTIONS} connections`,
  unit: 'jobs/s',
  better: 'more',
  goal,
  floor: async () => {
    const raw = await RawInserts.on(CONNECTIONS);
    const rate = await jobsPerSecond(workers, jobs, (worker) => raw.job(worker));
    await raw.close();
    return rate;
  },
  figure: () => withTalkers(workers, (job) => jobsPerSecond(workers, jobs, job)),
});

const medianOf = async (job: (worker: number) => Promise<void>): Promise<number> => {
  const times: number[] = [];
  for (let at = 0; at < SERIAL_JOBS; at++) times.push(await milliseconds(() => job(0)));
  return median(times);
};

const alone: Bench = {
  id: 'D3',
  what: 'median time of durable jobs one at a time, PostgreSQL store, vs three commits per job on one connection',
  unit: 'ms',
  better: 'less',
  goal: 1.5,
  floor: async () => {
    const raw = await RawInserts.on(1);
    const time = await medianOf((worker) => raw.job(worker));
    await raw.close();
    return time;
  },
  figure: () => withTalkers(1, medianOf),
};

const resting = engine('resting', async function* () {});

/** Returns a store with Workers that have done nothing yet, made once. */
const withResting = (workers: number) =>
  once(async () => {
    const options = await freshStore();
    const runtime = await Runtime.start({ plugins: [postgresStore(options)], engines: [resting] });
    for (let at = 0; at < workers; at += MANY)
      await Promise.all(
        Array.from({ length: MANY }, (_, of) =>
          runtime.createWorker({ engine: 'resting', workerId: `worker-${at + of}` }),
        ),
      );
    await runtime.stop();
    return options;
  });
const few = withResting(FEW_RESTING);
const many = withResting(MANY_RESTING);

const openingTime = async (options: { readonly url: string; readonly runtime: string }): Promise<number> => {
  const runtime = new Runtime({ plugins: [postgresStore(options)], engines: [resting] });
  const time = await milliseconds(() => runtime.start());
  await runtime.stop();
  return time;
};

const opening: Bench = {
  id: 'D4',
  what: `opening a PostgreSQL store with ${MANY_RESTING.toLocaleString('en')} idle Workers, vs one with ${FEW_RESTING.toLocaleString('en')}`,
  unit: 'ms',
  better: 'less',
  goal: 11,
  pairs: 5,
  floor: async () => openingTime(await few()),
  figure: async () => openingTime(await many()),
};

/** The benchmarks of the store in PostgreSQL; none without a server. */
export const postgresBenches: readonly Bench[] =
  WITHOUT_POSTGRES === null
    ? [durableOf('D1', WORKERS, JOBS, 2), durableOf('D2', MANY, JOBS_OF_MANY, 2.5), alone, opening]
    : [];

/** Ends the server, if a benchmark has started it. */
export const endPostgres = async (): Promise<void> => {
  if (server.isMade) await (await server()).dispose();
};
