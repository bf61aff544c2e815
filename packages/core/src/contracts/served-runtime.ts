import type { Claim } from './claim.ts';
import type { Limits } from './limits.ts';
import type { Metric } from './metric.ts';
import type { ObserveOptions, WatchOptions } from './observation.ts';
import type { RequestResponse } from './open-request.ts';
import type { EventQuery } from './page.ts';
import type { CancelOutcome, InputReceipt } from './run.ts';
import type {
  CreateReceipt,
  IdempotencyOptions,
  RuntimeApi,
  SendOptions,
  StopOutcome,
} from './runtime-api.ts';
import type { RuntimeError } from './runtime-error.ts';
import type { RuntimeStatus } from './runtime-summary.ts';
import type { ServedArchives } from './served-archives.ts';
import type { RawPage, WatchStream, WorkerStream } from './stream.ts';
import type { UsageQuery, UsageReport } from './usage.ts';
import type { CreateWorker, ForkWorker, UpdateWorker, WorkerDetail, WorkerInput } from './worker.ts';

/** The parts that a command gives to a Worker: a creation all of them, a change a config for its engine or further tools. */
export interface Given {
  readonly engine: string;
  readonly tools: readonly string[];
  readonly claims: readonly Claim[];
}

/** The facts about a call that its caller cannot choose: a host or a transport gives them. */
export interface CallOptions {
  /**
   * The caller, by the name under which the host or the transport knows it: 1 to 128 characters, none of them a control
   * character. The events of the command have it. Everyone who may read the log sees it.
   */
  readonly actor?: string;
  /**
   * Called by a creation and by a change of the config or the tools with what the Worker would get: after the profile and the
   * plugins have decided it, and before anything is written. It refuses the command by throwing a RuntimeError.
   */
  readonly permits?: (given: Given) => void;
}

type OptionsOf<Command extends 'cancelRun' | 'stopWorker' | 'resumeWorker'> = Parameters<
  RuntimeApi[Command]
>[1];

/** A runtime as plugins and transports see it: the public API, its status, and reads that return stored bytes. */
export interface ServedRuntime extends RuntimeApi {
  /** @throws RUNTIME_NOT_READY until the store is open, because the store holds the id */
  readonly runtimeId: string;
  readonly status: RuntimeStatus;
  /** The STORE_LOST error that ended the runtime; null unless its store was lost. The status is then `failed`. */
  readonly failure: RuntimeError | null;
  readonly limits: Limits;
  /** Resolves when the runtime accepts commands; rejects when its start fails. */
  readonly ready: Promise<void>;
  /** Returns the labels of a Worker; null if there is no such Worker. */
  labelsOf(workerId: string): Readonly<Record<string, string>> | null;
  /** Copies of the whole runtime, and stopped Workers that leave it and come back. */
  readonly archives: ServedArchives;
  /** Returns the metrics of the store, for monitoring. Empty if the store has none. */
  storeMetrics(): readonly Metric[];

  // the commands of `RuntimeApi`, with their caller
  createWorker(request: CreateWorker, options?: IdempotencyOptions & CallOptions): Promise<CreateReceipt>;
  forkWorker(
    workerId: string,
    request?: ForkWorker,
    options?: IdempotencyOptions & CallOptions,
  ): Promise<CreateReceipt>;
  updateWorker(workerId: string, update: UpdateWorker, call?: CallOptions): Promise<WorkerDetail>;
  deleteWorker(workerId: string, call?: CallOptions): Promise<void>;
  sendInput(workerId: string, input: WorkerInput, options?: SendOptions & CallOptions): Promise<InputReceipt>;
  cancelRun(workerId: string, options?: OptionsOf<'cancelRun'>, call?: CallOptions): Promise<CancelOutcome>;
  stopWorker(workerId: string, options?: OptionsOf<'stopWorker'>, call?: CallOptions): Promise<StopOutcome>;
  resumeWorker(
    workerId: string,
    options?: OptionsOf<'resumeWorker'>,
    call?: CallOptions,
  ): Promise<WorkerDetail>;
  respond(
    workerId: string,
    requestId: string,
    response: RequestResponse,
    call?: CallOptions,
  ): Promise<{ readonly changed: boolean }>;

  /** As `usage` of the API, of the Workers whose labels are selected. @throws as `usage` */
  usage(
    query?: UsageQuery,
    isSelected?: (labels: Readonly<Record<string, string>>) => boolean,
  ): Promise<UsageReport>;
  /** Reads a page of events as the bytes that are stored. @throws as `events` */
  readEvents(workerId: string, query?: EventQuery): Promise<RawPage>;
  /** Opens a stream of one Worker. The caller closes it. @throws as `events` · LIMIT_REACHED */
  openStream(workerId: string, options?: Omit<ObserveOptions, 'signal'>): Promise<WorkerStream>;
  /** Opens a stream of all Workers. The caller closes it. @throws CURSOR_INVALID · LIMIT_REACHED */
  openWatch(options?: Omit<WatchOptions, 'signal'>): WatchStream;
}
