/** A point in the log between two frames, from which replay may begin. */
export interface WalPosition {
  readonly segment: number;
  readonly offset: number;
  /** Log sequence number of the frame that comes there. */
  readonly lsn: number;
}
