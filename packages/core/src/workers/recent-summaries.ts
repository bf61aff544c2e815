import type { RunError } from '../contracts/event.ts';
import type { WorkerSummary } from '../contracts/worker.ts';
import type { Base } from '../log/base.ts';
import { summaryOf } from './views.ts';
import type { Worker } from './worker.ts';

/** The most summaries that are kept. One has about 1 KB, and the text that a transport keeps of it as much again. */
const KEPT = 2_000;

/** A summary, and all that it was made from. */
interface Kept {
  readonly revision: number | null;
  readonly base: Base | null;
  readonly isConnected: boolean;
  readonly blockedBy: RunError | null;
  readonly summary: WorkerSummary;
}

/**
 * The summaries of the Workers that were listed last. As long as a Worker has not changed, its summary is the same frozen object, so
 * that a transport can keep the text of it.
 */
export class RecentSummaries {
  readonly #kept = new Map<Worker, Kept>();

  /** Returns the summary of a Worker. */
  of(worker: Worker, runtimeId: string): WorkerSummary {
    const { revision, base, live } = worker;
    const isConnected = live?.execution?.isConnected === true;
    const blockedBy = live?.execution?.blockedBy ?? null;
    const kept = this.#kept.get(worker);
    if (
      kept !== undefined &&
      kept.revision === revision &&
      kept.base === base &&
      kept.isConnected === isConnected &&
      kept.blockedBy === blockedBy
    )
      return kept.summary;
    const summary = Object.freeze(summaryOf(worker, runtimeId));
    this.#kept.set(worker, { revision, base, isConnected, blockedBy, summary });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > KEPT && oldest !== undefined) this.forget(oldest);
    return summary;
  }

  /** Forgets a Worker that was removed. */
  forget(worker: Worker): void {
    this.#kept.delete(worker);
  }
}
