import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import {
  type Limits,
  type ListedWorker,
  type ListWorkers,
  type PageQuery,
  RuntimeError,
  type RuntimeStatus,
  type WorkerRequest,
} from '@worker-runtime/core';
import type { Across, Metric, RuntimeEntry, ServedRuntime } from '@worker-runtime/core/plugin-kit';
import { type Caller, whenAuthorityEnds } from './access/caller.ts';

/** A runtime elsewhere. Requests are passed to it, and its answers are passed back, byte by byte. */
export interface Upstream {
  readonly runtimeId: string;
  /**
   * The time, in milliseconds, within which the other server ends the streams of a caller whose authority has ended, because it checks
   * the same credentials. Default 0: this server cuts them off at once.
   */
  readonly endsWithinMs?: number;
  /**
   * Answers a request whose body was not read. Headers that are set on the response already belong to the answer. Resolves when
   * the answer has ended. If it rejects, nothing was written, and the server answers with the error.
   */
  pass(request: IncomingMessage, response: ServerResponse, caller: Caller): Promise<void>;
  /** Answers a request for an upgrade, and closes the socket in the end. If it rejects, nothing was written. */
  passUpgrade(request: IncomingMessage, socket: Socket, head: Buffer, caller: Caller): Promise<void>;
}

/** The runtimes behind one HTTP server, as each caller may use them. */
export interface Directory {
  /** The status of the server's own parts. It decides about requests that name no runtime. */
  readonly status: RuntimeStatus;
  /** The error that ended the server's own parts for good; null unless one did. */
  readonly failure: RuntimeError | null;
  /** The limits that all runtimes have. Null if they may differ: the OpenAPI document then has no bounds. */
  readonly limits: Limits | null;
  /**
   * Returns a runtime by its id. `self` is the only runtime in this process.
   * `response` is the answer to the request, unless that is an upgrade.
   * @throws RUNTIME_NOT_FOUND also for a runtime that the caller may not use · RUNTIME_NOT_READY its id is not known yet
   */
  get(id: string, caller: Caller, response?: ServerResponse): ServedRuntime | Upstream;
  /** Lists the runtimes that the caller may use, in the order of their names. */
  entries(caller: Caller): Promise<readonly RuntimeEntry[]>;
  /** Returns the metrics of the directory itself, about the runtimes that the caller may use. */
  metrics?(caller: Caller): readonly Metric[];
}

/** A directory that also lists across its runtimes. The server then has the routes `/v1/workers` and `/v1/requests`. */
export interface DirectoryOfSeveral extends Directory {
  /** Lists the Workers of all runtimes, or of some by id. @throws CURSOR_INVALID · LIMIT_TOO_LARGE */
  workers(
    query: ListWorkers & { readonly runtimes?: readonly string[] },
    caller: Caller,
  ): Promise<Across<ListedWorker>>;
  /** Lists the open requests of all Workers. @throws CURSOR_INVALID · LIMIT_TOO_LARGE */
  requests(query: PageQuery, caller: Caller): Promise<Across<WorkerRequest & { readonly runtimeId: string }>>;
}

export const isOfSeveral = (directory: Directory): directory is DirectoryOfSeveral => 'workers' in directory;

export const isUpstream = (target: ServedRuntime | Upstream): target is Upstream => 'passUpgrade' in target;

/** Calls back when the streams of a caller that come from elsewhere have to be cut off. Returns the function that stops the wait. */
export const whenToCut = ({ endsWithinMs = 0 }: Upstream, caller: Caller, cut: () => void): (() => void) => {
  if (endsWithinMs === 0) return whenAuthorityEnds(caller, cut);
  let timer: NodeJS.Timeout | undefined;
  const stop = whenAuthorityEnds(caller, () => {
    timer = setTimeout(cut, endsWithinMs);
  });
  return () => {
    stop();
    clearTimeout(timer);
  };
};

/** The parts of a runtime or of a directory that decide whether requests are served. */
export type Readiness = Pick<ServedRuntime, 'status' | 'failure'>;

/** @throws STORE_LOST it has ended · RUNTIME_NOT_READY its store is not open yet, or failed to open */
export const assertReady = ({ status, failure }: Readiness): void => {
  if (failure) throw failure;
  if (status === 'new' || status === 'starting' || status === 'failed')
    throw new RuntimeError('RUNTIME_NOT_READY', undefined, { details: { status } });
};
