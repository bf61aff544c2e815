import type { Limits } from '../contracts/limits.ts';
import type { LiveExecution, LiveState } from './live-state.ts';
import type { LogKeys } from './log-keys.ts';
import { Readers } from './readers.ts';

/** State that a Worker needs only while something happens to it. An idle Worker has none. */
export class Live {
  readonly readers: Readers;
  /** Owned by `journal/commit-queue.ts`. */
  journal: LiveState | null = null;
  /** Owned by `execution/execution-state.ts`. */
  execution: LiveExecution | null = null;
  /** The idempotency keys of the log, loaded on first use. Owned by `commands/inputs.ts`. */
  keys: LogKeys | Promise<LogKeys> | null = null;
  /** How many calls in progress need this state until they return. */
  holds = 0;
  /** Steady time of the last commit, in ms. */
  activeAt = 0;

  constructor(limits: Limits) {
    this.readers = new Readers(limits.tailBytes);
  }

  /** True while something needs this state, however long ago the last commit was. */
  get isBusy(): boolean {
    return (
      this.holds > 0 ||
      this.readers.isBusy ||
      this.journal?.isBusy === true ||
      this.execution?.isBusy === true
    );
  }
}
