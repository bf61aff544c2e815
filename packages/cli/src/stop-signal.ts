import { constants } from 'node:os';
import { isatty } from 'node:tty';

/**
 * The time within which a repeated signal counts as the same request. Signals often come twice: the terminal sends one
 * to the whole process group and npm forwards it again; some libraries send it again when they clean up at exit.
 */
const REPEAT_MS = 250;

/**
 * True if a person at a terminal started the process. A terminal that closes and an SSH connection that breaks send SIGHUP,
 * which must end the process. A supervisor gives its services no terminal, and sends SIGHUP to make them read files again.
 */
const isAtTerminal = (): boolean => [0, 1, 2].some(isatty);

/**
 * Resolves with the first signal that asks for an end. A later one ends the process at once, even during the drain.
 * `reload` is called for each SIGHUP to a process without a terminal.
 */
export const stopSignal = (reload: () => void): Promise<NodeJS.Signals> =>
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
    process.on('SIGHUP', isAtTerminal() ? onSignal : reload);
  });
