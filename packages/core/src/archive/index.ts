/*
 * For programs that copy and move what a store keeps: archives of runtimes and of Workers. docs/operating.md describes their use.
 */

export { type Archive, openArchive } from './archive-file.ts';
export type { ArchiveBeginning, ArchiveContent, ArchiveEnd } from './archive-item.ts';
export type { OfflineOptions } from './offline.ts';
export { exportRuntime, type ImportOptions, importRuntime } from './runtime-archive.ts';
