import type { RuntimeError } from '@worker-runtime/core';

/** The right of this process to write a directory. */
export interface Ownership {
  /** The number of the claim, which is the writer's epoch. */
  readonly epoch: number;
  /**
   * True if nothing in the directory itself has changed since `confirm` returned null. Costs about a microsecond. False if
   * that is not known; then `confirm` decides.
   */
  isUnchanged(): boolean;
  /**
   * Checks that no other process has claimed the directory, and that its path still leads to it. A process that claims the
   * directory later than this check finds everything that was written before the check. Returns null, or the error:
   * STORE_LOST if the directory is lost for good, STORE_UNAVAILABLE if it cannot be examined now.
   */
  confirm(): Promise<RuntimeError | null>;
}
