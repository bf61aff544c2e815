import { mkdir, readdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import {
  type ArchiveFile,
  type HistoryQuery,
  type OldHistory,
  openArchive,
  type ServedArchives,
  writeArchive,
} from '@worker-runtime/core/archive';
import { archiveFailure } from '../archive-text.ts';
import { runClientCommand } from '../client-command.ts';
import { defined } from '../defined.ts';
import { EXIT, Failure, usageError } from '../failure.ts';
import type { Output } from '../output.ts';
import { itemsOf } from '../pages.ts';
import type { ArchiveFlags } from './worker-archives.ts';

/** Flags of `workers archive` with `--history-before`. */
export type HistoryFlags = ArchiveFlags & {
  readonly historyBefore: { readonly olderThanMs: number } | { readonly beforeSeq: number };
};

const queriesOf = ({
  workers = [],
  historyBefore,
  label,
  leastBytes,
  stoppedFor,
}: HistoryFlags): readonly HistoryQuery[] => {
  if (stoppedFor !== undefined)
    throw usageError(
      '--history-before and --stopped-for exclude each other: one is for Workers that continue',
    );
  if ('beforeSeq' in historyBefore && workers.length === 0)
    throw usageError('--history-before with the number of an event needs the ids of Workers');
  const shared = { ...historyBefore, ...defined({ leastBytes, labels: label }) };
  if (workers.length === 0) return [shared];
  if (label !== undefined) throw usageError('name Workers by their ids or by --label, not by both');
  return workers.map((workerId) => ({ ...shared, workerId }));
};

const nameOf = ({ workerId, log, throughSeq, events }: OldHistory): string =>
  `${workerId}.${log}.${throughSeq - events + 1}-${throughSeq}.archive`;

/** Returns the name of the file of the same events, or of the first ones, that an earlier command has written; null if there is none. */
const begunIn = async (folder: string, history: OldHistory): Promise<string | null> => {
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
  archives: ServedArchives,
  history: OldHistory,
  folder: string,
): Promise<ArchiveFile> => {
  const begun = await begunIn(folder, history);
  const path = join(folder, begun ?? nameOf(history));
  try {
    if (begun !== null) return await openArchive(path);
    return await writeArchive(path, archives.openHistory(history.workerId, history.throughSeq));
  } catch (error) {
    throw archiveFailure(error, path);
  }
};

/** Writes the first events of Workers to one file each, and removes them after the file was checked. @throws Failure */
export const archiveHistory = (flags: HistoryFlags, output: Output): Promise<void> =>
  runClientCommand(flags, output, async (command) => {
    const { archives } = command;
    const queries = queriesOf(flags);
    const folder = resolve(flags.to);
    let count = 0;
    for (const query of queries)
      for await (const history of itemsOf((after) => archives.listHistory({ ...query, after }))) {
        count += 1;
        const { workerId, log, throughSeq, throughTime, events, sizeBytes } = history;
        const facts = { workerId, throughSeq, throughTime, events, sizeBytes };
        const text = `${workerId}: ${events} events up to ${throughSeq} of ${throughTime}, ${sizeBytes} bytes`;
        if (flags.dryRun) {
          command.answer(facts, () => text);
          continue;
        }
        await mkdir(folder, { recursive: true, mode: 0o700 });
        const { path, first, beginning } = await fileOf(archives, history, folder);
        if (beginning.content !== 'history' || first?.workerId !== workerId || first.log !== log)
          throw new Failure(EXIT.failed, `${path} is not the archive of this history of ${workerId}`);
        const part = { log, throughSeq: first.seq, archive: basename(path) };
        await archives.removeHistory(workerId, part);
        command.answer({ ...facts, throughSeq: first.seq, file: path }, () => `${text}, now in ${path}`);
      }
    if (count === 0) command.remark('no history fits the options, or all of it is still needed');
  });
