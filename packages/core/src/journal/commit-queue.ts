import type { Live } from '../workers/live.ts';
import type { LiveState } from '../workers/live-state.ts';
import type { Attempt } from './attempt.ts';
import type { Decision, Turn } from './turn.ts';

/** The journal's state of one live Worker. */
export class CommitQueue implements LiveState {
  /** Decisions that wait for the turn in progress; null if there are none. */
  decisions: Decision[] | null = null;
  /** Decisions that end something. A full store refused them together with others, so their next turn is their own. */
  endings: Decision[] | null = null;
  /** True while a turn is in progress. */
  isTurning = false;
  /** The turn whose batch is being appended. */
  turn: Turn | null = null;
  /** The appends of the Worker. Created with the first one. */
  attempt: Attempt | null = null;
  /** True while the outcome of the last append is unknown. Until the store reports its head, no decision is made. */
  isInDoubt = false;

  get isBusy(): boolean {
    return this.isTurning;
  }

  /** Adds a decision for the next turn. */
  add(decision: Decision): void {
    // a literal has room for one decision, and an empty array that grows for many
    if (this.decisions) this.decisions.push(decision);
    else this.decisions = [decision];
  }

  /** Takes the decisions of the next turn; null if none waits. */
  take(): readonly Decision[] | null {
    const { endings, decisions } = this;
    if (endings) this.endings = null;
    else this.decisions = null;
    return endings ?? decisions;
  }
}

export const commitQueueOf = (live: Live): CommitQueue => {
  if (live.journal instanceof CommitQueue) return live.journal;
  const queue = new CommitQueue();
  live.journal = queue;
  return queue;
};
