import type { Cursor } from './cursor.ts';
import type { WorkerRequest } from './open-request.ts';
import type { PageQuery } from './page.ts';
import type { RuntimeApi } from './runtime-api.ts';
import type { RuntimeEntry } from './runtime-entry.ts';
import type { ListedWorker, ListWorkers } from './worker.ts';

/** A runtime whose part of an answer is missing, and why. */
export type Unavailable = Pick<RuntimeEntry, 'name' | 'runtimeId'> & NonNullable<RuntimeEntry['error']>;

/**
 * A page of a list over several runtimes, one runtime after another in the order of their ids. The list ends even if runtimes do
 * not answer: each page names all that are missing.
 */
export interface Across<T> {
  readonly items: readonly T[];
  /** The cursor of the next page; null at the end. */
  readonly next: Cursor | null;
  readonly unavailable: readonly Unavailable[];
}

/** Several runtimes as one caller may use them, in the process or over a connection. */
export interface RegistryApi {
  /** Lists the runtimes by name, with what each answers now. */
  entries(): Promise<readonly RuntimeEntry[]>;
  /** Returns the API of a runtime. An unknown id fails with RUNTIME_NOT_FOUND, here or at the first call. */
  runtime(runtimeId: string): RuntimeApi;
  /** Lists the Workers of all runtimes, or of those with these ids. @throws CURSOR_INVALID · LIMIT_TOO_LARGE */
  workers(query?: ListWorkers & { readonly runtimes?: readonly string[] }): Promise<Across<ListedWorker>>;
  /** Lists the open requests of all Workers of all runtimes. @throws CURSOR_INVALID · LIMIT_TOO_LARGE */
  requests(query?: PageQuery): Promise<Across<WorkerRequest & { readonly runtimeId: string }>>;
}
