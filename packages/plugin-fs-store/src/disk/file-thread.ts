import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { FileJob } from './file-job.ts';

/** A request to the thread, and its answer. */
export interface FileRequest {
  readonly id: number;
  readonly jobs: readonly FileJob[];
}
export interface FileAnswer {
  readonly id: number;
  readonly failures: readonly ({ readonly message: string; readonly code: string } | null)[];
}

type Failures = readonly (Error | null)[];

interface Waiting {
  readonly resolve: (failures: Failures) => void;
  readonly reject: (error: Error) => void;
}

/** The time without a request after which the thread ends. */
const IDLE_MS = 10_000;

/** Copies the bytes of a job to buffers of their own: a message would copy whole pools, and a transfer would take them. */
const owned = (job: FileJob): FileJob =>
  job.map((step) =>
    step.step === 'write' ? { ...step, chunks: step.chunks.map((chunk) => new Uint8Array(chunk)) } : step,
  );

const buffersOf = (jobs: readonly FileJob[]): ArrayBuffer[] =>
  jobs
    .flat()
    .flatMap((step) => (step.step === 'write' ? step.chunks.map(({ buffer }) => buffer as ArrayBuffer) : []));

/**
 * Performs jobs with files in a thread of its own. A job has up to twenty calls to the disk, one after the other. In the thread of a
 * busy runtime each of them would wait for a turn of the event loop, which takes longer than the call.
 */
class FileThread {
  #worker: Worker | null = null;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #idle: NodeJS.Timeout | null = null;

  /** @throws Error the thread ended */
  perform(jobs: readonly FileJob[]): Promise<Failures> {
    if (this.#idle) clearTimeout(this.#idle);
    this.#worker ??= this.#start();
    const worker = this.#worker;
    this.#lastId += 1;
    const id = this.#lastId;
    const copies = jobs.map(owned);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      worker.ref();
      worker.postMessage({ id, jobs: copies } satisfies FileRequest, buffersOf(copies));
    });
  }

  #start(): Worker {
    // without the modules that the host preloads
    const worker = new Worker(new URL('file-thread-main.js', import.meta.url), { execArgv: [] });
    worker.on('message', ({ id, failures }: FileAnswer) => {
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
