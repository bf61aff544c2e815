import { RuntimeError } from '@worker-runtime/core';
import type { ArchiveFile } from '@worker-runtime/core/archive';
import { isFromClient } from './client-failure.ts';
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

/** Turns an error about a file of this machine into a failure that names the file. Errors of the client pass unchanged. */
export const archiveFailure = (error: unknown, file: string): unknown =>
  error instanceof RuntimeError && !isFromClient(error)
    ? new Failure(EXIT.failed, `${error.code}: ${error.message} (${file})`, { cause: error })
    : error;
