import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { PodFiles } from '../records/pod-files.ts';
import { readRegistry } from '../records/registry.ts';

/** Whether any process has this number. One of another user has it too. */
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

/** What the system says of a process. Null where it is gone, or where the system does not tell. */
const factsOf = async (pid: number): Promise<ProcessFacts | null> => {
  try {
    const [line, stat] = await Promise.all([
      readFile(`/proc/${pid}/cmdline`, 'utf8'),
      readFile(`/proc/${pid}/stat`, 'utf8'),
    ]);
    // the name of the program stands in parentheses and may hold anything
    const [state, , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { arguments: line.split('\0'), isZombie: state === 'Z', group: Number(group) };
  } catch {
    return null;
  }
};

/** Whether a process was started as this pod. */
const isPod = ({ arguments: given }: ProcessFacts, name: string): boolean =>
  given.includes('pod') && given.includes(name);

/**
 * The process of a pod, told apart from one that got its number later. `spawned` is a process that this runtime
 * started itself and has not seen end.
 */
export class PodProcess {
  readonly pid: number;
  readonly #name: string;

  private constructor(pid: number, name: string) {
    this.pid = pid;
    this.#name = name;
  }

  /** The process that the registry and the pod's own file agree upon, if it still is that pod. Null otherwise. */
  static async find(files: PodFiles, name: string): Promise<PodProcess | null> {
    const [rows, written] = await Promise.all([
      readRegistry(files).catch(() => null),
      files.writtenPid(name).catch(() => null),
    ]);
    const row = rows?.find((one) => one.name === name);
    const pid = row && row.segment !== null ? row.pid : written;
    if (pid === null || pid === undefined || (written !== null && written !== pid)) return null;
    const found = new PodProcess(pid, name);
    return (await found.isOn()) ? found : null;
  }

  static spawned(pid: number, name: string): PodProcess {
    return new PodProcess(pid, name);
  }

  /** Whether it runs and is still this pod. */
  async isOn(): Promise<boolean> {
    if (!isAlive(this.pid)) return false;
    const facts = await factsOf(this.pid);
    return facts !== null && !facts.isZombie && isPod(facts, this.#name);
  }

  /** Resolves with true when it is gone, with false where it is still on after so long. */
  async ended(timeoutMs: number): Promise<boolean> {
    const until = Date.now() + timeoutMs;
    for (let pauseMs = 10; await this.isOn(); pauseMs = Math.min(pauseMs * 2, 250)) {
      const left = until - Date.now();
      if (left <= 0) return false;
      await delay(Math.min(pauseMs, left));
    }
    return true;
  }

  /** Checked once more right before: a number that was given away meanwhile is left alone. */
  async interrupt(): Promise<void> {
    if (await this.isOn()) this.#signal(this.pid, 'SIGINT');
  }

  /** The pod and what it started, where it leads a group of its own. */
  async kill(): Promise<void> {
    const facts = await factsOf(this.pid);
    if (!facts || !isPod(facts, this.#name)) return;
    this.#signal(facts.group === this.pid ? -this.pid : this.pid, 'SIGKILL');
  }

  #signal(target: number, signal: 'SIGINT' | 'SIGKILL'): void {
    try {
      process.kill(target, signal);
    } catch {
      // it ended in between
    }
  }
}
