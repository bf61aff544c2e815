import { contentOf } from '../archive/archive.ts';
import { corrupt } from '../archive/archive-bytes.ts';
import type { WorkerArchive } from '../archive/worker-archive.ts';
import { checkCreate } from '../commands/requests.ts';
import type { WorkerFacts } from '../contracts/hooks.ts';
import type { Limits } from '../contracts/limits.ts';
import { limitReached, RuntimeError } from '../contracts/runtime-error.ts';
import type { Snapshot } from '../contracts/store.ts';
import type { CreateWorker } from '../contracts/worker.ts';
import { draftOf, emptyState, type WorkerState } from '../domain/state.ts';
import { fold } from '../workers/folding.ts';
import { beginningOf } from '../workers/loading.ts';
import type { PrivateRecord } from '../workers/worker.ts';

/** The Worker of an archive, as it will be once it was put back. */
export interface ArchivedWorker {
  readonly facts: WorkerFacts;
  readonly state: WorkerState;
}

/** @throws LIMIT_REACHED the Worker has more files than one may have here */
const checkFiles = ({ files }: WorkerState, { files: most, workerFileBytes }: Limits): void => {
  const sizes = Object.values(files).map(({ sizeBytes }) => sizeBytes);
  if (sizes.length > most) throw limitReached('files', most);
  if (sizes.reduce((sum, size) => sum + size, 0) > workerFileBytes)
    throw limitReached('workerFileBytes', workerFileBytes);
};

/**
 * Folds the Worker of an archive, and checks it as a creation is checked, because an archive says of itself what it has.
 * @throws ARCHIVE_CORRUPT it is not a stopped Worker · INVALID_REQUEST · PAYLOAD_TOO_LARGE · LIMIT_REACHED
 */
export const archivedWorker = async (
  { bytes, archive, worker }: WorkerArchive,
  limits: Limits,
): Promise<ArchivedWorker> => {
  const { workerId, log } = worker;
  let draft = draftOf(emptyState(workerId, log));
  let record: Partial<PrivateRecord> | null = null;
  try {
    for await (const { body, ...item } of contentOf(bytes, archive)) {
      if (item.kind === 'log') record = JSON.parse(Buffer.from(body).toString());
      else if (item.kind === 'base') {
        const { seq, bytes: end } = item;
        const base: Snapshot = { head: { seq, bytes: end }, text: Buffer.from(body).toString() };
        draft = draftOf(beginningOf({ workerId, log }, base));
      } else if (item.kind === 'lines')
        draft.head = fold(draft, body, { seq: item.seq, offset: item.offset });
    }
  } catch (cause) {
    throw cause instanceof RuntimeError ? cause : corrupt('its events cannot be read', cause);
  }
  const { engine, displayName, labels, tools, parent, phase, status } = draft;
  if (phase !== 'alive' || status !== 'stopped') throw corrupt('its Worker is not a stopped one');
  // the shape is what is checked
  const { version, config, claims } = Object(record) as Partial<CreateWorker & PrivateRecord>;
  if (version !== 1 || config === undefined || claims === undefined)
    throw corrupt('its Worker has no private record');
  checkCreate(
    { workerId, engine, displayName, labels, tools, parent, config, claims } as CreateWorker,
    limits,
  );
  checkFiles(draft, limits);
  return { facts: { workerId, engine, labels, parent }, state: draft };
};
