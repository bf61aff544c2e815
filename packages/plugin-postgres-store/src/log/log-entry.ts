import type { LogHead } from '@worker-runtime/core/plugin-kit';

/** The places of creations in one group: the number of a log is its group's position times this, plus its place. */
export const PLACES = 4_096;

const START: LogHead = { seq: 0, bytes: 0 };

/** A log as the store keeps it in memory: its end, and what is written to it at the moment. */
export class LogEntry {
  readonly log: string;
  /** The number of the log in the tables. 0 until its creation is acknowledged. */
  lid: number;
  seq: number;
  bytes: number;
  /** The end of the lines that were trimmed. */
  begin: LogHead;
  /** False until the creation is acknowledged. */
  isVisible: boolean;
  /** The write that is queued or on its way; null if there is none. */
  pending: Promise<void> | null = null;

  constructor(log: string, lid = 0, { seq, bytes }: LogHead = START, begin: LogHead = START) {
    this.log = log;
    this.lid = lid;
    this.seq = seq;
    this.bytes = bytes;
    this.begin = begin;
    this.isVisible = lid !== 0;
  }

  get head(): LogHead {
    return { seq: this.seq, bytes: this.bytes };
  }

  /** Waits for the end of the write that is queued or on its way. */
  async settled(): Promise<void> {
    await this.pending?.catch(() => {});
  }
}
