import type { NewEvent } from '../contracts/event.ts';
import { sizeOf } from './size.ts';
import type { WorkerState } from './state.ts';

/** The parts of a state whose size clients and engines determine. The sizes of inputs are counted apart. */
const MEASURED = ['displayName', 'labels', 'tools', 'claims', 'recorded', 'requests'] as const;

/** More than the entry of a file takes: its digest, its media type and its size. */
const FILE_BYTES = 512;

const fileBytesOf = (files: WorkerState['files'] = {}): number => Object.keys(files).length * FILE_BYTES;

const runBytesOf = (state: WorkerState | null): number =>
  (state?.run?.callBytes ?? 0) + (state?.run?.answerBytes ?? 0);

/**
 * Estimates how much more memory the measured parts of a state take than those of an earlier one; null is no state. Only
 * parts that have changed cost anything.
 */
export const growthBetween = (before: WorkerState | null, after: WorkerState | null): number => {
  let bytes = runBytesOf(after) - runBytesOf(before);
  if (before?.files !== after?.files) bytes += fileBytesOf(after?.files) - fileBytesOf(before?.files);
  for (const part of MEASURED) {
    const newer = after?.[part];
    const older = before?.[part];
    if (older !== newer) bytes += sizeOf(newer) - sizeOf(older);
  }
  return bytes;
};

/** Estimates how much an event adds to the measured parts of a state. Zero for an event that only ends something. */
export const growthBy = (state: WorkerState, { type, data }: NewEvent): number => {
  switch (type) {
    case 'worker.created':
      return sizeOf([data.displayName, data.labels, data.tools, data.claims]);
    case 'worker.forked':
      return sizeOf([data.displayName, data.labels, data.tools, data.claims]);
    case 'worker.updated':
      return (
        sizeOf(data.displayName) -
        sizeOf(data.displayName === undefined ? undefined : state.displayName) +
        sizeOf(data.labels) -
        sizeOf(data.labels === undefined ? undefined : state.labels) +
        sizeOf(data.tools) -
        sizeOf(data.tools === undefined ? undefined : state.tools)
      );
    case 'file.stored':
      return FILE_BYTES;
    case 'request.opened':
      return sizeOf(data);
    case 'execution.recorded':
      return sizeOf(data.value) - sizeOf(state.recorded);
    case 'tool.called':
      return sizeOf(data.call);
    default:
      return 0;
  }
};
