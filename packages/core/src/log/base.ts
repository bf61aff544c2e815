import type { LogPosition } from './cursor.ts';

/** The beginning of a log whose first events are in an archive. */
export interface Base {
  /** The position after these events. */
  readonly at: LogPosition;
  /** The name of the file that has them. */
  readonly archive: string;
}
