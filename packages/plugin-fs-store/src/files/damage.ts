import type { StoreFinding } from '@worker-runtime/core/plugin-kit';
import type { LogEntry } from './log-entry.ts';

export interface FoundDamage {
  readonly message: string;
  readonly offset: number;
  readonly phase: 'open' | 'replay' | 'read' | 'flush' | 'checkpoint' | 'doctor';
  readonly detail?: unknown;
}

/** Reports once that the events of a log cannot be opened. They may be readable later, so the log is not damaged. */
export const reportUnreadable = (
  entry: LogEntry,
  report: (finding: StoreFinding) => void,
  phase: FoundDamage['phase'],
  detail: unknown,
): void => {
  if (entry.isUnreadable || entry.isDamaged) return;
  entry.isUnreadable = true;
  report({
    severity: 'error',
    code: 'WORKER_DAMAGED',
    message: 'The events of a Worker cannot be read at the moment',
    workerId: entry.workerId,
    details: { file: 'events', offset: 0, phase },
    detail,
  });
};

/** Marks a log as damaged, and reports that its events are. The log then refuses every append. */
export const reportDamage = (
  entry: LogEntry,
  report: (finding: StoreFinding) => void,
  { message, offset, phase, detail }: FoundDamage,
): void => {
  entry.isDamaged = true;
  const { workerId } = entry;
  const details = { file: 'events', offset, phase };
  report({ severity: 'error', code: 'WORKER_DAMAGED', message, workerId, details, detail });
};
