/** A position between two frames of the write-ahead log. Replay may begin there. */
export interface WalPosition {
  readonly segment: number;
  readonly offset: number;
  /** The log sequence number (LSN) of the next frame. */
  readonly lsn: number;
}
