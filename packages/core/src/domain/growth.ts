import type { NewEvent } from '../contracts/event.ts';
import { sizeOf } from './size.ts';
import type { WorkerState } from './state.ts';

/** More than the entry of a file takes: its digest, its media type and its size. */
const FILE_BYTES = 512;

const fileBytesOf = (files: WorkerState['files'] = {}): number => Object.keys(files).length * FILE_BYTES;

const runBytesOf = (state: WorkerState | null): number =>
  (state?.run?.callBytes ?? 0) + (state?.run?.answerBytes ?? 0);

const difference = (older: unknown, newer: unknown): number =>
  older === newer ? 0 : sizeOf(newer) - sizeOf(older);

/**
 * Estimates how much more memory those parts of a state take whose size clients and engines determine than the parts of an
 * earlier one; null is no state. The sizes of inputs are counted apart. Only parts that have changed cost anything. They are named
 * one by one, because this runs at each commit and members that are read by a variable name are slow.
 */
export const growthBetween = (before: WorkerState | null, after: WorkerState | null): number =>
  runBytesOf(after) -
  runBytesOf(before) +
  (before?.files === after?.files ? 0 : fileBytesOf(after?.files) - fileBytesOf(before?.files)) +
  difference(before?.displayName, after?.displayName) +
  difference(before?.labels, after?.labels) +
  difference(before?.tools, after?.tools) +
  difference(before?.claims, after?.claims) +
  difference(before?.recorded, after?.recorded) +
  difference(before?.requests, after?.requests);

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
