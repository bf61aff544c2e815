import { constants, setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { blockingDisk } from './blocking-disk.ts';
import { performJobs } from './file-steps.ts';
import type { FileAnswer, FileRequest } from './file-thread.ts';

/* The code of the thread that performs jobs with files; see `FileThread`. */

// Commits do not wait for this work, so it leaves the processor to them. On Linux the id 0 is that of the calling thread; elsewhere
// it is that of the process.
if (process.platform === 'linux') setPriority(0, constants.priority.PRIORITY_LOW);

let last: Promise<unknown> = Promise.resolve();

parentPort?.on('message', ({ id, jobs, buffer }: FileRequest) => {
  last = last.then(async () => {
    const failures = (await performJobs(blockingDisk, jobs)).map(
      (failure) =>
        failure && { message: failure.message, code: String((failure as NodeJS.ErrnoException).code ?? '') },
    );
    parentPort?.postMessage({ id, failures, buffer } satisfies FileAnswer, [buffer]);
  });
});
