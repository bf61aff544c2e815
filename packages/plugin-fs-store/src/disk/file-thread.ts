import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { FileJob } from './file-job.ts';

/** A request to the thread, and its answer. The buffer, which has the bytes of the jobs, goes to the thread and comes back. */
export interface FileRequest {
  readonly id: number;
  readonly jobs: readonly FileJob[];
  readonly buffer: ArrayBuffer;
}
export interface FileAnswer {
  readonly id: number;
  readonly failures: readonly ({ readonly message: string; readonly code: string } | null)[];
  readonly buffer: ArrayBuffer;
}

type Failures = readonly (Error | null)[];

interface Waiting {
  readonly resolve: (failures: Failures) => void;
  readonly reject: (error: Error) => void;
}

/** The time without a request after which the thread ends. */
const IDLE_MS = 10_000;

/** The largest buffer that is kept for the next request. New memory costs more than the copy, and makes V8 collect garbage. */
const KEPT_BYTES = 4_194_304;

const bytesOf = (jobs: readonly FileJob[]): number => {
  let bytes = 0;
  for (const job of jobs)
    for (const step of job) if (step.step === 'write') for (const chunk of step.chunks) bytes += chunk.length;
  return bytes;
};

/**
 * Copies the bytes of jobs to a buffer, and returns jobs that refer to it. A message with the chunks themselves would copy the whole
 * pools that they are parts of, and a transfer would take these pools away.
 */
const packed = (jobs: readonly FileJob[], buffer: ArrayBuffer): readonly FileJob[] => {
  const bytes = new Uint8Array(buffer);
  let end = 0;
  return jobs.map((job) =>
    job.map((step) => {
      if (step.step !== 'write') return step;
      const begin = end;
      for (const chunk of step.chunks) {
        bytes.set(chunk, end);
        end += chunk.length;
      }
      return { ...step, chunks: [bytes.subarray(begin, end)] };
    }),
  );
};

/**
 * Performs jobs with files in a thread of its own. A job has up to twenty calls to the disk, one after the other. In the thread of a
 * busy runtime each of them would wait for a turn of the event loop, which takes longer than the call.
 */
class FileThread {
  #worker: Worker | null = null;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  /** The buffer of an earlier request; null if a request has it. */
  #kept: ArrayBuffer | null = null;
  #idle: NodeJS.Timeout | null = null;

  /** @throws Error the thread ended */
  perform(jobs: readonly FileJob[]): Promise<Failures> {
    if (this.#idle) clearTimeout(this.#idle);
    this.#worker ??= this.#start();
    const worker = this.#worker;
    this.#lastId += 1;
    const id = this.#lastId;
    const buffer = this.#bufferOf(bytesOf(jobs));
    const request: FileRequest = { id, jobs: packed(jobs, buffer), buffer };
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      worker.ref();
      worker.postMessage(request, [buffer]);
    });
  }

  /** Returns a buffer of at least this size. */
  #bufferOf(bytes: number): ArrayBuffer {
    const kept = this.#kept;
    this.#kept = null;
    return kept && kept.byteLength >= bytes ? kept : new ArrayBuffer(bytes);
  }

  #start(): Worker {
    // without the modules that the host preloads
    const worker = new Worker(new URL('file-thread-main.js', import.meta.url), { execArgv: [] });
    worker.on('message', ({ id, failures, buffer }: FileAnswer) => {
      if (buffer.byteLength <= KEPT_BYTES) this.#kept = buffer;
      this.#waiting
        .get(id)
        ?.resolve(
          failures.map(
            (failure) => failure && Object.assign(new Error(failure.message), { code: failure.code }),
          ),
        );
      this.#waiting.delete(id);
      if (this.#waiting.size > 0) return;
      worker.unref();
      this.#idle = setTimeout(() => this.#end(worker), IDLE_MS).unref();
    });
    worker.on('error', (error) => this.#lost(worker, error));
    worker.on('exit', () => this.#lost(worker, new Error('The thread for files has ended')));
    return worker;
  }

  #end(worker: Worker): void {
    if (this.#worker === worker) this.#worker = null;
    this.#kept = null;
    void worker.terminate();
  }

  #lost(worker: Worker, error: Error): void {
    if (this.#worker !== worker) return;
    this.#worker = null;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

/** False for the sources in TypeScript: they run through a loader, which threads do not have. */
export const CAN_START_THREADS = extname(import.meta.url) === '.js';

/** Syncs that overlap share a commit of the file system's journal, so several threads are faster than one. */
const THREADS = 4;

/** The threads of this process. They start with the first request. */
const threads = Array.from({ length: THREADS }, () => new FileThread());

/** Performs jobs in threads of their own, in parts of equal size. @throws Error a thread ended */
export const performInThreads = async (jobs: readonly FileJob[]): Promise<Failures> => {
  const size = Math.ceil(jobs.length / THREADS);
  const parts = threads.flatMap((thread, at) => {
    const part = jobs.slice(at * size, (at + 1) * size);
    return part.length === 0 ? [] : [thread.perform(part)];
  });
  return (await Promise.all(parts)).flat();
};
