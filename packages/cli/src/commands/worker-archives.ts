import { mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { RuntimeError } from '@worker-runtime/core';
import {
  type ArchivedEnd,
  type ArchiveFile,
  openArchive,
  type ServedArchives,
  type StoppedWorker,
  writeArchive,
} from '@worker-runtime/core/archive';
import { archiveFailure } from '../archive-text.ts';
import { type ClientFlags, runClientCommand } from '../client-command.ts';
import { defined } from '../defined.ts';
import { EXIT, Failure, usageError } from '../failure.ts';
import type { Output } from '../output.ts';
import { itemsOf } from '../pages.ts';

export interface ArchiveFlags extends ClientFlags {
  readonly workers: readonly string[] | undefined;
  readonly to: string;
  readonly stoppedFor: number | undefined;
  readonly label: Readonly<Record<string, string>> | undefined;
  readonly leastBytes: number | undefined;
  readonly dryRun: boolean;
}

/** Returns the Workers that the flags name. @throws Failure they name none, or one that is not stopped */
const chosen = async (archives: ServedArchives, flags: ArchiveFlags): Promise<readonly StoppedWorker[]> => {
  const { workers = [], stoppedFor, label, leastBytes } = flags;
  const hasPolicy = stoppedFor !== undefined || label !== undefined || leastBytes !== undefined;
  if (workers.length === 0 && !hasPolicy)
    throw usageError('say which Workers go: by their ids, or by --stopped-for, --label and --least-bytes');
  const wanted = new Set(workers);
  const query = defined({ stoppedForMs: stoppedFor, leastBytes, labels: label });
  const found: StoppedWorker[] = [];
  for await (const worker of itemsOf((after) => archives.list({ ...query, after })))
    if (wanted.size === 0 || wanted.has(worker.workerId)) found.push(worker);
  const missing = workers.filter((id) => !found.some(({ workerId }) => workerId === id));
  if (missing.length > 0)
    throw new Failure(EXIT.refused, `no stopped Worker that fits the options: ${missing.join(', ')}`, {
      code: 'WORKER_NOT_FOUND',
      details: { workerIds: missing },
    });
  return found;
};

/** Returns the file of a Worker: the one that an earlier command has written, or a new one. */
const fileOf = async (
  archives: ServedArchives,
  { workerId, log, lastSeq }: StoppedWorker,
  folder: string,
): Promise<ArchiveFile> => {
  const path = join(folder, `${workerId}.${log}.${lastSeq}.archive`);
  try {
    return await openArchive(path);
  } catch (error) {
    if (!(error instanceof RuntimeError) || error.code !== 'FILE_NOT_FOUND')
      throw archiveFailure(error, path);
  }
  try {
    return await writeArchive(path, archives.open(workerId));
  } catch (error) {
    throw archiveFailure(error, path);
  }
};

/** Removes a Worker that a file has. A call that was repeated, or that of another program, may have removed it already. */
const remove = async (archives: ServedArchives, workerId: string, end: ArchivedEnd): Promise<void> => {
  try {
    await archives.remove(workerId, end);
  } catch (error) {
    if (!(error instanceof RuntimeError) || error.code !== 'WORKER_NOT_FOUND') throw error;
  }
};

/** Writes stopped Workers to one file each, and removes each after its file was checked. @throws Failure */
export const archiveWorkers = (flags: ArchiveFlags, output: Output): Promise<void> =>
  runClientCommand(flags, output, async (command) => {
    const { archives } = command;
    const workers = await chosen(archives, flags);
    const folder = resolve(flags.to);
    if (!flags.dryRun && workers.length > 0) await mkdir(folder, { recursive: true, mode: 0o700 });
    for (const worker of workers) {
      const { workerId, sizeBytes, updatedAt } = worker;
      const facts = { workerId, sizeBytes, updatedAt };
      if (flags.dryRun) {
        command.answer(facts, () => `${workerId}: ${sizeBytes} bytes, since ${updatedAt}`);
        continue;
      }
      const { path, first } = await fileOf(archives, worker, folder);
      if (first?.workerId !== workerId)
        throw new Failure(EXIT.failed, `${path} is not the archive of ${workerId}`);
      await remove(archives, workerId, first);
      command.answer({ ...facts, file: path }, () => `${workerId}: ${sizeBytes} bytes, now in ${path}`);
    }
    if (workers.length === 0) command.remark('no stopped Worker fits the options');
  });

/** Puts the Worker of a file back. @throws Failure */
export const putWorker = (flags: ClientFlags & { readonly file: string }, output: Output): Promise<void> =>
  runClientCommand(flags, output, async (command) => {
    const path = resolve(flags.file);
    try {
      await openArchive(path);
    } catch (error) {
      throw archiveFailure(error, flags.file);
    }
    const worker = await command.archives.put(await readFile(path));
    command.answer(worker, () => `${worker.workerId} is ${worker.status}`);
  });
