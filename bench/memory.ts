import { type Bench, perSecond } from './measurement.ts';
import { forAll, startTalkers, TEXT, WORKERS } from './workload.ts';

/** A log without a disk: what encoding an event and waiting for a commit cost at least. */
const bareMemory = () => {
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

/** Events that engines yield one by one, each committed before the next is asked for. */
export const memoryEvents: Bench = {
  id: 'M1',
  what: `events of ${WORKERS} Workers, memory store, vs a loop that encodes and awaits`,
  unit: 'events/s',
  better: 'more',
  goal: null,
  floor: () => {
    const commit = bareMemory();
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

/** Whole jobs: accepted, output, finished, three commits that depend on each other. */
export const memoryJobs: Bench = {
  id: 'M2',
  what: `whole jobs of ${WORKERS} Workers, memory store, vs a loop of three such commits`,
  unit: 'jobs/s',
  better: 'more',
  goal: null,
  floor: () => {
    const commit = bareMemory();
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
