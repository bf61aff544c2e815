import { readFileSync } from 'node:fs';

/**
 * Returns the number of files and sockets that this process may have open (`ulimit -n`): Infinity if the system does not say it. A plugin that
 * opens many of them takes a share, because without descriptors neither the store nor another plugin can work.
 */
export const descriptorLimit = (): number => {
  try {
    const [, limit] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return limit === undefined ? Number.POSITIVE_INFINITY : Number(limit);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
};
