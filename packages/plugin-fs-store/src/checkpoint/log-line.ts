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

/** The offset of the id of a log in its line, and that of the id of its Worker after it. */
export const LOG_AT = LOG.length;
export const WORKER_AFTER = WORKER.length;

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

/** The members of one line of a log in its usual form. One object reads many lines, because a store may have very many. */
export class LogLineReader {
  logEnd = 0;
  workerEnd = 0;
  seq = 0;
  bytes = 0;
  keyBytes = 0;
  /** The begin of the snapshot; the end of the line without one. */
  valueAt = 0;

  /** Reads the line in a range. Returns false for any other form. */
  read(bytes: Buffer, from: number, to: number): boolean {
    if (!isAt(bytes, from, LOG)) return false;
    this.logEnd = endOfText(bytes, from + LOG.length, to);
    if (this.logEnd < 0 || !isAt(bytes, this.logEnd, WORKER)) return false;
    this.workerEnd = endOfText(bytes, this.logEnd + WORKER.length, to);
    if (this.workerEnd < 0 || !isAt(bytes, this.workerEnd, SEQ)) return false;
    const seq = this.workerEnd + SEQ.length;
    const seqEnd = endOfNumber(bytes, seq);
    if (seqEnd < 0 || !isAt(bytes, seqEnd, BYTES)) return false;
    const length = seqEnd + BYTES.length;
    const lengthEnd = endOfNumber(bytes, length);
    if (lengthEnd < 0 || !isAt(bytes, lengthEnd, KEY_BYTES)) return false;
    const keys = lengthEnd + KEY_BYTES.length;
    const keysEnd = endOfNumber(bytes, keys);
    if (keysEnd < 0) return false;
    const isLast = keysEnd === to - 1 && bytes[keysEnd] === BRACE;
    if (!isLast && !isAt(bytes, keysEnd, VALUE)) return false;
    this.seq = numberIn(bytes, seq, seqEnd);
    this.bytes = numberIn(bytes, length, lengthEnd);
    this.keyBytes = numberIn(bytes, keys, keysEnd);
    this.valueAt = isLast ? to : keysEnd + VALUE.length;
    return true;
  }
}

const reader = new LogLineReader();

/** Decodes the line of a log in its usual form. The snapshot in it stays bytes. Returns null for any other form. */
export const decodeLogLine = (bytes: Buffer, from: number, to: number): LogEntry | null => {
  if (!reader.read(bytes, from, to)) return null;
  const { logEnd, workerEnd, seq, bytes: length, keyBytes, valueAt } = reader;
  const log = bytes.toString('latin1', from + LOG_AT, logEnd);
  const workerId = bytes.toString('latin1', logEnd + WORKER_AFTER, workerEnd);
  const entry = new LogEntry(log, workerId, { seq, bytes: length, keyBytes });
  if (valueAt < to) entry.snapshot = new CatalogSnapshot(entry.filed, bytes, valueAt, to - 1);
  return entry;
};
