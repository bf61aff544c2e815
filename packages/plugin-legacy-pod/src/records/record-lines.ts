import type { JsonObject } from '@worker-runtime/core';
import { parseObject } from './record-fields.ts';

/** What could not be read, and where; never what it said or in which file it stands. */
export interface Loss {
  readonly reason: 'torn' | 'unreadable' | 'encoding' | 'unknown-kind';
  /** 1 is the first. */
  readonly line: number;
  /** Bytes before it. */
  readonly offset: number;
}

export interface RecordLines {
  readonly records: readonly {
    readonly record: JsonObject;
    readonly line: number;
    readonly offset: number;
  }[];
  readonly losses: readonly Loss[];
}

const BEGIN = '{"kind":"';
/** Where a record may begin, in one line: a hostile one is not searched without end. */
const MOST_STARTS = 64;

const strict = new TextDecoder('utf-8', { fatal: true });

/** Only a record of the log itself has a time: an item inside a broken one has not, and is not taken for one. */
const recordIn = (text: string): JsonObject | null => {
  const record = parseObject(text);
  return record && typeof record.kind === 'string' && typeof record.ts === 'number' ? record : null;
};

interface Salvaged {
  readonly record: JsonObject;
  readonly from: number;
  readonly to: number;
}

/**
 * The records that a line holds where it is not one: a writer that was killed leaves the front of a record, and the
 * next one goes on behind it on the same line.
 */
const salvage = (text: string): readonly Salvaged[] => {
  const starts: number[] = [];
  for (
    let at = text.indexOf(BEGIN);
    at !== -1 && starts.length < MOST_STARTS;
    at = text.indexOf(BEGIN, at + 1)
  )
    starts.push(at);
  const found: Salvaged[] = [];
  for (let next = 0; next < starts.length; ) {
    const from = starts[next] as number;
    // the end of the line first: what is whole up to there needs no boundary
    const ends = [text.length, ...starts.slice(next + 1)];
    const to = ends.find((end) => recordIn(text.slice(from, end)) !== null);
    const record = to === undefined ? null : recordIn(text.slice(from, to));
    if (record && to !== undefined) {
      found.push({ record, from, to });
      while (next < starts.length && (starts[next] as number) < to) next += 1;
    } else next += 1;
  }
  return found;
};

/**
 * The records of a session log, one a line, read leniently: whatever is readable is returned, and each thing that is
 * not is a loss.
 */
export const readRecordLines = (bytes: Uint8Array): RecordLines => {
  const records: { record: JsonObject; line: number; offset: number }[] = [];
  const losses: Loss[] = [];
  let line = 0;
  for (let offset = 0; offset < bytes.length; ) {
    line += 1;
    const newline = bytes.indexOf(0x0a, offset);
    const end = newline === -1 ? bytes.length : newline;
    const raw = bytes.subarray(offset, end);
    let text: string;
    let isWhole = true;
    try {
      text = strict.decode(raw);
    } catch {
      text = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString('utf8');
      isWhole = false;
    }
    if (text.trim() !== '') {
      const record = recordIn(text);
      if (record) {
        records.push({ record, line, offset });
        if (!isWhole) losses.push({ reason: 'encoding', line, offset });
      } else {
        const found = salvage(text);
        for (const one of found)
          records.push({
            record: one.record,
            line,
            offset: offset + Buffer.byteLength(text.slice(0, one.from)),
          });
        // two whole records that only miss the line end between them are no loss
        const kept = found.reduce((sum, { from, to }) => sum + text.slice(from, to).trim().length, 0);
        if (!isWhole || kept !== text.trim().length)
          losses.push({
            reason: newline === -1 ? 'torn' : isWhole ? 'unreadable' : 'encoding',
            line,
            offset,
          });
      }
    }
    offset = end + 1;
  }
  return { records, losses };
};
