import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { Disk } from '../../src/disk/disk.ts';
import type { FileJob } from '../../src/disk/file-job.ts';
import { makeDirectory, removeDirectory } from '../directory.ts';

// Threads are started by the built code only.
const built = new URL('../../dist/disk/node-disk.js', import.meta.url).href;
const { nodeDisk }: { readonly nodeDisk: Disk } = await import(built);

/** The number of due jobs from which on they are performed in threads. */
const MANY = 128;

const chunksOf = (text: string): readonly Uint8Array[] =>
  text.split(/(?<= )/).map((word) => Buffer.from(word));

for (const due of [1, MANY])
  test(`P22: jobs with files, of which ${due} are due, are performed in order, and a failure ends its job only`, async (t) => {
    const dir = await makeDirectory();
    t.teardown(() => removeDirectory(dir));
    const jobs = Array.from({ length: 50 }, (_, at): FileJob => {
      const folder = join(dir, `folder-${at}`);
      const path = join(folder, 'events.jsonl');
      const write = { step: 'write', path, mode: 'create', cutAt: null, at: 0 } as const;
      return [
        { step: 'makeDirectory', path: folder },
        { ...write, chunks: chunksOf(`log ${at} begins `) },
        { ...write, mode: 'write', cutAt: 4, at: 4, chunks: chunksOf('is cut and goes on') },
        // Every third file is shorter than its log expects.
        { step: 'check', path, leastBytes: at % 3 === 0 ? 1_000 : 22 },
        { step: 'sync', path },
        { step: 'syncDirectory', path: folder },
        { ...write, mode: 'write', at: 22, chunks: chunksOf(`, number ${at}`) },
      ];
    });
    const failures = await nodeDisk.perform(jobs, due);
    t.deepEqual(
      failures.map((failure) => failure && (failure as NodeJS.ErrnoException).code),
      jobs.map((_, at) => (at % 3 === 0 ? 'ENOENT' : null)),
    );
    for (const at of jobs.keys()) {
      const text = await readFile(join(dir, `folder-${at}`, 'events.jsonl'), 'utf8');
      t.is(text, at % 3 === 0 ? 'log is cut and goes on' : `log is cut and goes on, number ${at}`);
    }
    // A thread uses its buffer again, also for fewer bytes.
    const path = join(dir, 'short.jsonl');
    const short: FileJob = [
      { step: 'write', path, mode: 'create', cutAt: null, at: 0, chunks: chunksOf('a short one') },
    ];
    t.deepEqual(await nodeDisk.perform([short], due), [null]);
    t.is(await readFile(path, 'utf8'), 'a short one');
    const missing: FileJob = [{ step: 'sync', path: join(dir, 'missing') }];
    const [failure] = await nodeDisk.perform([missing], due);
    t.is((failure as NodeJS.ErrnoException | null)?.code, 'ENOENT');
  });
