import type { InputPart, NewEvent, TextPart } from '../contracts/event.ts';
import { type FilePart, type FileReference, includesMediaType } from '../contracts/file.ts';
import type { Limits } from '../contracts/limits.ts';
import { invalidRequest, limitReached, RuntimeError } from '../contracts/runtime-error.ts';
import { assertRunnable } from './decide.ts';
import type { StoredFile, WorkerState } from './state.ts';

/** Files by their digests. */
export type StoredFiles = WorkerState['files'];

/** Returns the file with a digest, if it is stored. */
export const storedFile = (files: StoredFiles, digest: string): StoredFile | null =>
  Object.hasOwn(files, digest) ? (files[digest] ?? null) : null;

/** The sums of files that were added up. A change of the files replaces their object. */
const totals = new WeakMap<StoredFiles, number>();

/** Returns the size of all files of a Worker. Adds up each state of the files once, because it is asked after each commit. */
export const totalBytesOf = (files: StoredFiles): number => {
  const known = totals.get(files);
  if (known !== undefined) return known;
  let bytes = 0;
  for (const { sizeBytes } of Object.values(files)) bytes += sizeBytes;
  totals.set(files, bytes);
  return bytes;
};

/**
 * Records that the bytes of a file are in the store. A file that is recorded already produces no events. `unrecorded` are
 * files whose bytes may be in the store although no event names them; they count towards the limits.
 * @throws WORKER_NOT_FOUND · WORKER_STOPPED · LIMIT_REACHED
 */
export const storeFile = (
  state: WorkerState,
  file: FilePart,
  limits: Limits,
  unrecorded: StoredFiles,
): readonly NewEvent[] => {
  assertRunnable(state);
  const { digest, mediaType, sizeBytes } = file;
  const { files, workerId } = state;
  if (storedFile(files, digest)) return [];
  const { [digest]: _, ...others } = { ...unrecorded, ...files };
  if (Object.keys(others).length >= limits.files)
    throw limitReached('files', limits.files, 'The Worker has too many files', { workerId });
  if (totalBytesOf(others) + sizeBytes > limits.workerFileBytes) {
    const message = 'The files of the Worker would be too large together';
    throw limitReached('workerFileBytes', limits.workerFileBytes, message, { workerId });
  }
  return [{ type: 'file.stored', data: { digest, mediaType, sizeBytes } }];
};

/** Returns the complete reference to a file that is stored. @throws FILE_NOT_FOUND */
export const filePart = (files: StoredFiles, { digest, name }: FileReference): FilePart => {
  const file = storedFile(files, digest);
  if (!file)
    throw new RuntimeError('FILE_NOT_FOUND', 'The file is not stored; upload it first', {
      details: { digest },
    });
  return { type: 'file', digest, ...file, ...(name !== undefined && { name }) };
};

/**
 * Returns the parts of an input with complete references to their files.
 * @throws FILE_NOT_FOUND · INVALID_REQUEST a part gives another type or size than its file has
 */
export const partsWithFiles = (
  files: StoredFiles,
  parts: readonly (TextPart | FileReference)[],
): readonly InputPart[] =>
  parts.map((part, index) => {
    if (part.type !== 'file') return part;
    const complete = filePart(files, part);
    for (const field of ['mediaType', 'sizeBytes'] as const)
      if (part[field] !== undefined && part[field] !== complete[field])
        throw invalidRequest([
          { pointer: `/parts/${index}/${field}`, message: `must be that of the file: ${complete[field]}` },
        ]);
    return complete;
  });

/** @throws OPERATION_UNSUPPORTED a file of the parts has a media type that is not accepted */
export const assertAccepted = (
  parts: readonly InputPart[],
  accepted: readonly string[] = [],
  engine: string,
): void => {
  for (const part of parts) {
    if (part.type !== 'file' || includesMediaType(accepted, part.mediaType)) continue;
    const message =
      accepted.length === 0
        ? `The engine "${engine}" takes no files`
        : `The Worker does not accept files of the type ${part.mediaType}`;
    throw new RuntimeError('OPERATION_UNSUPPORTED', message, {
      details: { engine, mediaType: part.mediaType, accepted },
    });
  }
};
