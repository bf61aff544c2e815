import { Session } from 'node:inspector/promises';
import { fileURLToPath } from 'node:url';
import { forAll, startTalkers, WORKERS } from './workload.ts';

/*
 * `npm run bench:allocations`: the bytes that a job, or an event, allocates in the memory store, by function. V8 samples
 * allocations, and collected objects count too. Garbage collection is a large part of the time of the rows M1 and M2.
 */

/** One sample for each 16 KiB on average: a few thousand samples, which distort the rates little. */
const SAMPLING_BYTES = 16_384;
const SHOWN = 40;

const WORKLOADS = {
  event: { perRun: 2_000, jobs: 1 },
  job: { perRun: 1, jobs: 600 },
} as const;

type Workload = keyof typeof WORKLOADS;

interface Node {
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly selfSize: number;
  readonly children: readonly Node[];
}

/** Adds the bytes of a function and of all functions that it calls. */
const addTo = (sums: Map<string, number>, { callFrame, selfSize, children }: Node): void => {
  const { functionName, url, lineNumber } = callFrame;
  const file = url.startsWith('file:') ? fileURLToPath(url).split('/').slice(-2).join('/') : url;
  const name = `${functionName || '(anonymous)'} ${file}:${lineNumber + 1}`;
  sums.set(name, (sums.get(name) ?? 0) + selfSize);
  for (const child of children) addTo(sums, child);
};

const measure = async (what: Workload): Promise<void> => {
  const { perRun, jobs } = WORKLOADS[what];
  const { runtime, job } = await startTalkers(perRun);
  const session = new Session();
  session.connect();
  // compiled and optimized before, so that the compiler's own memory does not count
  await forAll(jobs, job);
  await session.post('HeapProfiler.startSampling', {
    samplingInterval: SAMPLING_BYTES,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  });
  await forAll(jobs, job);
  const { profile } = await session.post('HeapProfiler.stopSampling');
  session.disconnect();
  await runtime.stop();

  const sums = new Map<string, number>();
  addTo(sums, profile.head);
  const times = WORKERS * jobs * perRun;
  const total = [...sums.values()].reduce((sum, bytes) => sum + bytes, 0);
  console.log(`\n${Math.round(total / times)} bytes for each ${what}, of which:`);
  for (const [name, bytes] of [...sums].sort(([, a], [, b]) => b - a).slice(0, SHOWN))
    console.log(String(Math.round(bytes / times)).padStart(8), name);
};

for (const what of Object.keys(WORKLOADS) as Workload[]) await measure(what);
