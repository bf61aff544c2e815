import { fork } from 'node:child_process';
import { once as event } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Bench } from './measurement.ts';
import { once } from './once.ts';
import { postgresBenches } from './postgres.ts';
import type { Side } from './postgres-process.ts';

/** The space for new objects that docs/operating.md recommends for servers with many busy Workers. */
const NEW_SPACE_MIB = 64;

const started = once(async () => {
  const child = fork(fileURLToPath(new URL('postgres-process.ts', import.meta.url)), {
    execArgv: [`--max-semi-space-size=${NEW_SPACE_MIB}`, '--import', import.meta.resolve('tsx')],
  });
  const exited = event(child, 'exit');
  const failed = exited.then(([code]) => {
    throw new Error(`The process that measures ended by itself (${String(code)})`);
  });
  failed.catch(() => {});
  await Promise.race([event(child, 'spawn'), failed]);
  return { child, exited, failed };
});

const measured = async (side: Side): Promise<number> => {
  const { child, failed } = await started();
  child.send(side);
  const [value] = (await Promise.race([event(child, 'message'), failed])) as [number];
  return value;
};

/** The benchmarks of the store in PostgreSQL. Floors and figures are measured in one process, which runs Node as a server does. */
export const postgresServerBenches: readonly Bench[] = postgresBenches.map((bench) => ({
  ...bench,
  floor: () => measured({ id: bench.id, of: 'floor' }),
  figure: () => measured({ id: bench.id, of: 'figure' }),
}));

/** Ends the process, if a benchmark has started it. */
export const endPostgresServer = async (): Promise<void> => {
  if (!started.isMade) return;
  const { child, exited } = await started();
  child.disconnect();
  await exited;
};
