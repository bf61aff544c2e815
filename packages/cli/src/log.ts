import { type Logger, pino } from 'pino';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;

/** Never on purpose in a log line; said here once, for a child with a list of its own would replace it. */
const SECRETS = ['token', '*.token', 'authorization', '*.authorization', '*.*.authorization'];

/**
 * The operator's log, on standard error: JSON lines, or readable ones on a terminal. Written in place and not by a
 * worker thread, which would lose the last lines of a process that is killed.
 */
export const createLog = async (level: string): Promise<Logger> => {
  const options = { level, redact: SECRETS };
  if (!process.stderr.isTTY) return pino(options, pino.destination({ dest: 2, sync: true }));
  const { PinoPretty } = await import('pino-pretty');
  return pino(options, PinoPretty({ destination: 2, sync: true, ignore: 'hostname' }));
};
