import type { JsonObject } from '@worker-runtime/core';
import { parseObject } from './record-fields.ts';

/** A part of a session log that could not be read. It contains neither the text of that part nor the file's name. */
export interface Loss {
  readonly reason: 'torn' | 'unreadable' | 'encoding' | 'unknown-kind';
  /** The number of the line. The first line is 1. */
  readonly line: number;
  /** The number of bytes before it. */
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
/** The number of possible beginnings of a record that are tried in one line. Bounds the search in a hostile line. */
const MAX_STARTS = 64;

const strict = new TextDecoder('utf-8', { fatal: true });

/** Parses a record. Requires a time, because an item inside a damaged record looks like a record but has no time. */
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
 * Finds the records in a line that is not one whole record. A writer that was killed leaves an incomplete record, and
 * the next record follows on the same line.
 */
const salvage = (text: string): readonly Salvaged[] => {
  const starts: number[] = [];
  for (
    let at = text.indexOf(BEGIN);
    at !== -1 && starts.length < MAX_STARTS;
    at = text.indexOf(BEGIN, at + 1)
  )
    starts.push(at);
  const found: Salvaged[] = [];
  for (let next = 0; next < starts.length; ) {
    const from = starts[next] as number;
    // The end of the line is tried first: a record that is complete up to there may contain the text of a beginning.
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

/** Reads the records of a session log. Returns all readable records, and a loss for each unreadable part. */
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
        // Nothing is lost if two complete records only lack the line end between them.
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
