import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Crowd, CrowdPlan } from './crowd-process.ts';
import { COST_GOAL, growth, RATE_GOAL } from './growth.ts';
import type { BenchOfRows } from './measurement.ts';
import { WORKERS } from './workload.ts';

/*
 * Measures many Workers that are all busy. Each has a file of its own, and the write-ahead log takes lines faster than so
 * many files do. The figures show if Workers ever wait for files, and if a job costs more when more Workers are busy.
 */

const run = promisify(execFile);
const PROGRAM = new URL('crowd-process.ts', import.meta.url).pathname;
const PAIRS = 3;

const measureCrowd = async (plan: CrowdPlan): Promise<Crowd> => {
  const { stdout } = await run(process.execPath, ['--import=tsx', PROGRAM, JSON.stringify(plan)]);
  return JSON.parse(stdout) as Crowd;
};

const MANY = 2_000;
const SECONDS = 20;
const MANY_TEXT = MANY.toLocaleString('en');

/** P22: Workers do not stand still while files are written, and the slowest jobs take as long as the number of Workers explains. */
export const crowd: BenchOfRows = {
  rows: [
    {
      id: 'B14',
      what: `longest pause without a finished job while ${MANY_TEXT} Workers are busy for ${SECONDS} s, file store, vs one second`,
      unit: 'ms',
      better: 'less',
      goal: 1,
    },
    {
      id: 'B14t',
      what: `p99 duration of a job of ${MANY_TEXT} busy Workers, file store, vs the median of ${WORKERS} busy Workers times ${MANY / WORKERS}`,
      unit: 'ms',
      better: 'less',
      goal: 3,
    },
  ],
  pairs: PAIRS,
  async floor() {
    const { medianMs } = await measureCrowd({ workers: WORKERS, seconds: 5 });
    return { B14: 1_000, B14t: (medianMs * MANY) / WORKERS };
  },
  async figure() {
    const { pauseMs, p99Ms } = await measureCrowd({ workers: MANY, seconds: SECONDS });
    return { B14: pauseMs, B14t: p99Ms };
  },
};

const LARGE = 5_000;
const GROWTH_SECONDS = 5;
const of = `of ${LARGE.toLocaleString('en')} busy Workers, file store`;
const than = `of ${LARGE / 10}`;

/** Measures what a job costs when ten times as many Workers are busy. */
export const crowdGrowth = growth(
  [
    { id: 'G1', what: `durable jobs ${of}, vs ${than}`, unit: 'jobs/s', better: 'more', goal: RATE_GOAL },
    {
      id: 'G1t',
      what: `p99 duration of a job ${of}, vs ${than} times 10`,
      unit: 'ms',
      better: 'less',
      goal: COST_GOAL,
    },
    {
      id: 'G1m',
      what: `resident memory for each ${of}, vs ${than}`,
      unit: 'bytes',
      better: 'less',
      goal: COST_GOAL,
    },
    {
      id: 'G1f',
      what: `descriptors ${of}, vs ${than}`,
      unit: 'descriptors',
      better: 'less',
      goal: COST_GOAL,
    },
  ],
  LARGE,
  async (workers) => {
    const { jobsPerSecond, p99Ms, grownBytes, descriptors } = await measureCrowd({
      workers,
      seconds: GROWTH_SECONDS,
    });
    return {
      G1: jobsPerSecond,
      G1t: (p99Ms * LARGE) / workers,
      G1m: grownBytes / workers,
      G1f: descriptors,
    };
  },
  PAIRS,
);
