import type { JsonValue } from '@worker-runtime/core';
import { endOfText, isAt } from './json-bytes.ts';
import { FORMAT_VERSION } from './layout.ts';
import { sealLine, unsealLine, valueOfLine } from './sealed-line.ts';

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

/** Returns the id of the Worker in a document, with its final newline. Returns null if the document is damaged. */
export const workerIdIn = (text: Buffer): string | null => {
  const json = unsealLine(text, 0, text.length - 1);
  if (!json) return null;
  const logEnd = isAt(json, 0, LOG) ? endOfText(json, LOG.length, json.length) : -1;
  const from = logEnd + WORKER_ID.length;
  const end = logEnd >= 0 && isAt(json, logEnd, WORKER_ID) ? endOfText(json, from, json.length) : -1;
  return end < 0 ? (decodeDocument(text)?.workerId ?? null) : json.toString('latin1', from, end);
};

/** Decodes a document, with or without its final newline. Returns null if it is damaged. */
export const decodeDocument = (text: Buffer): WorkerDocument | null => {
  const end = text.length > 0 && text[text.length - 1] === 0x0a ? text.length - 1 : text.length;
  return (valueOfLine(text, 0, end) as WorkerDocument | undefined) ?? null;
};
