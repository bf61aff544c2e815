import { type Logger, pino } from 'pino';
import { LogDestination } from './log-destination.ts';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;

/** Fields that the log redacts. The list is in one place only, because a child logger with its own list would replace it. */
const SECRETS = ['token', '*.token', 'authorization', '*.authorization', '*.*.authorization'];

/** The operator's log. */
export interface OperatorLog {
  readonly log: Logger;
  /** Writes the entries that still wait for the reader, as far as it reads. Call it when the process exits. */
  readonly flush: () => void;
}

/**
 * Creates the operator's log on standard error: JSON lines, or readable lines on a terminal. It never waits for its
 * reader, and it writes without a worker thread, which would lose the last lines of a process that is killed.
 */
export const createLog = async (level: string): Promise<OperatorLog> => {
  const destination = new LogDestination((dropped) =>
    // reported whenever entries are, also if the level is above `warn`
    log
      .child({}, { level: 'warn' })
      .warn({ dropped }, 'lines of the log were dropped, because its reader stalled'),
  );
  // a module of CommonJS has only its default in the published bundle
  const format = process.stderr.isTTY
    ? (await import('pino-pretty')).default.prettyFactory({ ignore: 'hostname' })
    : (line: string) => line;
  const log = pino({ level, redact: SECRETS }, { write: (line) => destination.write(format(line)) });
  return { log, flush: () => destination.flush() };
};
