import type { WatchItem, WorkerStatus, WorkerSummary } from '@worker-runtime/core';
import { printableLine } from '../printable.ts';
import { table } from '../table.ts';
import { clip, pad } from '../text-width.ts';
import { statusOf, timeSince, waitOf } from '../worker-text.ts';

/** The order of the list: first what waits for a person, then what works. */
const RANKS: Readonly<Record<WorkerStatus, number>> = { waiting: 0, running: 1, idle: 2, stopped: 3 };

const compare = (a: WorkerSummary, b: WorkerSummary): number => {
  const byRank = RANKS[a.status] - RANKS[b.status];
  if (byRank !== 0) return byRank;
  // the longest run first, and the Worker that rested last
  if (a.run && b.run) return a.run.startedAt < b.run.startedAt ? -1 : 1;
  return a.updatedAt > b.updatedAt ? -1 : 1;
};

/** All Workers of a watch, of which one is selected, as lines of a screen. */
export class WorkerBoard {
  readonly #workers = new Map<string, WorkerSummary>();
  #sorted: readonly WorkerSummary[] | null = null;
  #selected: string | null = null;
  /** The number of the first Worker on the screen. */
  #first = 0;
  #isComplete = false;

  apply(item: WatchItem): void {
    if (item.type === 'reset') this.#workers.clear();
    else if (item.type === 'worker') this.#workers.set(item.worker.workerId, item.worker);
    else if (item.type === 'worker-removed') this.#workers.delete(item.workerId);
    else {
      this.#isComplete ||= item.type === 'synced';
      return;
    }
    this.#sorted = null;
  }

  get selected(): WorkerSummary | null {
    return this.#list[this.#at] ?? null;
  }

  /** Selects the Worker that is `by` lines below the selected one. */
  move(by: number): void {
    const list = this.#list;
    this.#selected = list[Math.max(0, Math.min(list.length - 1, this.#at + by))]?.workerId ?? null;
  }

  /** Returns the lines of a screen: counts, headings and Workers. `mark` is applied to the line of the selected one. */
  lines(columns: number, rows: number, mark: (line: string) => string): readonly string[] {
    const list = this.#list;
    const at = this.#at;
    const room = Math.max(1, rows - 2);
    this.#first = Math.max(
      0,
      Math.min(this.#first, at),
      at - room + 1,
      Math.min(this.#first, list.length - room),
    );
    const shown = list.slice(this.#first, this.#first + room);
    const [headings = '', ...lines] = table(
      ['WORKER', 'STATUS', 'RUN FOR', 'WAITS FOR', 'ENGINE', 'NAME'],
      shown.map((worker) => [
        worker.workerId,
        statusOf(worker),
        worker.run === null ? '-' : timeSince(worker.run.startedAt),
        waitOf(worker),
        worker.engine,
        printableLine(worker.displayName ?? '-'),
      ]),
      { columns },
    ).split('\n');
    return [
      clip(this.#counts(), columns),
      headings,
      ...lines.map((line, row) => {
        return this.#first + row === at ? mark(pad(line, columns)) : line;
      }),
    ];
  }

  get #list(): readonly WorkerSummary[] {
    this.#sorted ??= [...this.#workers.values()].sort(compare);
    return this.#sorted;
  }

  /** The number of the selected Worker: the first one, unless a person has selected another. */
  get #at(): number {
    return Math.max(
      0,
      this.#list.findIndex(({ workerId }) => workerId === this.#selected),
    );
  }

  #counts(): string {
    const counts = Object.keys(RANKS).map((status) => {
      const count = this.#list.filter((worker) => worker.status === status).length;
      return count === 0 ? null : `${count} ${status}`;
    });
    if (this.#list.length > 0) return `${this.#list.length} Workers: ${counts.filter(Boolean).join(', ')}`;
    return this.#isComplete ? 'no Workers; create one with: worker-runtime workers create' : '';
  }
}
