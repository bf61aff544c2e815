import type { AsyncParallelHook, AsyncSeriesHook, AsyncSeriesWaterfallHook, SyncHook } from 'tapable';
import type { Claim } from './claim.ts';
import type { RunInput } from './engine.ts';
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

/** The public facts about a Worker by which a plugin decides. */
export interface WorkerFacts {
  readonly workerId: string;
  readonly engine: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly parent: string | null;
}

/** A command for one Worker. `worker` has the facts from before the command. */
interface OfWorker {
  readonly workerId: string;
  readonly worker: WorkerFacts;
}

/** What `admit` is asked about. `settled` resolves, and never rejects, when the command was carried out or refused. */
export type Command = { readonly settled: Promise<'done' | 'refused'> } & (
  | { readonly type: 'worker.create'; readonly spec: WorkerSpec; readonly initialInput: WorkerInput | null }
  | (OfWorker & { readonly type: 'worker.input'; readonly input: WorkerInput })
  /** A run that the engine starts itself, with or without an input. */
  | (OfWorker & { readonly type: 'run.begin'; readonly input: RunInput | null })
  | (OfWorker & { readonly type: 'worker.update'; readonly update: UpdateWorker })
  /** With the claims that the Worker holds again, private ones in clear. */
  | (OfWorker & { readonly type: 'worker.resume'; readonly claims: readonly Claim[] })
  | (OfWorker & { readonly type: 'worker.delete' })
  | { readonly type: 'bundle.put'; readonly digest: string; readonly bundle: JsonValue }
);

/** One Worker's events as they were committed together. */
export interface Committed {
  readonly workerId: string;
  /** The facts after the events. */
  readonly worker: WorkerFacts;
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
 * The seven hooks in the order of a life. Asked hooks (`start`, `opened`, `prepare`, `admit`, `drain`) are awaited; told hooks
 * (`committed`, `diagnostic`) can neither change, delay nor fail what they are told. Taps run in plugin order.
 */
export interface PluginHooks {
  /** *When* once, before the store opens. *May* acquire, then `defer`. *On error* start fails and unwinds. */
  readonly start: AsyncTaps<[], void>;
  /**
   * *When* once, after recovery and before the first command: what is stored can be read from `host.runtime`. The events
   * of recovery itself came to `committed` before. *On error* start fails and everything acquired is released.
   */
  readonly opened: AsyncTaps<[], void>;
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
  readonly opened: AsyncSeriesHook<[]>;
  readonly prepare: AsyncSeriesWaterfallHook<[WorkerSpec, CreateWorker]>;
  readonly admit: AsyncSeriesHook<[Command]>;
  readonly committed: SyncHook<[Committed]>;
  readonly diagnostic: SyncHook<[Diagnostic]>;
  readonly drain: AsyncParallelHook<[Drain]>;
}
