import type { JsonValue } from '@worker-runtime/core';
import { FORMAT_VERSION } from './layout.ts';
import { sealLine, valueOfLine } from './sealed-line.ts';

/** The content of `worker.json`: one sealed line, written once. */
export interface WorkerDocument {
  readonly version: number;
  readonly log: string;
  readonly workerId: string;
  readonly record: JsonValue;
}

export const encodeDocument = (log: string, workerId: string, record: JsonValue): string =>
  sealLine(JSON.stringify({ version: FORMAT_VERSION, log, workerId, record } satisfies WorkerDocument));

/** Decodes a document, with or without its final newline. Returns null if it is damaged. */
export const decodeDocument = (text: Buffer): WorkerDocument | null => {
  const end = text.length > 0 && text[text.length - 1] === 0x0a ? text.length - 1 : text.length;
  return (valueOfLine(text, 0, end) as WorkerDocument | undefined) ?? null;
};
