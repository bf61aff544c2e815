import type { Logger } from 'pino';

/**
 * Warns if this process is the first one of its container. The kernel makes it the parent of every process whose own parent has
 * exited, such as those that agents and tools leave behind, and Node does not collect the exits of such processes.
 */
export const warnAsFirstProcess = (log: Logger): void => {
  if (process.pid === 1)
    log.warn(
      {},
      'This is process 1, which does not remove the ended processes that agents and tools leave behind: start the container with an init process, as docker run --init does',
    );
};
