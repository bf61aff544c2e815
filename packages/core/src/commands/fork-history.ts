import type { Clock } from '../contracts/clock.ts';
import { decodeEvent, encodeEvent, type ForkOrigin, type WorkerEvent } from '../contracts/event.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type { Batch, LogSlice, NewLog, RuntimeStore } from '../contracts/store.ts';
import { apply } from '../domain/fold.ts';
import { type Draft, emptyState, type WorkerState } from '../domain/state.ts';
import { storeInTime } from '../in-time.ts';
import { EMPTY_POSITION, type LogPosition } from '../log/cursor.ts';
import { linesOf, positionAfter, textOf } from '../log/lines.ts';
import { fileBlobOf } from './files.ts';

/** Small, because several forks may be written at the same time. */
const READ = { count: 1_000, bytes: 262_144, direction: 'forward' } as const;

/** The log to copy from, and the log that is written. */
export interface ForkedLog {
  readonly store: RuntimeStore;
  readonly clock: Clock;
  /** The time that the store has for each read and write. */
  readonly limitMs: number;
  readonly origin: ForkOrigin;
  /** The position after the last event to copy. */
  readonly end: LogPosition;
  readonly log: string;
  readonly begin: NewLog;
  /** Called between two steps. Throws if the fork is to end. */
  readonly assertRunning: () => void;
}

/** Returns an event as the log of a fork has it: without what belongs to the source alone. */
const forkedEvent = (event: WorkerEvent, origin: ForkOrigin): WorkerEvent => {
  if (event.type === 'worker.created') {
    const { key: _, delegatedBy: __, ...data } = event.data;
    return { ...event, data: { ...data, parent: null, claims: [], fork: origin } };
  }
  if (event.type === 'input.accepted' || event.type === 'worker.forked') {
    const { key: _, ...data } = event.data;
    return { ...event, data } as WorkerEvent;
  }
  return event;
};

/**
 * Writes the history of a fork, step by step, and folds it. A log with a history alone is that of a creation that did not complete: no Worker
 * is visible, and a start removes it.
 */
export class ForkHistory {
  readonly #options: ForkedLog;
  readonly #draft: Draft;
  /** The last write, which may outlast the time that it has. */
  #writing: Promise<unknown> = Promise.resolve();

  constructor(options: ForkedLog) {
    this.#options = options;
    this.#draft = { ...emptyState(options.begin.workerId, options.log) };
  }

  /** @throws STORE_UNAVAILABLE · STORE_FULL · STORE_CORRUPT · WORKER_DAMAGED · WORKER_NOT_FOUND the source was deleted */
  async write(): Promise<WorkerState> {
    const { store, origin, end, assertRunning } = this.#options;
    for (let from: LogPosition = EMPTY_POSITION; from.seq < end.seq; ) {
      assertRunning();
      const count = Math.min(READ.count, end.seq - from.seq);
      const position = { seq: from.seq + 1, offset: from.end };
      const slice: LogSlice = await this.#inTime(store.read(origin.log, position, { ...READ, count }));
      if (slice.gap !== null || slice.count === 0)
        throw new RuntimeError('WORKER_DAMAGED', undefined, { details: { workerId: origin.worker } });
      from = await this.#add(slice, from);
    }
    for (const digest of Object.keys(this.#draft.files)) {
      assertRunning();
      await this.#copyFile(digest);
    }
    return this.#draft;
  }

  /** Removes what was written. Waits for the last write, because it may still happen. */
  async remove(): Promise<void> {
    await this.#writing.catch(() => {});
    await this.#options.store.remove(this.#options.log);
  }

  async #add(slice: LogSlice, from: LogPosition): Promise<LogPosition> {
    const { store, origin, log, begin } = this.#options;
    const draft = this.#draft;
    const before = draft.head;
    const lines: Uint8Array[] = [];
    let last = from;
    for (const line of linesOf(slice)) {
      const event = forkedEvent(decodeEvent(textOf(line)), origin);
      const { seq, time, ...rest } = event;
      const bytes = Buffer.from(`${encodeEvent(seq, time, draft.workerId, rest)}\n`);
      lines.push(bytes);
      apply(draft, event, draft.head);
      draft.head = positionAfter({ seq, offset: draft.head.end, bytes });
      last = positionAfter(line);
    }
    const batch: Batch = { lines: Buffer.concat(lines), count: slice.count, isBeginning: true };
    await this.#write(
      before.seq === 0
        ? store.create(log, begin, batch)
        : store.append(log, { seq: before.seq, bytes: before.end }, batch),
    );
    return last;
  }

  async #copyFile(digest: string): Promise<void> {
    const { store, origin, log } = this.#options;
    const name = fileBlobOf(digest);
    const bytes = await this.#inTime(store.blob(origin.log, name));
    if (bytes === null)
      throw new RuntimeError('STORE_CORRUPT', 'The bytes of a file are lost', { details: { digest } });
    await this.#write(store.putBlob(log, name, bytes));
  }

  #write(writing: Promise<void>): Promise<void> {
    this.#writing = writing;
    return this.#inTime(writing);
  }

  #inTime<T>(promise: Promise<T>): Promise<T> {
    const { clock, limitMs } = this.#options;
    return storeInTime(clock, limitMs, promise);
  }
}
