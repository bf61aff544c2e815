import { constants } from 'node:os';

/**
 * The time within which a repeated signal counts as the same request. Signals often come twice: the terminal sends one
 * to the whole process group and npm forwards it again; some libraries send it again when they clean up at exit.
 */
const REPEAT_MS = 250;

/** Resolves with the first SIGTERM or SIGINT. A later signal ends the process at once, even during the drain. */
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
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
