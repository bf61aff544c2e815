import type { Live } from '../workers/live.ts';
import type { Slot } from '../workers/slot.ts';
import type { Decision } from './turn.ts';

/** The journal's state of one live Worker. */
export class CommitQueue implements Slot {
  /** Decisions that wait for the turn in progress. */
  decisions: Decision[] = [];
  /** Decisions that end something. A full store refused them together with others, so their next turn is their own. */
  endings: Decision[] = [];
  /** True while a turn is in progress. */
  isTurning = false;
  /** True while the outcome of the last append is unknown. Until the store reports its head, no decision is made. */
  isInDoubt = false;

  get isBusy(): boolean {
    return this.isTurning;
  }
}

export const commitQueueOf = (live: Live): CommitQueue => {
  if (live.journal instanceof CommitQueue) return live.journal;
  const queue = new CommitQueue();
  live.journal = queue;
  return queue;
};
