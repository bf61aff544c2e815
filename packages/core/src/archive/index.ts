/*
 * For programs that copy and move what a store keeps: archives of runtimes and of Workers. docs/operating.md describes their use.
 */

export type {
  ArchivedEnd,
  ArchivedPart,
  HistoryQuery,
  OldHistory,
  ServedArchives,
  StoppedQuery,
  StoppedWorker,
} from '../contracts/served-archives.ts';
export type { Archive } from './archive.ts';
export { type ArchiveFile, openArchive, writeArchive } from './archive-file.ts';
export type { ArchiveBeginning, ArchiveContent, ArchivedLog, ArchiveEnd } from './archive-item.ts';
export type { OfflineOptions } from './offline.ts';
export { addWorker, exportRuntime, type ImportOptions, importRuntime } from './runtime-archive.ts';
