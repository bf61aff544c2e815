import type { AsyncParallelHook, AsyncSeriesHook, AsyncSeriesWaterfallHook, SyncHook } from 'tapable';
import type { Claim } from './claim.ts';
import type { BundleRef, WorkerEvent } from './event.ts';
import type { JsonObject, JsonValue } from './json.ts';
import type { CreateWorker, Diagnostic, UpdateWorker, WorkerInput } from './runtime-api.ts';

/** A creation with everything filled in: what `prepare` hands on and the runtime then makes. */
export interface WorkerSpec {
  readonly workerId: string;
  readonly engine: string | null;
  readonly displayName: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly parent: string | null;
  readonly profile: string | null;
  readonly bundle: BundleRef | null;
  readonly config: JsonObject;
  readonly tools: readonly string[];
  readonly claims: readonly Claim[];
}

/** What `admit` is asked about. `settled` resolves, and never rejects, when the command was carried out or refused. */
export type Command = { readonly settled: Promise<'done' | 'refused'> } & (
  | { readonly type: 'worker.create'; readonly spec: WorkerSpec; readonly initialInput: WorkerInput | null }
  | { readonly type: 'worker.input'; readonly workerId: string; readonly input: WorkerInput }
  | { readonly type: 'worker.update'; readonly workerId: string; readonly update: UpdateWorker }
  /** With the claims that the Worker holds again, private ones in clear. */
  | { readonly type: 'worker.resume'; readonly workerId: string; readonly claims: readonly Claim[] }
  | { readonly type: 'worker.delete'; readonly workerId: string }
  | { readonly type: 'bundle.put'; readonly digest: string; readonly bundle: JsonValue }
);

/** One Worker's events as they were committed together. */
export interface Committed {
  readonly workerId: string;
  readonly events: readonly WorkerEvent[];
}

export interface Drain {
  /** Aborted at the deadline. */
  readonly signal: AbortSignal;
  readonly reason: string;
}

export interface AsyncTaps<Args extends readonly unknown[], Result> {
  tapPromise(tap: (...args: Args) => Promise<Result>): void;
}
export interface SyncTaps<Args extends readonly unknown[]> {
  tap(tap: (...args: Args) => void): void;
}

/**
 * The six hooks in the order of a life. Asked hooks (`start`, `prepare`, `admit`, `drain`) are awaited; told hooks
 * (`committed`, `diagnostic`) can neither change, delay nor fail what they are told. Taps run in plugin order.
 */
export interface PluginHooks {
  /** *When* once, before the store opens. *May* acquire, then `defer`. *On error* start fails and unwinds. */
  readonly start: AsyncTaps<[], void>;
  /** *When* per creation, before any write. *Must* return a spec: the same or a new one. *On error* it is refused. */
  readonly prepare: AsyncTaps<[WorkerSpec, CreateWorker], WorkerSpec>;
  /** *When* per command, before its first write (never for stop, cancel, respond). *May* throw a RuntimeError to refuse. */
  readonly admit: AsyncTaps<[Command], void>;
  /** *When* the store has the events, in `seq` order per Worker. *Must not* block. *On error* a diagnostic. */
  readonly committed: SyncTaps<[Committed]>;
  /** *When* trouble was survived. *On error* logged only. */
  readonly diagnostic: SyncTaps<[Diagnostic]>;
  /**
   * *When* stop has ended the runs. *May* finish what is in flight, within a fifth of the deadline of stop.
   * *On error* a diagnostic, and stop goes on.
   */
  readonly drain: AsyncTaps<[Drain], void>;
}

/** The tapable hooks themselves, for the runtime that calls them. Plugins see `PluginHooks`. */
export interface Hooks {
  readonly start: AsyncSeriesHook<[]>;
  readonly prepare: AsyncSeriesWaterfallHook<[WorkerSpec, CreateWorker]>;
  readonly admit: AsyncSeriesHook<[Command]>;
  readonly committed: SyncHook<[Committed]>;
  readonly diagnostic: SyncHook<[Diagnostic]>;
  readonly drain: AsyncParallelHook<[Drain]>;
}
