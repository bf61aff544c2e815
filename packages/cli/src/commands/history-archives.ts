import { mkdir, readdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { type ArchiveFile, openArchive, writeArchive } from '@worker-runtime/core/archive';
import { ArchiveClient, type ListedHistory } from '../archive-client.ts';
import { archiveFailure } from '../archive-text.ts';
import { EXIT, Failure, usageError } from '../failure.ts';
import type { Output } from '../output.ts';
import type { ArchiveFlags } from './worker-archives.ts';

/** Flags of `workers archive` with `--history-before`. */
export type HistoryFlags = ArchiveFlags & {
  readonly historyBefore: { readonly olderThanMs: number } | { readonly beforeSeq: number };
};

const queriesOf = ({ workers = [], historyBefore, label, leastBytes, stoppedFor }: HistoryFlags) => {
  if (stoppedFor !== undefined)
    throw usageError(
      '--history-before and --stopped-for exclude each other: one is for Workers that continue',
    );
  if ('beforeSeq' in historyBefore && workers.length === 0)
    throw usageError('--history-before with the number of an event needs the ids of Workers');
  const shared = new URLSearchParams();
  for (const [name, value] of Object.entries(historyBefore)) shared.set(name, String(value));
  if (leastBytes !== undefined) shared.set('leastBytes', String(leastBytes));
  for (const [key, value] of Object.entries(label ?? {})) shared.append('label', `${key}=${value}`);
  if (workers.length === 0) return [shared];
  if (label !== undefined) throw usageError('name Workers by their ids or by --label, not by both');
  return workers.map((worker) => new URLSearchParams([...shared, ['worker', worker]]));
};

const nameOf = ({ workerId, log, throughSeq, events }: ListedHistory): string =>
  `${workerId}.${log}.${throughSeq - events + 1}-${throughSeq}.archive`;

/** Returns the name of the file of the same events, or of the first ones, that an earlier command has written; null if there is none. */
const begunIn = async (folder: string, history: ListedHistory): Promise<string | null> => {
  const { workerId, log, throughSeq, events } = history;
  const prefix = `${workerId}.${log}.${throughSeq - events + 1}-`;
  const names = await readdir(folder).catch(() => []);
  const ends = names
    .filter((name) => name.startsWith(prefix))
    .map((name) => Number(/^(\d+)\.archive$/.exec(name.slice(prefix.length))?.[1] ?? Number.NaN))
    .filter((end) => end <= throughSeq);
  return ends.length > 0 ? `${prefix}${Math.max(...ends)}.archive` : null;
};

/** Returns the file of the events: the one that an earlier command has written, or a new one. */
const fileOf = async (
  client: ArchiveClient,
  history: ListedHistory,
  folder: string,
): Promise<ArchiveFile> => {
  const begun = await begunIn(folder, history);
  const path = join(folder, begun ?? nameOf(history));
  try {
    if (begun !== null) return await openArchive(path);
    return await writeArchive(path, await client.history(history.workerId, history.throughSeq));
  } catch (error) {
    throw archiveFailure(error, path);
  }
};

/** Writes the first events of Workers to one file each, and removes them after the file was checked. @throws Failure */
export const archiveHistory = async (flags: HistoryFlags, output: Output): Promise<void> => {
  const client = new ArchiveClient(flags.url, flags.token);
  const queries = queriesOf(flags);
  const folder = resolve(flags.to);
  let count = 0;
  for (const query of queries)
    for await (const history of client.listHistory(query)) {
      count += 1;
      const { workerId, log, throughSeq, throughTime, events, sizeBytes } = history;
      const facts = { workerId, throughSeq, throughTime, events, sizeBytes };
      const text = `${workerId}: ${events} events up to ${throughSeq} of ${throughTime}, ${sizeBytes} bytes`;
      if (flags.dryRun) {
        output.print(flags.json ? JSON.stringify(facts) : text);
        continue;
      }
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const { path, first, beginning } = await fileOf(client, history, folder);
      if (beginning.content !== 'history' || first?.workerId !== workerId || first.log !== log)
        throw new Failure(EXIT.failed, `${path} is not the archive of this history of ${workerId}`);
      const part = { log, throughSeq: first.seq, archive: basename(path) };
      await client.removeHistory(workerId, part);
      output.print(
        flags.json
          ? JSON.stringify({ ...facts, throughSeq: first.seq, file: path })
          : `${text}, now in ${path}`,
      );
    }
  if (count === 0) output.remark('no history fits the options, or all of it is still needed');
};
