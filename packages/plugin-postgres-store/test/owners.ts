import type { PostgresServer } from '@worker-runtime/test-environment/postgres-server';
import type { ExecutionContext } from 'ava';
import { OwnerProcess } from './owner-process.ts';

const LEASE_MS = 500;

/** Starts a process that writes to a Runtime in the database `owners`. */
export const startOwner = (server: PostgresServer, runtime: string): OwnerProcess => {
  const url = server.url({ user: 'worker', database: 'owners' });
  return new OwnerProcess({ url, runtime, leaseMs: LEASE_MS, checkpointMs: 100, answerMs: 20_000 });
};

/** Returns the state of the plugin that the processes write. */
const keptState = async (server: PostgresServer, runtime: string): Promise<string> => {
  const [[state] = []] = await server.query(
    `select convert_from(body, 'UTF8') from worker_runtime.plugin_states join worker_runtime.runtimes r on r.id = runtime
     where r.name = $1`,
    [runtime],
    'owners',
  );
  return String(state);
};

/** Checks that the tables hold every acknowledged line at its place, without a hole, one owner at a time, and its last state. */
export const checkTables = async (
  t: ExecutionContext,
  server: PostgresServer,
  runtime: string,
  processes: readonly OwnerProcess[],
): Promise<void> => {
  const acknowledged = processes.flatMap((one) => one.acknowledged);
  const ofRuntime = 'runtime = (select id from worker_runtime.runtimes where name = $1)';
  const query = (text: string) => server.query(text, [runtime], 'owners');
  const rows = await query(
    `select l.log, b.seq, b.count, convert_from(b.lines, 'UTF8') from worker_runtime.batches b
     join worker_runtime.logs l using (runtime, lid) where b.${ofRuntime} order by l.log, b.seq`,
  );
  const texts = new Map<string, string[]>();
  for (const [log, seq, count, lines] of rows as [string, string, number, string][]) {
    const known = texts.get(log) ?? [];
    t.is(Number(seq), known.length + 1, `${log} has no hole and no repetition`);
    t.is(count, 1);
    known.push((JSON.parse(lines) as { text: string }).text);
    texts.set(log, known);
  }
  for (const { log, seq, text } of acknowledged)
    if (texts.get(log)?.[seq - 1] !== text)
      t.fail(`${log} ${seq}: "${text}" was acknowledged and is not there`);
  t.true(acknowledged.length > 0);
  // The lines of one process are together: no process wrote after another one had.
  for (const [log, found] of texts) {
    const writers = found.map((text) => text.split('-')[0]);
    const changes = writers.filter((writer, index) => writer !== writers[index - 1]);
    t.is(changes.length, new Set(writers).size, `${log}: one owner after the other`);
  }
  const [[walls] = []] = await query(
    `select count(distinct writer) from worker_runtime.groups where ${ofRuntime}`,
  );
  t.is(Number(walls), processes.length, 'each owner opened once');
  const last = processes.at(-1);
  const state = await keptState(server, runtime);
  t.true(last?.hasKept(state, last.state), `${state}: the state that the last owner kept`);
};

/** Pauses `swaps` owners under load until others have taken over. Asserts that none of them writes anything afterwards. */
export const assertPausedOwnersAreFenced = async (
  t: ExecutionContext,
  server: PostgresServer,
  swaps: number,
): Promise<void> => {
  t.timeout(60_000 + swaps * 10_000);
  const processes: OwnerProcess[] = [];
  const add = (): OwnerProcess => {
    const made = startOwner(server, 'paused');
    processes.push(made);
    return made;
  };
  t.teardown(() => {
    for (const one of processes) one.signal('SIGKILL');
  });
  let owner = add();
  await owner.opened;
  for (let swap = 0; swap < swaps; swap += 1) {
    const next = add();
    await owner.acknowledges(100);
    owner.signal('SIGSTOP');
    await next.opened;
    await next.acknowledges(10);
    owner.signal('SIGCONT');
    t.is(await owner.ended, 3);
    t.is(owner.loss, 'STORE_LOST');
    const since = next.state;
    const state = await keptState(server, 'paused');
    t.true(next.hasKept(state, since), `${state}: no state of an owner that was taken over`);
    owner = next;
  }
  owner.signal('SIGKILL');
  await owner.ended;
  await checkTables(t, server, 'paused', processes);
};
