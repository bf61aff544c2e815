import { constants } from 'node:os';

/**
 * A signal often comes twice: npm passes on what the terminal sent to all, and libraries that clean up at exit send it
 * again. What follows within this time is the same request.
 */
const REPEAT_MS = 250;

/** Resolves with the first SIGTERM or SIGINT. A later one ends the process at once, whatever is still on. */
export const stopSignal = (): Promise<NodeJS.Signals> =>
  new Promise((resolve) => {
    let firstAt: number | null = null;
    const hear = (signal: NodeJS.Signals): void => {
      const now = performance.now();
      if (firstAt === null) {
        firstAt = now;
        resolve(signal);
      } else if (now - firstAt > REPEAT_MS) {
        process.exit(128 + constants.signals[signal]);
      }
    };
    process.on('SIGTERM', hear);
    process.on('SIGINT', hear);
  });
