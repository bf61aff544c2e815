import { warnAsFirstProcess } from './first-process.ts';
import type { OperatorLog } from './log.ts';

/** Sends the faults of a process that serves to the operator's log, which is whole when the process exits. */
export const logProcessFaults = ({ log, flush }: OperatorLog): void => {
  process.on('exit', flush);
  process.on('uncaughtExceptionMonitor', (err) => log.error({ err }, 'uncaught exception, the process ends'));
  // an unhandled rejection of one engine must not end the Workers of the others: docs/decisions/0014
  process.on('unhandledRejection', (err) => log.error({ err }, 'unhandled rejection'));
  warnAsFirstProcess(log);
};
