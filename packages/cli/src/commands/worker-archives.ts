import { mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { RuntimeError } from '@worker-runtime/core';
import { type ArchiveFile, openArchive, writeArchive } from '@worker-runtime/core/archive';
import { ArchiveClient, type ListedWorker } from '../archive-client.ts';
import { archiveFailure } from '../archive-text.ts';
import type { ClientFlags } from '../client-command.ts';
import { EXIT, Failure, usageError } from '../failure.ts';
import type { Output } from '../output.ts';

export interface ArchiveFlags extends ClientFlags {
  readonly workers: readonly string[] | undefined;
  readonly to: string;
  readonly stoppedFor: number | undefined;
  readonly label: Readonly<Record<string, string>> | undefined;
  readonly leastBytes: number | undefined;
  readonly dryRun: boolean;
}

const queryOf = ({ stoppedFor, label, leastBytes }: ArchiveFlags): URLSearchParams => {
  const query = new URLSearchParams();
  if (stoppedFor !== undefined) query.set('stoppedForMs', String(stoppedFor));
  if (leastBytes !== undefined) query.set('leastBytes', String(leastBytes));
  for (const [key, value] of Object.entries(label ?? {})) query.append('label', `${key}=${value}`);
  return query;
};

/** Returns the Workers that the flags name. @throws Failure they name none, or one that is not stopped */
const chosen = async (client: ArchiveClient, flags: ArchiveFlags): Promise<readonly ListedWorker[]> => {
  const { workers = [], stoppedFor, label, leastBytes } = flags;
  const hasPolicy = stoppedFor !== undefined || label !== undefined || leastBytes !== undefined;
  if (workers.length === 0 && !hasPolicy)
    throw usageError('say which Workers go: by their ids, or by --stopped-for, --label and --least-bytes');
  const wanted = new Set(workers);
  const found: ListedWorker[] = [];
  for await (const worker of client.list(queryOf(flags)))
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
  client: ArchiveClient,
  { workerId, log, lastSeq }: ListedWorker,
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
    return await writeArchive(path, await client.bytes(workerId));
  } catch (error) {
    throw archiveFailure(error, path);
  }
};

/** Writes stopped Workers to one file each, and removes each after its file was checked. @throws Failure */
export const archiveWorkers = async (flags: ArchiveFlags, output: Output): Promise<void> => {
  const client = new ArchiveClient(flags.url, flags.token);
  const workers = await chosen(client, flags);
  const folder = resolve(flags.to);
  if (!flags.dryRun && workers.length > 0) await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const worker of workers) {
    const { workerId, sizeBytes, updatedAt } = worker;
    const facts = { workerId, sizeBytes, updatedAt };
    if (flags.dryRun) {
      output.print(
        flags.json ? JSON.stringify(facts) : `${workerId}: ${sizeBytes} bytes, since ${updatedAt}`,
      );
      continue;
    }
    const { path, first } = await fileOf(client, worker, folder);
    if (first?.workerId !== workerId)
      throw new Failure(EXIT.failed, `${path} is not the archive of ${workerId}`);
    await client.remove(workerId, first);
    const archived = { ...facts, file: path };
    output.print(flags.json ? JSON.stringify(archived) : `${workerId}: ${sizeBytes} bytes, now in ${path}`);
  }
  if (workers.length === 0) output.remark('no stopped Worker fits the options');
};

/** Puts the Worker of a file back. @throws Failure */
export const putWorker = async (
  flags: ClientFlags & { readonly file: string },
  output: Output,
): Promise<void> => {
  const path = resolve(flags.file);
  try {
    await openArchive(path);
  } catch (error) {
    throw archiveFailure(error, flags.file);
  }
  const worker = await new ArchiveClient(flags.url, flags.token).put(await readFile(path));
  output.print(
    flags.json ? JSON.stringify(worker) : `${String(worker.workerId)} is ${String(worker.status)}`,
  );
};
