import { hash } from 'node:crypto';
import { admitted } from '../admission.ts';
import type { Clock } from '../contracts/clock.ts';
import type { FileContent, FileDescription, FilePart } from '../contracts/file.ts';
import type { Hooks } from '../contracts/hooks.ts';
import type { Limits } from '../contracts/limits.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type { RuntimeStore } from '../contracts/store.ts';
import { growthBy } from '../domain/growth.ts';
import { filePart, type StoredFiles, storedFile, storeFile } from '../domain/stored-files.ts';
import type { FileKeeper } from '../execution/services.ts';
import { DIGEST_PATTERN } from '../id.ts';
import { storeInTime } from '../in-time.ts';
import type { Journal } from '../journal/journal.ts';
import type { StoreReads } from '../store-reads.ts';
import type { ByteSum } from '../workers/byte-sum.ts';
import { factsOf } from '../workers/views.ts';
import type { Worker } from '../workers/worker.ts';
import { checkFile } from './requests.ts';

export interface FilesOptions {
  readonly limits: Limits;
  readonly clock: Clock;
  readonly hooks: Hooks;
  readonly journal: Journal;
  readonly store: RuntimeStore;
  readonly reads: Pick<StoreReads, 'blob'>;
  /** The size of the states of all Workers. */
  readonly states: ByteSum;
}

/** Returns the name of the blob that holds a file, by its digest. */
export const fileBlobOf = (digest: string): string => digest.replace('sha256-', 'file-');

const digestOf = (bytes: Uint8Array): string => `sha256-${hash('sha256', bytes, 'hex')}`;

/**
 * Stores the files of Workers as blobs of their logs. The bytes are durable before the event that names them, so that no
 * reader of the log finds a file without bytes.
 */
export class Files implements FileKeeper {
  readonly #options: FilesOptions;
  /** The last store of each Worker that is in progress. One at a time, so that none is stored and then refused by a limit. */
  readonly #turns = new WeakMap<Worker, Promise<unknown>>();
  /** The files of each Worker whose bytes may be in the store although their event was not committed. */
  readonly #unrecorded = new WeakMap<Worker, StoredFiles>();

  constructor(options: FilesOptions) {
    this.#options = options;
  }

  /** Stores the file of a caller. @throws as `RuntimeApi.putFile` */
  async upload(worker: Worker, bytes: Uint8Array, description: FileDescription): Promise<FilePart> {
    const file = this.#described(bytes, description);
    const command = { type: 'file.put', workerId: worker.workerId, worker: factsOf(worker), file } as const;
    return admitted(this.#options.hooks.admit, command, () => this.#inTurn(worker, file, bytes));
  }

  async put(worker: Worker, bytes: Uint8Array, description: FileDescription): Promise<FilePart> {
    return this.#inTurn(worker, this.#described(bytes, description), bytes);
  }

  async get(worker: Worker, digest: string): Promise<FileContent> {
    const file = DIGEST_PATTERN.test(digest) ? storedFile(worker.state.files, digest) : null;
    if (!file) throw new RuntimeError('FILE_NOT_FOUND', undefined, { details: { digest: String(digest) } });
    const bytes = await this.#options.reads.blob(worker.state.log, fileBlobOf(digest));
    if (bytes === null || digestOf(bytes) !== digest)
      throw new RuntimeError('STORE_CORRUPT', 'The bytes of the file are lost', { details: { digest } });
    return { digest, ...file, bytes };
  }

  #described(bytes: Uint8Array, description: FileDescription): FilePart {
    const { mediaType, name } = checkFile(bytes, description, this.#options.limits);
    const sizeBytes = bytes.length;
    return {
      type: 'file',
      digest: digestOf(bytes),
      mediaType,
      sizeBytes,
      ...(name !== undefined && { name }),
    };
  }

  async #inTurn(worker: Worker, file: FilePart, bytes: Uint8Array): Promise<FilePart> {
    const before = this.#turns.get(worker);
    const storing = (before ?? Promise.resolve())
      .catch(() => {})
      .then(() => this.#store(worker, file, bytes));
    this.#turns.set(worker, storing);
    try {
      return await storing;
    } finally {
      if (this.#turns.get(worker) === storing) this.#turns.delete(worker);
    }
  }

  async #store(worker: Worker, file: FilePart, bytes: Uint8Array): Promise<FilePart> {
    const { store, journal, limits, clock } = this.#options;
    const { digest, mediaType, sizeBytes } = file;
    if (worker.isDamaged)
      throw new RuntimeError('WORKER_DAMAGED', undefined, { details: { workerId: worker.workerId } });
    const { [digest]: _, ...others } = this.#unrecorded.get(worker) ?? {};
    const [stored] = storeFile(worker.state, file, limits, others);
    if (stored) {
      // bytes that no event will name would use the disk until the Worker is deleted
      this.#options.states.reserve(growthBy(worker.state, stored))();
      this.#unrecorded.set(worker, { ...others, [digest]: { mediaType, sizeBytes } });
      const written = store.putBlob(worker.state.log, fileBlobOf(digest), bytes);
      await storeInTime(clock, limits.commitTimeoutMs, written).catch((error: unknown) => {
        // with this code, the store has kept nothing
        if (RuntimeError.from(error).code === 'STORE_FULL') this.#unrecorded.set(worker, others);
        throw error;
      });
      await journal.commit(worker, (state) => storeFile(state, file, limits, others));
      this.#unrecorded.set(worker, others);
    }
    return filePart(worker.state.files, file);
  }
}
