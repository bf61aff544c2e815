import type { JsonValue } from '@worker-runtime/core';
import { endOfText, isAt } from './json-bytes.ts';
import { FORMAT_VERSION } from './layout.ts';
import { SUM_BYTES, sealLine, valueOfLine } from './sealed-line.ts';

/** The content of `worker.json`: one sealed line, written once. */
export interface WorkerDocument {
  readonly version: number;
  readonly log: string;
  readonly workerId: string;
  readonly record: JsonValue;
}

export const encodeDocument = (log: string, workerId: string, record: JsonValue): string =>
  sealLine(JSON.stringify({ version: FORMAT_VERSION, log, workerId, record } satisfies WorkerDocument));

const LOG = Buffer.from(`{"version":${FORMAT_VERSION},"log":"`);
const WORKER_ID = Buffer.from('","workerId":"');

/**
 * Returns the id of the Worker in a document in a range, with its final newline. The checksum of the document is that of bytes which
 * were compared with another one before. Returns null if there is no document.
 */
export const workerIdIn = (bytes: Buffer, at: number, to: number): string | null => {
  const logAt = at + SUM_BYTES + LOG.length;
  const logEnd = isAt(bytes, at + SUM_BYTES, LOG) ? endOfText(bytes, logAt, to) : -1;
  const from = logEnd + WORKER_ID.length;
  const end = logEnd >= 0 && isAt(bytes, logEnd, WORKER_ID) ? endOfText(bytes, from, to) : -1;
  if (end >= 0) return bytes.toString('latin1', from, end);
  return decodeDocument(bytes.subarray(at, to))?.workerId ?? null;
};

/** Decodes a document, with or without its final newline. Returns null if it is damaged. */
export const decodeDocument = (text: Buffer): WorkerDocument | null => {
  const end = text.length > 0 && text[text.length - 1] === 0x0a ? text.length - 1 : text.length;
  return (valueOfLine(text, 0, end) as WorkerDocument | undefined) ?? null;
};
