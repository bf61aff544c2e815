import type { StoreFinding } from '@worker-runtime/core/plugin-kit';
import type { LogEntry } from './log-entry.ts';

export interface FoundDamage {
  readonly message: string;
  readonly offset: number;
  readonly phase: 'open' | 'replay' | 'read' | 'flush' | 'checkpoint' | 'doctor';
  readonly detail?: unknown;
}

/** Marks a log as damaged, and reports that its events are. The log then refuses every append. */
export const reportDamage = (
  entry: LogEntry,
  report: (finding: StoreFinding) => void,
  { message, offset, phase, detail }: FoundDamage,
): void => {
  if (entry.damage === 'none') entry.damage = 'damaged';
  const { workerId } = entry;
  const details = { file: 'events', offset, phase };
  report({ severity: 'error', code: 'WORKER_DAMAGED', message, workerId, details, detail });
};
