import { writeSync } from 'node:fs';
import { setNonBlocking } from './standard-stream.ts';

/** The most bytes that wait for the reader. While they wait, further lines are dropped and counted. */
const LIMIT_BYTES = 1_048_576;

/** Pauses between attempts: for a reader that is behind, and after any other failure, such as a full disk. */
const BEHIND_MS = 20;
const FAILED_MS = 1_000;

/** At exit, each attempt to write is followed by a pause, up to these numbers of attempts. */
const FLUSH_PAUSE_MS = 10;
const FLUSH_ATTEMPTS = 200;
const FLUSH_ATTEMPTS_WITHOUT_PROGRESS = 25;

/**
 * Writes the lines of the log to standard error without waiting for a reader. A full pipe, a paused terminal or a full
 * disk must not stop the process: lines wait in a bounded buffer, and lines beyond it are dropped and counted. While the
 * reader keeps pace, a line is written before `write` returns, so that a process that is killed has written its last
 * lines. `flush` writes what waits before the process exits.
 */
export class LogDestination {
  readonly #reportDropped: (lines: number) => void;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #dropped = 0;
  #retry: NodeJS.Timeout | null = null;

  /** `reportDropped` is called once there is room again. It writes a line that says how many lines were dropped. */
  constructor(reportDropped: (lines: number) => void) {
    this.#reportDropped = reportDropped;
  }

  write(line: string): void {
    const bytes = Buffer.from(line);
    const isFull = this.#waitingBytes > 0 && this.#waitingBytes + bytes.length > LIMIT_BYTES;
    if (isFull || this.#dropped > 0) {
      this.#dropped += 1;
      return;
    }
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#retry === null) this.#drain();
  }

  /** Writes what waits, and blocks until the reader has taken it. Stops early if the reader takes nothing for a moment. */
  flush(): void {
    this.#endDropping();
    const never = new Int32Array(new SharedArrayBuffer(4));
    let idle = 0;
    for (let attempt = 0; attempt < FLUSH_ATTEMPTS && idle < FLUSH_ATTEMPTS_WITHOUT_PROGRESS; attempt++) {
      const before = this.#waitingBytes;
      const failure = this.#writeWaiting();
      if (this.#waitingBytes === 0 || (failure !== null && failure !== 'EAGAIN')) return;
      idle = this.#waitingBytes < before ? 0 : idle + 1;
      Atomics.wait(never, 0, 0, FLUSH_PAUSE_MS);
    }
  }

  /** Writes what the reader takes now, and tries again later if something is left. */
  #drain(): void {
    const failure = this.#writeWaiting();
    // half of the buffer has to be free, so that a slow reader does not receive a report with every other line
    if (this.#waitingBytes <= LIMIT_BYTES / 2) this.#endDropping();
    // the report is a line too, and may have set the timer
    if (this.#waitingBytes === 0 || this.#retry !== null) return;
    this.#retry = setTimeout(
      () => {
        this.#retry = null;
        this.#drain();
      },
      failure === null || failure === 'EAGAIN' ? BEHIND_MS : FAILED_MS,
    ).unref();
  }

  #endDropping(): void {
    const lines = this.#dropped;
    this.#dropped = 0;
    if (lines > 0) this.#reportDropped(lines);
  }

  /** Writes what waits until nothing is left or a write fails. Returns the code of the failure, or null. */
  #writeWaiting(): string | null {
    try {
      setNonBlocking(process.stderr);
      while (this.#waitingBytes > 0) {
        const [first, ...others] = this.#waiting;
        const bytes = others.length === 0 && first ? first : Buffer.concat(this.#waiting);
        this.#waiting = [bytes];
        const rest = bytes.subarray(writeSync(process.stderr.fd, bytes));
        this.#waiting = rest.length === 0 ? [] : [rest];
        this.#waitingBytes = rest.length;
      }
      return null;
    } catch (error) {
      return String((error as NodeJS.ErrnoException).code);
    }
  }
}
