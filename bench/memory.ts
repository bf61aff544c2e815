import { type Bench, perSecond } from './measurement.ts';
import { forAll, startTalkers, TEXT, WORKERS } from './workload.ts';

/** A minimal log in memory: the least cost of encoding an event and awaiting its commit. */
const minimalMemoryLog = () => {
  const chunks: Uint8Array[] = [];
  let seq = 0;
  return async (worker: string, ...events: readonly object[]): Promise<void> => {
    let text = '';
    for (const data of events) {
      seq += 1;
      text += `${JSON.stringify({ seq, time: new Date().toISOString(), worker, ...data })}\n`;
    }
    chunks.push(Buffer.from(text));
  };
};

const parts = [{ type: 'text', text: TEXT }];
const ACCEPTED = {
  type: 'input.accepted',
  run: 'run_1',
  data: { input: 'input_1', role: 'user', parts, queued: false },
};
const STARTED = {
  type: 'run.started',
  run: 'run_1',
  data: { input: 'input_1', origin: 'input', generation: 1 },
};
const MESSAGE = {
  type: 'message.completed',
  run: 'run_1',
  data: { message: 'msg_1', role: 'assistant', parts },
};
const FINISHED = { type: 'run.finished', run: 'run_1', data: { outcome: 'completed' } };

const EVENTS_PER_RUN = 2_000;
const JOBS = 300;

/** Measures events that engines yield one at a time: each is committed before the runtime requests the next. */
export const memoryEvents: Bench = {
  id: 'M1',
  what: `events of ${WORKERS} Workers, memory store, vs a loop that encodes each event and awaits`,
  unit: 'events/s',
  better: 'more',
  goal: null,
  floor: () => {
    const commit = minimalMemoryLog();
    return perSecond(WORKERS * EVENTS_PER_RUN, () =>
      forAll(EVENTS_PER_RUN, (workerId) => commit(workerId, MESSAGE)),
    );
  },
  async figure() {
    const { runtime, job } = await startTalkers(EVENTS_PER_RUN);
    const rate = await perSecond(WORKERS * EVENTS_PER_RUN, () => forAll(1, job));
    await runtime.stop();
    return rate;
  },
};

/** Measures jobs. Each has three commits that depend on each other: input accepted, output, run finished. */
export const memoryJobs: Bench = {
  id: 'M2',
  what: `jobs (an input with its whole run) of ${WORKERS} Workers, memory store, vs a loop with three such commits per job`,
  unit: 'jobs/s',
  better: 'more',
  goal: null,
  floor: () => {
    const commit = minimalMemoryLog();
    return perSecond(WORKERS * JOBS, () =>
      forAll(JOBS, async (workerId) => {
        await commit(workerId, ACCEPTED, STARTED);
        await commit(workerId, MESSAGE);
        await commit(workerId, FINISHED);
      }),
    );
  },
  async figure() {
    const { runtime, job } = await startTalkers(1);
    const rate = await perSecond(WORKERS * JOBS, () => forAll(JOBS, job));
    await runtime.stop();
    return rate;
  },
};
