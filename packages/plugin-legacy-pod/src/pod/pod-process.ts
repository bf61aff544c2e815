import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { PodFiles } from '../records/pod-files.ts';
import { readRegistry } from '../records/registry.ts';

/** True if a process with this id exists, also if it belongs to another user. */
export const isAlive = (pid: number): boolean => {
  if (!Number.isSafeInteger(pid) || pid <= 1) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: unknown }).code === 'EPERM';
  }
};

interface ProcessFacts {
  readonly arguments: readonly string[];
  readonly isZombie: boolean;
  readonly group: number;
}

/** Reads the facts of a process from `/proc`. Returns null if the process is gone, or if there is no `/proc`. */
const factsOf = async (pid: number): Promise<ProcessFacts | null> => {
  try {
    const [line, stat] = await Promise.all([
      readFile(`/proc/${pid}/cmdline`, 'utf8'),
      readFile(`/proc/${pid}/stat`, 'utf8'),
    ]);
    // The name of the program is in parentheses and may contain any character.
    const [state, , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { arguments: line.split('\0'), isZombie: state === 'Z', group: Number(group) };
  } catch {
    return null;
  }
};

/** True if the process was started as this pod. */
const isPod = ({ arguments: given }: ProcessFacts, name: string): boolean =>
  given.includes('pod') && given.includes(name);

/** The process of a pod. Each use checks that the process id was not reused by another process. */
export class PodProcess {
  readonly pid: number;
  readonly #name: string;

  private constructor(pid: number, name: string) {
    this.pid = pid;
    this.#name = name;
  }

  /**
   * Finds the process that both the registry and the pod's own file name. Returns null if they differ, or if that
   * process is not the pod.
   */
  static async find(files: PodFiles, name: string): Promise<PodProcess | null> {
    const [rows, written] = await Promise.all([
      readRegistry(files).catch(() => null),
      files.writtenPid(name).catch(() => null),
    ]);
    const row = rows?.find((one) => one.name === name);
    const pid = row && row.segment !== null ? row.pid : written;
    if (pid === null || pid === undefined || (written !== null && written !== pid)) return null;
    const found = new PodProcess(pid, name);
    return (await found.isRunning()) ? found : null;
  }

  /** Returns the handle for a process that this runtime started. */
  static spawned(pid: number, name: string): PodProcess {
    return new PodProcess(pid, name);
  }

  /** True if the process runs and is still this pod. */
  async isRunning(): Promise<boolean> {
    if (!isAlive(this.pid)) return false;
    const facts = await factsOf(this.pid);
    return facts !== null && !facts.isZombie && isPod(facts, this.#name);
  }

  /** Waits for the end of the process. Resolves with false if it still runs after `timeoutMs`. */
  async waitForEnd(timeoutMs: number): Promise<boolean> {
    const until = performance.now() + timeoutMs;
    for (let pauseMs = 10; await this.isRunning(); pauseMs = Math.min(pauseMs * 2, 250)) {
      const left = until - performance.now();
      if (left <= 0) return false;
      await delay(Math.min(pauseMs, left));
    }
    return true;
  }

  /** Sends SIGINT to the process. Checks immediately before that it is still this pod. */
  async interrupt(): Promise<void> {
    if (await this.isRunning()) this.#signal(this.pid, 'SIGINT');
  }

  /** Sends SIGKILL to the process, and to its child processes if it leads a process group. */
  async kill(): Promise<void> {
    const facts = await factsOf(this.pid);
    if (!facts || !isPod(facts, this.#name)) return;
    this.#signal(facts.group === this.pid ? -this.pid : this.pid, 'SIGKILL');
  }

  #signal(target: number, signal: 'SIGINT' | 'SIGKILL'): void {
    try {
      process.kill(target, signal);
    } catch {
      // The process ended in the meantime.
    }
  }
}
