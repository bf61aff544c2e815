import { setTimeout as delay } from 'node:timers/promises';
import { CLIENTS, inputOf, outputOf } from './jobs.ts';
import type { RunningPeer } from './peer.ts';
import { cpuSeconds } from './process-time.ts';

/** How long a measurement takes. */
export interface Duration {
  readonly warmUpMs: number;
  readonly measuredMs: number;
}

export interface Measured {
  readonly jobsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** The CPU time of all processes, those of the clients and servers included. Null where the system does not report it. */
  readonly cpuMsPerJob: number | null;
}

/** Compares a result with what the job should return. @throws Error they differ */
const check = (client: number, job: number, output: string | undefined): void => {
  if (output !== outputOf(inputOf(client, job)))
    throw new Error(`Job ${job} of client ${client} has a wrong output: ${output}`);
};

/**
 * Sends jobs of all clients for some time, and counts those that end after the warm-up. Then reads all jobs back.
 *
 * @throws Error an output is wrong or was lost
 */
export const measured = async (peer: RunningPeer, { warmUpMs, measuredMs }: Duration): Promise<Measured> => {
  const durations: number[] = [];
  let isCounting = false;
  let isEnding = false;
  const work = async (client: number): Promise<number> => {
    let job = 0;
    for (; !isEnding; job += 1) {
      const start = performance.now();
      check(client, job, await peer.job(client, job, inputOf(client, job)));
      if (isCounting) durations.push(performance.now() - start);
    }
    return job;
  };
  const observe = async (): Promise<readonly [seconds: number, cpu: number | null]> => {
    await delay(warmUpMs);
    const cpuBefore = cpuSeconds();
    const start = performance.now();
    isCounting = true;
    await delay(measuredMs);
    isCounting = false;
    const seconds = (performance.now() - start) / 1_000;
    const cpuAfter = cpuSeconds();
    isEnding = true;
    return [seconds, cpuBefore === null || cpuAfter === null ? null : cpuAfter - cpuBefore];
  };
  const clients = Array.from({ length: CLIENTS }, (_, client) => client);
  const [[seconds, cpu], ...jobs] = await Promise.all([observe(), ...clients.map(work)]);

  const compare = async (client: number): Promise<void> => {
    const count = jobs[client] ?? 0;
    const outputs = await peer.stored(client, count);
    if (outputs.length !== count)
      throw new Error(`Client ${client} was acknowledged ${count} jobs, and ${outputs.length} are stored`);
    for (const [job, output] of outputs.entries()) check(client, job, output);
  };
  await Promise.all(clients.map(compare));
  durations.sort((a, b) => a - b);
  const percentile = (share: number): number => durations[Math.floor(durations.length * share)] ?? Number.NaN;
  return {
    jobsPerSecond: durations.length / seconds,
    p50Ms: percentile(0.5),
    p99Ms: percentile(0.99),
    cpuMsPerJob: cpu === null ? null : (cpu * 1_000) / durations.length,
  };
};
