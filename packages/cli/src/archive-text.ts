import { RuntimeError } from '@worker-runtime/core';
import type { ArchiveFile } from '@worker-runtime/core/archive';
import { EXIT, Failure } from './failure.ts';

const counted = (text: string, count: number): string => `${count} ${text}${count === 1 ? '' : 's'}`;

/** Describes an archive in one line. */
export const archiveText = ({ beginning, end, digest }: ArchiveFile): string => {
  const { workers, events, blobs, bundles, pluginStates } = end;
  const parts = [
    counted('Worker', workers),
    counted('event', events),
    counted('file', blobs),
    counted('bundle', bundles),
    counted('plugin state', pluginStates),
  ];
  return `${parts.join(', ')} of ${beginning.runtimeId}, written ${beginning.writtenAt}, digest ${digest}`;
};

/** Returns the description of an archive for programs. */
export const archiveFacts = ({ path, digest, beginning, end }: ArchiveFile) => {
  const { content, runtimeId, writtenAt } = beginning;
  const { workers, events, blobs, bundles, pluginStates } = end;
  return { file: path, digest, content, runtimeId, writtenAt, workers, events, blobs, bundles, pluginStates };
};

/** Turns a refusal about a file into a failure that names the file. */
export const archiveFailure = (error: unknown, file: string): unknown =>
  error instanceof RuntimeError
    ? new Failure(EXIT.failed, `${error.code}: ${error.message} (${file})`, { cause: error })
    : error;
