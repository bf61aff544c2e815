import { type Logger, pino } from 'pino';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;

/** Fields that the log redacts. The list is in one place only, because a child logger with its own list would replace it. */
const SECRETS = ['token', '*.token', 'authorization', '*.authorization', '*.*.authorization'];

/**
 * Creates the operator's log on standard error: JSON lines, or readable lines on a terminal. It writes synchronously,
 * because a worker thread would lose the last lines of a process that is killed.
 */
export const createLog = async (level: string): Promise<Logger> => {
  const options = { level, redact: SECRETS };
  if (!process.stderr.isTTY) return pino(options, pino.destination({ dest: 2, sync: true }));
  const { PinoPretty } = await import('pino-pretty');
  return pino(options, PinoPretty({ destination: 2, sync: true, ignore: 'hostname' }));
};
