import { hash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@worker-runtime/core';

/** The environment variable that says which runtime and Worker an agent, or a process that it started, works for. */
export const AGENT_VARIABLE = 'ACP_AGENT_OF';

/** The longest time to wait for a signal to take effect. It delays the start of a runtime, but only with leftovers. */
const MAX_WAIT_MS = 2_000;
const POLL_MS = 20;

/** A process of an agent whose runtime has died. */
interface Leftover {
  readonly pid: number;
  readonly worker: string;
  /** True if the process leads a process group, which can be signalled as a whole. */
  readonly leadsGroup: boolean;
}

interface ProcessFacts {
  readonly parent: number;
  readonly group: number;
  /** The time at which the process started. With the process id, it identifies the process. */
  readonly started: string;
}

const short = (text: string): string => hash('sha256', text, 'hex').slice(0, 16);

/** Reads the facts of a process from `/proc`. Returns null if the process is gone, or if there is no `/proc`. */
const factsOf = async (pid: number): Promise<ProcessFacts | null> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => null);
  if (stat === null) return null;
  // The name of the program is in parentheses and may contain any character.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return null;
  return { parent: Number(fields[1]), group: Number(fields[2]), started: fields[19] ?? '' };
};

const self = factsOf(process.pid);

/** Returns the value of `AGENT_VARIABLE` for an agent of a Worker: the runtime, the Worker, and this process. */
export const agentToken = async (runtimeId: string, workerId: string): Promise<string> =>
  [short(runtimeId), short(workerId), process.pid, (await self)?.started ?? ''].join('.');

/** Returns this process and its ancestors. A runtime may have been started by a leftover agent, and must not end it. */
const ancestry = async (): Promise<ReadonlySet<number>> => {
  const found = new Set<number>();
  for (let pid = process.pid; pid > 0 && !found.has(pid); ) {
    found.add(pid);
    pid = (await factsOf(pid))?.parent ?? 0;
  }
  return found;
};

/** Finds the processes of a runtime's agents whose runtime process has died. There are none without `/proc`. */
const findLeftovers = async (runtimeId: string): Promise<readonly Leftover[]> => {
  const runtime = short(runtimeId);
  const own = await ancestry();
  const found: Leftover[] = [];
  for (const name of await readdir('/proc').catch(() => [])) {
    const pid = Number(name);
    if (!Number.isSafeInteger(pid) || own.has(pid)) continue;
    // Only processes of this user can be read.
    const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
    const token = environment
      .split('\0')
      .find((one) => one.startsWith(`${AGENT_VARIABLE}=${runtime}.`))
      ?.slice(AGENT_VARIABLE.length + 1);
    if (token === undefined) continue;
    const [, worker = '', owner = '', started = ''] = token.split('.');
    if ((await factsOf(Number(owner)))?.started === started) continue;
    const facts = await factsOf(pid);
    if (facts) found.push({ pid, worker, leadsGroup: facts.group === pid });
  }
  return found;
};

const signal = ({ pid, leadsGroup }: Leftover, name: NodeJS.Signals): void => {
  try {
    process.kill(leadsGroup ? -pid : pid, name);
  } catch {
    // The process has ended in the meantime, or may not be signalled.
  }
};

/**
 * The agents that an earlier process of this runtime left running because it was killed. They still work in directories
 * that Workers claim, so they are ended before another agent starts. They are found by their environment, which, unlike
 * a file with their process ids, cannot be removed, and which the processes that they started have too.
 */
export class LeftoverAgents {
  readonly #waitMs: number;
  #ended: Promise<ReadonlySet<string>> | null = null;

  constructor(exitMs: number) {
    this.#waitMs = Math.min(exitMs, MAX_WAIT_MS);
  }

  /** Ends all leftover agents of a runtime, once. */
  async end(runtimeId: string, log: Logger): Promise<void> {
    this.#ended ??= this.#end(runtimeId, log);
    await this.#ended;
  }

  /** True if an agent of a Worker could not be ended. Tries again. */
  async hasLeftover(runtimeId: string, workerId: string, log: Logger): Promise<boolean> {
    await this.end(runtimeId, log);
    if (!(await this.#ended)?.has(short(workerId))) return false;
    this.#ended = this.#end(runtimeId, log);
    return (await this.#ended).has(short(workerId));
  }

  /** Ends all leftover agents. Returns the Workers whose agents are still running. */
  async #end(runtimeId: string, log: Logger): Promise<ReadonlySet<string>> {
    let left = await findLeftovers(runtimeId);
    if (left.length === 0) return new Set();
    const pids = left.map(({ pid }) => pid);
    log.warn({ pids }, 'Agents of an earlier process of this runtime are still running and are ended');
    for (const name of ['SIGTERM', 'SIGKILL'] as const) {
      const until = performance.now() + this.#waitMs;
      for (const leftover of left) signal(leftover, name);
      while (left.length > 0 && performance.now() < until) {
        await delay(POLL_MS);
        left = await findLeftovers(runtimeId);
        // A process that was started in the meantime gets no chance to clean up.
        if (name === 'SIGKILL') for (const leftover of left) signal(leftover, name);
      }
    }
    if (left.length > 0) log.error({ pids: left.map(({ pid }) => pid) }, 'Agents could not be ended');
    return new Set(left.map(({ worker }) => worker));
  }
}
