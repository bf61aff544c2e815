import { decodeEvent, type WorkerEvent } from '../contracts/event.ts';
import { apply } from '../domain/fold.ts';
import type { Draft } from '../domain/state.ts';
import type { LogPosition } from '../log/cursor.ts';
import { linesOf, positionAfter, textOf } from '../log/lines.ts';

const rethrow = (cause: unknown): never => {
  throw cause;
};

/**
 * Folds lines into the draft. Skips lines that the draft already contains, lines that cannot be parsed, and, if `unapplied` returns, events
 * that have another form than their type.
 */
export const fold = (
  draft: Draft,
  lines: Uint8Array,
  first: { readonly seq: number; readonly offset: number },
  unapplied: (cause: unknown) => void = rethrow,
): LogPosition => {
  let at: LogPosition = draft.head;
  for (const line of linesOf({ lines, first })) {
    if (line.seq <= draft.head.seq) continue;
    let event: WorkerEvent | null = null;
    try {
      event = decodeEvent(textOf(line));
    } catch {
      // the store reports damaged logs
    }
    try {
      if (event) apply(draft, event, at);
    } catch (cause) {
      unapplied(cause);
    }
    at = positionAfter(line);
  }
  return at;
};
