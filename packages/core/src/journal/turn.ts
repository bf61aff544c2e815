import { crc32 } from 'node:zlib';
import { encodeData, encodeEvent, envelope, type NewEvent, type WorkerEvent } from '../contracts/event.ts';
import { outputTooLarge, RuntimeError } from '../contracts/runtime-error.ts';
import type { Batch, KeyEntry } from '../contracts/store.ts';
import { apply } from '../domain/fold.ts';
import { growthBy } from '../domain/growth.ts';
import { type Building, draftOf, type WorkerState } from '../domain/state.ts';
import type { LogPosition } from '../log/cursor.ts';
import type { ByteSum } from '../workers/byte-sum.ts';
import type { LineWriter } from './line-writer.ts';
import type { Patience } from './patience.ts';

/** The committed result of one decision. */
export interface Commit {
  /** The position before its first event. */
  readonly before: LogPosition;
  /** The position after its last event. */
  readonly after: LogPosition;
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
  /** The result of the last turn; null if the turn rejected it. `state` is set when the batch is durable. Owned by the journal. */
  commit: Building<Commit> | null;
  /** True if the result ends a run, an execution or the Worker. Owned by the journal. */
  isEnding: boolean;
}

/** How long a decision waits for the store. */
export interface Waiting {
  /** The time at which the decision is refused at the latest. */
  readonly untilMs: number;
  /** The delay before the next attempt. */
  delayMs: number;
}

/** Decisions that were made together: the state after their events, and the one batch to append. */
export interface Turn {
  /** Those that were not rejected. */
  readonly accepted: readonly Decision[];
  readonly state: WorkerState;
  readonly batch: Batch;
  /** The bytes that the decisions add to the states. They are reserved until the state is measured, or the batch refused. */
  readonly reserved: number;
}

/** The parts that the turns of all Workers share. */
export interface TurnContext {
  readonly lines: LineWriter;
  /** The current time, but never earlier than `notBefore`. */
  readonly now: (notBefore: string) => string;
  readonly eventBytes: number;
  /** The size of the states of all Workers. */
  readonly states: ByteSum;
}

/** The types of events that a store should accept even if its space is used up. */
const ENDINGS = new Set<WorkerEvent['type']>([
  'run.finished',
  'execution.detached',
  'worker.stopped',
  'worker.deleted',
]);

type Head = Building<LogPosition>;

const NO_EVENTS: readonly WorkerEvent[] = [];
const NO_BATCH: Batch = { lines: new Uint8Array(0), count: 0 };

/**
 * Makes decisions one after the other, each on the state that the previous one leaves. A decision that throws is
 * rejected with a RuntimeError and leaves no event. Events are numbered and encoded here, once: disk, memory and wires
 * carry the bytes of the batch. The function is synchronous, so that nothing can change a state between its reading and
 * the decision.
 *
 * Hot path: most turns have one decision with one event, so nothing is allocated here for what only larger turns need.
 */
export const takeTurn = (from: WorkerState, decisions: readonly Decision[], context: TurnContext): Turn => {
  const { lines } = context;
  /** The heads whose checksums are needed, but for the last one. */
  const heads: Head[] = [];
  const batch: Building<Batch> = { lines: NO_BATCH.lines, count: 0 };
  let state = from;
  let head: Head | null = null;
  let keys: KeyEntry[] | null = null;
  let isEssential = true;
  let isBeginning = true;
  let reserved = 0;
  let isAnyRejected = false;
  for (const decision of decisions) {
    const { key, patience } = decision;
    const written = lines.length;
    const summed = heads.length;
    const before = state.head;
    decision.commit = null;
    decision.isEnding = false;
    try {
      const decided = decision.decide(state);
      if (decided.length === 0) {
        decision.commit = { before, after: before, events: NO_EVENTS, state };
        continue;
      }
      if (head) heads.push(head);
      const draft = draftOf(state);
      const events = new Array<WorkerEvent>(decided.length);
      let last: Head = before;
      let growth = 0;
      for (let at = 0; at < decided.length; at += 1) {
        const event = decided[at] as NewEvent;
        // the state keeps the position before a run, so its checksum is needed too
        if (event.type === 'run.started' && at > 0) heads.push(last);
        const seq = last.seq + 1;
        const time = context.now(draft.updatedAt);
        const bytes = lines.write(`${encodeEvent(seq, time, draft.workerId, event, encodeData(event))}\n`);
        if (bytes > context.eventBytes) {
          throw outputTooLarge('eventBytes', context.eventBytes, 'The event exceeds the limit for one event');
        }
        const numbered = envelope(seq, time, draft.workerId, event);
        events[at] = numbered;
        growth += growthBy(draft, event);
        apply(draft, numbered, last);
        last = { seq, offset: last.end, end: last.end + bytes, sum: 0 };
        draft.head = last;
        // outputs that fill a full store are refused, also if the end of their run comes with them
        if (patience === null && ENDINGS.has(event.type)) decision.isEnding = true;
      }
      if (growth > 0) {
        context.states.take(growth);
        reserved += growth;
      }
      if (key) {
        keys ??= [];
        keys.push({ hash: key.hash, digest: key.digest, seq: before.seq + 1, offset: before.end });
      }
      decision.commit = { before, after: last, events, state };
      batch.count += events.length;
      isEssential &&= decision.isEnding;
      isBeginning &&= events[0]?.type === 'input.accepted';
      head = last;
      state = draft;
    } catch (error) {
      lines.cut(written);
      heads.length = summed;
      isAnyRejected = true;
      decision.reject(RuntimeError.from(error));
    }
  }
  const accepted = isAnyRejected ? decisions.filter(({ commit }) => commit !== null) : decisions;
  if (!head) return { accepted, state: from, batch: NO_BATCH, reserved: 0 };
  batch.lines = lines.take();
  const start = from.head.end;
  // computed from the encoded batch, which is cheaper than encoding each last line again
  for (const earlier of heads) {
    earlier.sum = crc32(batch.lines.subarray(earlier.offset - start, earlier.end - start));
  }
  head.sum = crc32(head.offset === start ? batch.lines : batch.lines.subarray(head.offset - start));
  if (keys) batch.keys = keys;
  if (isEssential) batch.isEssential = true;
  if (isBeginning) batch.isBeginning = true;
  return { accepted, state, batch, reserved };
};
