import type { WorkerSummary } from '@worker-runtime/core';
import { sizeText } from '@worker-runtime/core/views';

const WORDS = {
  answer: 'answer',
  tools: 'tool',
  engine: 'engine',
  execution: 'attach',
  run: 'run',
} as const;

/** Describes the status of a Worker for a cell of a table. */
export const statusOf = ({ status, health, queued }: WorkerSummary): string =>
  [status, queued > 0 && `${queued} queued`, health !== 'ok' && health].filter(Boolean).join(', ');

/** Returns what the work of a Worker waits for. A runtime of an earlier version does not tell it. */
export const waitsOf = ({ waits = [] }: Partial<Pick<WorkerSummary, 'waits'>>): WorkerSummary['waits'] =>
  waits;

/** Describes what the work of a Worker waits for, in a cell of a table. */
export const waitOf = (worker: WorkerSummary): string => {
  const [wait] = waitsOf(worker);
  if (!wait) return '-';
  const what = wait.for === 'tools' && wait.calls.length > 1 ? `${wait.calls.length} tools` : WORDS[wait.for];
  return `${what}, ${timeSince(wait.since)}`;
};

const HOUR = 3_600;
const DAY = 24 * HOUR;

/** Returns the time since a moment in its two largest units. The clocks of both sides may differ a little. */
export const timeSince = (time: string): string => {
  const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(time)) / 1_000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < HOUR) return `${Math.floor(seconds / 60)} m ${seconds % 60} s`;
  if (seconds < DAY) return `${Math.floor(seconds / HOUR)} h ${Math.floor((seconds % HOUR) / 60)} m`;
  return `${Math.floor(seconds / DAY)} d ${Math.floor((seconds % DAY) / HOUR)} h`;
};

/** Describes stored bytes. Null for a runtime of an earlier version, which does not tell them. */
export const storedText = ({
  eventBytes,
  fileBytes,
}: Partial<WorkerSummary['stored']> = {}): string | null =>
  eventBytes === undefined || fileBytes === undefined
    ? null
    : `${sizeText(eventBytes)} of events, ${sizeText(fileBytes)} of files`;
