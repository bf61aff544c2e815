import { crc32 } from 'node:zlib';
import { encodeEvent, type NewEvent, type WorkerEvent } from '../contracts/event.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type { Batch, KeyEntry } from '../contracts/store.ts';
import { apply, type Draft, type WorkerState } from '../domain/state.ts';
import type { LogPosition } from '../log/cursor.ts';

/** What a decision became. */
export interface Commit {
  /** Just before its first event. */
  readonly before: LogPosition;
  readonly events: readonly WorkerEvent[];
  /** After all that was committed with it. */
  readonly state: WorkerState;
}

/** One decision that waits for its turn. */
export interface Decision {
  readonly decide: (state: WorkerState) => readonly NewEvent[];
  /** To be kept with the first event. */
  readonly key: Pick<KeyEntry, 'hash' | 'digest'> | null;
  /** Called in the order of the log, right after the events are applied and before anyone is told. */
  readonly applied: ((commit: Commit) => void) | null;
  readonly resolve: (commit: Commit) => void;
  readonly reject: (error: unknown) => void;
}

/** Decisions made together: what they became, the state behind them, and the one batch to write. */
export interface Turn {
  readonly accepted: readonly {
    readonly decision: Decision;
    readonly before: LogPosition;
    readonly events: readonly WorkerEvent[];
  }[];
  readonly state: WorkerState;
  readonly batch: Batch;
}

type Head = { -readonly [K in keyof LogPosition]: LogPosition[K] };

const NO_BATCH: Batch = { lines: new Uint8Array(0), count: 0 };

/**
 * Makes decisions one after the other, each on the state that the one before it leaves; those that refuse are
 * rejected and leave nothing. Events are numbered and encoded here, once: the bytes of the batch are what disk,
 * memory and wires carry. Synchronous, so nothing can come between a state and what is made of it.
 */
export const takeTurn = (
  from: WorkerState,
  decisions: readonly Decision[],
  now: (notBefore: string) => string,
  eventBytes: number,
): Turn => {
  const draft: Draft = { ...from };
  const accepted: Turn['accepted'][number][] = [];
  const keys: KeyEntry[] = [];
  const heads: Head[] = [];
  let text = '';
  let count = 0;
  for (const decision of decisions) {
    const before = draft.head;
    try {
      const events: WorkerEvent[] = [];
      let added = '';
      const head: Head = { ...before };
      for (const event of decision.decide(draft)) {
        const seq = head.seq + 1;
        const time = now(draft.updatedAt);
        const line = `${encodeEvent(seq, time, draft.workerId, event)}\n`;
        const bytes = Buffer.byteLength(line);
        if (bytes > eventBytes) {
          throw new RuntimeError('OUTPUT_TOO_LARGE', 'An event is larger than the limit', {
            details: { limit: 'eventBytes', value: eventBytes },
          });
        }
        head.seq = seq;
        head.offset = head.end;
        head.end += bytes;
        added += line;
        events.push({ seq, time, worker: draft.workerId, ...event });
      }
      if (events.length > 0) {
        for (const event of events) apply(draft, event);
        draft.head = head;
        heads.push(head);
        if (decision.key) keys.push({ ...decision.key, seq: before.seq + 1, offset: before.end });
        text += added;
        count += events.length;
      }
      accepted.push({ decision, before, events });
    } catch (error) {
      decision.reject(error);
    }
  }
  if (count === 0) return { accepted, state: from, batch: NO_BATCH };
  const lines = Buffer.from(text);
  const base = from.head.end;
  // summed where the bytes are, which is cheaper than encoding each last line once more
  for (const head of heads) head.sum = crc32(lines.subarray(head.offset - base, head.end - base));
  return { accepted, state: draft, batch: { lines, count, ...(keys.length > 0 && { keys }) } };
};
