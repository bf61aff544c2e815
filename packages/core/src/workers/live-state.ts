import type { RunError } from '../contracts/event.ts';

/** State that one room keeps for a live Worker. The room itself defines the class; lower rooms see this much of it. */
export interface LiveState {
  /** True while the Worker must stay live because of this state. */
  readonly isBusy: boolean;
}

/** The execution of a live Worker, as far as summaries and the idle sweep need it. */
export interface LiveExecution extends LiveState {
  /** True while an engine is attached. */
  readonly isConnected: boolean;
  /**
   * The media types that the attached execution takes. Undefined without one, if it takes no files, or if the config has changed
   * since it was attached.
   */
  readonly files: readonly string[] | undefined;
  /** The error that keeps queued inputs from running; null if nothing does. */
  readonly blockedBy: RunError | null;
}
