import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { type ErrorCode, RuntimeError } from '@worker-runtime/core';

/** One command or refusal: who, from where, what, and what came of it. It has no content of the request or the answer. */
export interface AuditLine {
  readonly time: string;
  /** The name of the person; null if the request had no valid credential. */
  readonly who: string | null;
  /** The id of the session or the API token. */
  readonly credential: string | null;
  readonly from: string | null;
  readonly workspace: string;
  /** The method and the path, without the query. */
  readonly action: string;
  readonly runtime: string | null;
  readonly worker: string | null;
  readonly status: number;
  readonly code: ErrorCode | null;
  readonly correlationId: string;
  /** The number of requests of the same sender before this one that changed nothing and have no line, because they were too many. */
  readonly omitted?: number;
}

/** The number of files: the current one, and older ones, of which `audit.jsonl.1` is the newest. */
export const AUDIT_FILES = 6;
/** More than any line has. */
export const MAX_LINE_BYTES = 8_192;

const READS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** True for a method that may change something. */
export const isCommand = (method: string | undefined): boolean => !READS.has(method ?? '');

/**
 * A file with one JSON line for each command or refusal. A line is written before the answer, by a call that returns when the
 * system has it: a process that is killed has written the lines of all answers that it has sent.
 */
export class AuditLog {
  readonly #path: string;
  readonly #maxBytes: number;
  #file: number;
  #bytes: number;
  #hasFailed = false;

  /** @throws PLUGIN_FAILED the file cannot be opened */
  constructor(path: string, maxBytes: number) {
    this.#path = path;
    this.#maxBytes = maxBytes;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    try {
      this.#file = openSync(path, 'a+', 0o600);
      this.#bytes = fstatSync(this.#file).size;
      this.#endTornLine();
    } catch (cause) {
      throw new RuntimeError('PLUGIN_FAILED', `The audit log cannot be opened: ${path}`, { cause });
    }
  }

  /** Writes a line. @throws STORE_UNAVAILABLE the line is not written */
  write(line: AuditLine): void {
    this.#append(`${JSON.stringify(line)}\n`);
  }

  /**
   * Refuses a command whose line could probably not be written, before anything is done.
   * @throws STORE_UNAVAILABLE the last write failed, and fails still
   */
  assertWritable(): void {
    // readers skip an empty line
    if (this.#hasFailed) this.#append('\n', MAX_LINE_BYTES);
  }

  close(): void {
    closeSync(this.#file);
  }

  /** `room` is the number of bytes that must fit into the file. */
  #append(text: string, room = 0): void {
    const bytes = Buffer.from(text);
    this.#hasFailed = true;
    try {
      if (this.#bytes > 0 && this.#bytes + Math.max(bytes.length, room) > this.#maxBytes) this.#rotate();
      let written = 0;
      while (written < bytes.length) written += writeSync(this.#file, bytes, written);
      this.#bytes += bytes.length;
    } catch (cause) {
      throw new RuntimeError('STORE_UNAVAILABLE', 'The audit log cannot be written', { cause });
    }
    this.#hasFailed = false;
  }

  /** A process that was killed in the middle of a line leaves a part of it. */
  #endTornLine(): void {
    if (this.#bytes === 0) return;
    const last = Buffer.alloc(1);
    readSync(this.#file, last, 0, 1, this.#bytes - 1);
    if (last.toString() !== '\n') this.#append('\n');
  }

  #rotate(): void {
    for (let older = AUDIT_FILES - 2; older >= 0; older--) {
      const from = older === 0 ? this.#path : `${this.#path}.${older}`;
      if (statSync(from, { throwIfNoEntry: false })) renameSync(from, `${this.#path}.${older + 1}`);
    }
    const file = openSync(this.#path, 'a+', 0o600);
    closeSync(this.#file);
    this.#file = file;
    this.#bytes = 0;
  }
}
