import { readdirSync, readFileSync } from 'node:fs';

/** Linux reports the times of processes in hundredths of a second. */
const TICKS_PER_SECOND = 100;

interface ProcessTime {
  readonly parent: number;
  readonly ticks: number;
}

/** Reads the parent of a process and the time that it and its ended children have used. Returns null if it has ended. */
const read = (pid: number): ProcessTime | null => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // the name of the program may contain spaces and parentheses
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const [, parent = 0] = fields;
    return { parent, ticks: fields.slice(11, 15).reduce((sum, ticks) => sum + ticks, 0) };
  } catch {
    return null;
  }
};

/** Returns the CPU time in seconds of this process and of all that it has started, or null where the system does not report it. */
export const cpuSeconds = (): number | null => {
  if (process.platform !== 'linux') return null;
  const times = new Map<number, ProcessTime>();
  for (const name of readdirSync('/proc')) {
    const time = /^\d+$/.test(name) ? read(Number(name)) : null;
    if (time) times.set(Number(name), time);
  }
  const isOwn = (pid: number): boolean => {
    const parent = times.get(pid)?.parent ?? 0;
    return pid === process.pid || (parent !== 0 && isOwn(parent));
  };
  let ticks = 0;
  for (const [pid, time] of times) if (isOwn(pid)) ticks += time.ticks;
  return ticks / TICKS_PER_SECOND;
};
