import { crc32 } from 'node:zlib';
import { encodeEvent, envelope, type NewEvent, type WorkerEvent } from '../contracts/event.ts';
import { outputTooLarge, RuntimeError } from '../contracts/runtime-error.ts';
import type { Batch, KeyEntry } from '../contracts/store.ts';
import { growthBy } from '../domain/growth.ts';
import { apply, type Draft, type WorkerState } from '../domain/state.ts';
import type { LogPosition } from '../log/cursor.ts';
import type { ByteSum } from '../workers/byte-sum.ts';
import type { Patience } from './patience.ts';

/** The committed result of one decision. */
export interface Commit {
  /** The position before its first event. */
  readonly before: LogPosition;
  readonly events: readonly WorkerEvent[];
  /** The state after all events that were committed in the same batch. */
  readonly state: WorkerState;
}

/** One decision that waits for the Worker's turn. */
export interface Decision {
  readonly decide: (state: WorkerState) => readonly NewEvent[];
  /** An idempotency key to store with the first event. */
  readonly key: Pick<KeyEntry, 'hash' | 'digest'> | null;
  /** Called in log order, right after the events are applied and before they are published. */
  readonly applied: ((commit: Commit) => void) | null;
  readonly resolve: (commit: Commit) => void;
  readonly reject: (error: unknown) => void;
  /** Set for a decision that may wait for a store that is away, and be made again after an append that was lost. */
  readonly patience: Patience | null;
  /** Set once the decision waits. Owned by the journal. */
  waiting: Waiting | null;
}

/** How long a decision waits for the store. */
export interface Waiting {
  /** The time at which the decision is refused at the latest. */
  readonly untilMs: number;
  /** The delay before the next attempt. */
  delayMs: number;
}

/** Decisions that were made together: their events, the state after them, and the one batch to append. */
export interface Turn {
  readonly accepted: readonly {
    readonly decision: Decision;
    readonly before: LogPosition;
    readonly events: readonly WorkerEvent[];
    /** True if the decision ends a run, an execution or the Worker. */
    readonly isEnding: boolean;
  }[];
  readonly state: WorkerState;
  readonly batch: Batch;
  /** Ends the reservations of what the decisions add to the state. To be called once the state is measured, or refused. */
  readonly release: () => void;
}

/** The types of events that a store should accept even if its space is used up. */
const ENDINGS = new Set<WorkerEvent['type']>([
  'run.finished',
  'execution.detached',
  'worker.stopped',
  'worker.deleted',
]);

type Head = { -readonly [K in keyof LogPosition]: LogPosition[K] };

const NOTHING = (): void => {};
const NO_BATCH: Batch = { lines: new Uint8Array(0), count: 0 };

/**
 * Makes decisions one after the other, each on the state that the previous one leaves. A decision that throws is
 * rejected with a RuntimeError and leaves no event. Events are numbered and encoded here, once: disk, memory and wires carry the bytes of
 * the batch. The function is synchronous, so that nothing can change a state between its reading and the decision.
 */
export const takeTurn = (
  from: WorkerState,
  decisions: readonly Decision[],
  now: (notBefore: string) => string,
  eventBytes: number,
  states: ByteSum,
): Turn => {
  const draft: Draft = { ...from };
  const accepted: Turn['accepted'][number][] = [];
  const keys: KeyEntry[] = [];
  const heads: Head[] = [];
  let text = '';
  let count = 0;
  let isEssential = true;
  let isBeginning = true;
  let reserved = 0;
  for (const decision of decisions) {
    const before = draft.head;
    let isEnding = false;
    try {
      const events: WorkerEvent[] = [];
      const positions: LogPosition[] = [];
      let added = '';
      let growth = 0;
      let head: Head = before;
      for (const event of decision.decide(draft)) {
        const seq = head.seq + 1;
        const time = now(draft.updatedAt);
        const line = `${encodeEvent(seq, time, draft.workerId, event)}\n`;
        const bytes = Buffer.byteLength(line);
        if (bytes > eventBytes) {
          throw outputTooLarge('eventBytes', eventBytes, 'The event exceeds the limit for one event');
        }
        positions.push(head);
        // the state keeps the position before a run, so its checksum is needed too
        if (event.type === 'run.started' && events.length > 0) heads.push(head);
        head = { seq, offset: head.end, end: head.end + bytes, sum: 0 };
        added += line;
        events.push(envelope(seq, time, draft.workerId, event));
        // outputs that fill a full store are refused, also if the end of their run comes with them
        isEnding ||= decision.patience === null && ENDINGS.has(event.type);
        growth += growthBy(draft, event);
      }
      if (growth > 0) {
        states.take(growth);
        reserved += growth;
      }
      if (events.length > 0) {
        for (let at = 0; at < events.length; at += 1)
          apply(draft, events[at] as WorkerEvent, positions[at] as LogPosition);
        draft.head = head;
        heads.push(head);
        if (decision.key) keys.push({ ...decision.key, seq: before.seq + 1, offset: before.end });
        text += added;
        count += events.length;
        isEssential &&= isEnding;
        isBeginning &&= events[0]?.type === 'input.accepted';
      }
      accepted.push({ decision, before, events, isEnding });
    } catch (error) {
      decision.reject(RuntimeError.from(error));
    }
  }
  if (count === 0) return { accepted, state: from, batch: NO_BATCH, release: NOTHING };
  const lines = Buffer.from(text);
  const base = from.head.end;
  // computed from the encoded batch, which is cheaper than encoding each last line again
  for (const head of heads) {
    const start = head.offset - base;
    const end = head.end - base;
    head.sum = crc32(start === 0 && end === lines.length ? lines : lines.subarray(start, end));
  }
  const batch = {
    lines,
    count,
    ...(keys.length > 0 && { keys }),
    ...(isEssential && { isEssential }),
    ...(isBeginning && { isBeginning }),
  };
  const release = reserved === 0 ? NOTHING : () => states.add(-reserved);
  return { accepted, state: draft, batch, release };
};
