import { LogEntry } from '../files/log-entry.ts';
import { endOfText, isAt } from '../layout/json-bytes.ts';
import { CatalogSnapshot } from './catalog-snapshot.ts';

/*
 * The lines of logs are almost the whole catalog, and all of them are read when the store opens. The usual form is therefore read from
 * the bytes: `{"log":"…","worker":"…","seq":1,"bytes":2,"keyBytes":3,"value":…}`. Any other form, such as one with `at`, is left to
 * JSON.parse.
 */

const LOG = Buffer.from('{"log":"');
const WORKER = Buffer.from('","worker":"');
const SEQ = Buffer.from('","seq":');
const BYTES = Buffer.from(',"bytes":');
const KEY_BYTES = Buffer.from(',"keyBytes":');
const VALUE = Buffer.from(',"value":');

const BRACE = 0x7d;
const ZERO = 0x30;
/** Numbers with more digits may not be exact. */
const MOST_DIGITS = 15;

/** Returns the end of a whole number, or -1 if there is none. */
const endOfNumber = (bytes: Buffer, from: number): number => {
  let at = from;
  while (at <= from + MOST_DIGITS && (bytes[at] as number) >= ZERO && (bytes[at] as number) <= ZERO + 9)
    at += 1;
  const digits = at - from;
  return digits === 0 || digits > MOST_DIGITS || (digits > 1 && bytes[from] === ZERO) ? -1 : at;
};

const numberIn = (bytes: Buffer, from: number, to: number): number => {
  let value = 0;
  for (let at = from; at < to; at++) value = value * 10 + (bytes[at] as number) - ZERO;
  return value;
};

/** Decodes the line of a log in its usual form. The snapshot in it stays bytes. Returns null for any other form. */
export const decodeLogLine = (bytes: Buffer, from: number, to: number): LogEntry | null => {
  if (!isAt(bytes, from, LOG)) return null;
  const log = from + LOG.length;
  const logEnd = endOfText(bytes, log, to);
  if (logEnd < 0 || !isAt(bytes, logEnd, WORKER)) return null;
  const worker = logEnd + WORKER.length;
  const workerEnd = endOfText(bytes, worker, to);
  if (workerEnd < 0 || !isAt(bytes, workerEnd, SEQ)) return null;
  const seq = workerEnd + SEQ.length;
  const seqEnd = endOfNumber(bytes, seq);
  if (seqEnd < 0 || !isAt(bytes, seqEnd, BYTES)) return null;
  const length = seqEnd + BYTES.length;
  const lengthEnd = endOfNumber(bytes, length);
  if (lengthEnd < 0 || !isAt(bytes, lengthEnd, KEY_BYTES)) return null;
  const keys = lengthEnd + KEY_BYTES.length;
  const keysEnd = endOfNumber(bytes, keys);
  if (keysEnd < 0) return null;
  const isLast = keysEnd === to - 1 && bytes[keysEnd] === BRACE;
  if (!isLast && !isAt(bytes, keysEnd, VALUE)) return null;
  const entry = new LogEntry(
    bytes.toString('latin1', log, logEnd),
    bytes.toString('latin1', worker, workerEnd),
    {
      seq: numberIn(bytes, seq, seqEnd),
      bytes: numberIn(bytes, length, lengthEnd),
      keyBytes: numberIn(bytes, keys, keysEnd),
    },
  );
  if (!isLast) entry.snapshot = new CatalogSnapshot(entry.filed, bytes, keysEnd + VALUE.length, to - 1);
  return entry;
};
