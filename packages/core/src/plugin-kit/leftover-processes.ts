import { hash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../contracts/logger.ts';

/** The longest time to wait for a signal to take effect. It delays the start of a runtime, but only with leftovers. */
const MAX_WAIT_MS = 2_000;
const POLL_MS = 20;
/** The number of processes that are looked at at a time, each with an open file. */
const AT_A_TIME = 128;

/** The programs of a plugin that must not outlive their runtime. */
export interface OwnedPrograms {
  /** The environment variable that says what a program, or a process that it started, works for. */
  readonly variable: string;
  /** The word for them in the operator's log, such as `Agents`. */
  readonly plural: string;
  /** The time that one gets to exit after SIGTERM. */
  readonly exitMs: number;
}

/** A process of a program whose runtime has died. */
interface Leftover {
  readonly pid: number;
  /** The part of the runtime that it works for, such as a Worker. */
  readonly user: string;
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

/** Returns what `read` returns, or `otherwise` if the process is gone, or there is no `/proc`. */
const orElse = <T>(read: () => T, otherwise: T): T => {
  try {
    return read();
  } catch {
    return otherwise;
  }
};

/** Reads the facts of a process from `/proc`, which is in memory. Returns null if the process is gone, or if there is no `/proc`. */
const factsOf = (pid: number): ProcessFacts | null => {
  const stat = orElse(() => readFileSync(`/proc/${pid}/stat`, 'latin1'), null);
  if (stat === null) return null;
  // The name of the program is in parentheses and may contain any character.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return null;
  return { parent: Number(fields[1]), group: Number(fields[2]), started: fields[19] ?? '' };
};

/** Returns this process and its ancestors. A runtime may have been started by a leftover, and must not end it. */
const ancestry = (): ReadonlySet<number> => {
  const found = new Set<number>();
  for (let pid = process.pid; pid > 0 && !found.has(pid); ) {
    found.add(pid);
    pid = factsOf(pid)?.parent ?? 0;
  }
  return found;
};

/** Returns a process if it belongs to a program of a runtime whose process has died, or null. Its variable begins with `begin`. */
const leftoverAt = async (pid: number, begin: string): Promise<Leftover | null> => {
  // Only processes of this user can be read. A process that hangs in the kernel may delay this.
  const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
  const variable = environment.split('\0').find((one) => one.startsWith(begin));
  if (variable === undefined) return null;
  const [user = '', owner, started = ''] = variable.slice(begin.length).split('.');
  if (factsOf(Number(owner))?.started === started) return null;
  const facts = factsOf(pid);
  return facts && { pid, user, leadsGroup: facts.group === pid };
};

/** Finds the processes of a runtime's programs whose runtime process has died. There are none without `/proc`. */
const findLeftovers = async (variable: string, runtimeId: string): Promise<readonly Leftover[]> => {
  const begin = `${variable}=${short(runtimeId)}.`;
  const own = ancestry();
  const pids = orElse(() => readdirSync('/proc'), [])
    .map(Number)
    .filter((pid) => Number.isSafeInteger(pid) && !own.has(pid));
  const found: Leftover[] = [];
  // Each read waits for some turns of an event loop that is busy with a start.
  for (let at = 0; at < pids.length; at += AT_A_TIME) {
    const some = await Promise.all(pids.slice(at, at + AT_A_TIME).map((pid) => leftoverAt(pid, begin)));
    for (const leftover of some) if (leftover) found.push(leftover);
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
 * The programs that an earlier process of this runtime left running because it was killed. They still work in directories, and with
 * services, that the runtime gives to others, so they are ended before another program starts. They are found by their environment,
 * which, unlike a file with their process ids, cannot be removed, and which the processes that they started have too.
 */
export class LeftoverProcesses {
  readonly #programs: OwnedPrograms;
  #ended: Promise<ReadonlySet<string>> | null = null;

  constructor(programs: OwnedPrograms) {
    this.#programs = programs;
  }

  /** Returns the variable of a program that is started for a part of a runtime, such as a Worker. It names this process, too. */
  environmentFor(runtimeId: string, user: string): Readonly<Record<string, string>> {
    const token = [short(runtimeId), short(user), process.pid, factsOf(process.pid)?.started ?? ''].join('.');
    return { [this.#programs.variable]: token };
  }

  /** Ends all leftover programs of a runtime, once. */
  async end(runtimeId: string, log: Logger): Promise<void> {
    this.#ended ??= this.#end(runtimeId, log);
    await this.#ended;
  }

  /** True if a program of a part of the runtime could not be ended. Tries again. */
  async hasLeftover(runtimeId: string, user: string, log: Logger): Promise<boolean> {
    await this.end(runtimeId, log);
    if (!(await this.#ended)?.has(short(user))) return false;
    this.#ended = this.#end(runtimeId, log);
    return (await this.#ended).has(short(user));
  }

  /** Ends all leftover programs. Returns the parts of the runtime whose programs are still running. */
  async #end(runtimeId: string, log: Logger): Promise<ReadonlySet<string>> {
    const { variable, plural, exitMs } = this.#programs;
    let left = await findLeftovers(variable, runtimeId);
    if (left.length === 0) return new Set();
    const pids = left.map(({ pid }) => pid);
    log.warn({ pids }, `${plural} of an earlier process of this runtime are still running and are ended`);
    for (const name of ['SIGTERM', 'SIGKILL'] as const) {
      const until = performance.now() + Math.min(exitMs, MAX_WAIT_MS);
      for (const leftover of left) signal(leftover, name);
      while (left.length > 0 && performance.now() < until) {
        await delay(POLL_MS);
        left = await findLeftovers(variable, runtimeId);
        // A process that was started in the meantime gets no chance to clean up.
        if (name === 'SIGKILL') for (const leftover of left) signal(leftover, name);
      }
    }
    if (left.length > 0) log.error({ pids: left.map(({ pid }) => pid) }, `${plural} could not be ended`);
    return new Set(left.map(({ user }) => user));
  }
}
