import { engine, inputText, Runtime, type RuntimePlugin } from '@worker-runtime/core';
import { fsStore } from '@worker-runtime/plugin-fs-store';
import { COST_GOAL, growth, LOG_COST_GOAL } from './growth.ts';
import { median, milliseconds, type Row } from './measurement.ts';
import { once } from './once.ts';
import { processFolder } from './scratch.ts';
import { TEXT } from './workload.ts';

/* Measures one Worker with a long history. No operation of people and programs may cost more when the history is longer. */

const EVENTS = 1_000_000;
/** The messages of a run in the history. With its input, start and end, a run has 100 events. */
const MESSAGES = 97;
const WORKER = 'ada';
const TIMES = 50;
const RESTARTS = 5;
const message = { type: 'message', parts: [{ type: 'text', text: TEXT }] } as const;

/** An engine that answers a number with as many messages. */
const counted: RuntimePlugin = {
  name: 'counted',
  apply: (host) =>
    host.useEngine(
      engine('counted', async function* (run) {
        yield Array.from({ length: Number(inputText(run.input)) }, () => message);
      }),
    ),
};

interface LongWorker {
  readonly dir: string;
  /** A run at the first tenth of the history. */
  readonly earlyRun: string;
}

const makeLongWorker = async (events: number): Promise<LongWorker> => {
  const dir = processFolder();
  const runtime = await Runtime.start({
    plugins: [fsStore({ dir, durability: { intervalMs: 1_000 } }), counted],
  });
  await runtime.createWorker({ engine: 'counted', workerId: WORKER });
  const runs = events / (MESSAGES + 3);
  let earlyRun = '';
  for (let at = 0; at < runs; at += 1) {
    const options = { idempotencyKey: `history-${at}`, waitMs: 60_000 };
    const { runId } = await runtime.sendInput(WORKER, { text: String(MESSAGES) }, options);
    if (at === runs / 10) earlyRun = runId;
  }
  await runtime.stop({ deadlineMs: 60_000 });
  return { dir, earlyRun };
};

const long = once(() => makeLongWorker(EVENTS));
const short = once(() => makeLongWorker(EVENTS / 10));

/** Starts a runtime, and returns it after the answer of the first input. */
const answering = async (dir: string): Promise<Runtime> => {
  const runtime = await Runtime.start({ plugins: [fsStore({ dir }), counted] });
  await runtime.sendInput(WORKER, { text: '1' }, { waitMs: 60_000 });
  return runtime;
};

/** Returns the median milliseconds of an action. */
const timeOf = async (act: (at: number) => Promise<unknown>): Promise<number> => {
  const times: number[] = [];
  for (let at = 0; at < TIMES; at += 1) times.push(await milliseconds(() => act(at)));
  return median(times);
};

const rowOf = (id: string, what: string, goal = COST_GOAL): Row => ({
  id,
  what: `${what} of a Worker with ${EVENTS.toLocaleString('en')} events, file store, vs with ${(EVENTS / 10).toLocaleString('en')}`,
  unit: 'ms',
  better: 'less',
  goal,
});

export const historyGrowth = growth(
  [
    rowOf('G2', 'restart to the answer of the first input'),
    rowOf('G2i', 'an input with its run'),
    rowOf('G2p', 'a page of 100 events in the middle, by the number of an event,'),
    rowOf('G2s', 'the first page of the transcript'),
    rowOf('G2e', 'the last page of the transcript'),
    rowOf('G2g', 'a run at the first tenth, by its id,', LOG_COST_GOAL),
    rowOf('G2o', 'the overview'),
  ],
  EVENTS,
  async (events) => {
    const { dir, earlyRun } = await (events === EVENTS ? long() : short());
    const restarts: number[] = [];
    for (let at = 0; at < RESTARTS; at += 1) {
      const start = performance.now();
      const restarted = await answering(dir);
      restarts.push(performance.now() - start);
      await restarted.stop();
    }
    const runtime = await answering(dir);
    const { lastSeq } = await runtime.getWorker(WORKER);
    // other events each time, so that they are read from the store
    const middle = (at: number): string => `@${Math.floor(lastSeq * (0.4 + 0.2 * ((at * 0.618_034) % 1)))}`;
    const values = {
      G2: median(restarts),
      G2i: await timeOf(() => runtime.sendInput(WORKER, { text: '1' }, { waitMs: 60_000 })),
      G2p: await timeOf((at) => runtime.events(WORKER, { after: middle(at), limit: 100 })),
      G2s: await timeOf(() => runtime.transcript(WORKER, { limit: 100 })),
      G2e: await timeOf(() => runtime.transcript(WORKER, { before: 'end', limit: 100 })),
      G2g: await timeOf(() => runtime.getRun(WORKER, earlyRun)),
      G2o: await timeOf(() => runtime.overview(WORKER)),
    };
    await runtime.stop();
    return values;
  },
);
