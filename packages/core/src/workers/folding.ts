import { decodeEvent, type WorkerEvent } from '../contracts/event.ts';
import { apply } from '../domain/fold.ts';
import type { Draft } from '../domain/state.ts';
import type { LogPosition } from '../log/cursor.ts';
import { linesOf, positionAfter, textOf } from '../log/lines.ts';

/** Folds lines into the draft. Skips lines that the draft already contains, and lines that cannot be parsed. */
export const fold = (
  draft: Draft,
  lines: Uint8Array,
  first: { readonly seq: number; readonly offset: number },
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
    if (event) apply(draft, event, at);
    at = positionAfter(line);
  }
  return at;
};
