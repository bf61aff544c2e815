import { constants } from 'node:os';

/**
 * The time within which a repeated signal counts as the same request. Signals often come twice: the terminal sends one
 * to the whole process group and npm forwards it again; some libraries send it again when they clean up at exit.
 */
const REPEAT_MS = 250;

/** The signals that ask for an end. A terminal that closes and an SSH connection that breaks send SIGHUP. */
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** Resolves with the first such signal. A later one ends the process at once, even during the drain. */
export const stopSignal = (): Promise<NodeJS.Signals> =>
  new Promise((resolve) => {
    let firstAt: number | null = null;
    const onSignal = (signal: NodeJS.Signals): void => {
      const now = performance.now();
      if (firstAt === null) {
        firstAt = now;
        resolve(signal);
      } else if (now - firstAt > REPEAT_MS) {
        process.exit(128 + constants.signals[signal]);
      }
    };
    for (const signal of SIGNALS) process.on(signal, onSignal);
  });
