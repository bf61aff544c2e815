import type { AsyncParallelHook, AsyncSeriesHook, AsyncSeriesWaterfallHook, SyncHook } from 'tapable';
import type { Claim } from './claim.ts';
import type { RunInput } from './engine.ts';
import type { BundleRef, WhenInterrupted, WorkerEvent } from './event.ts';
import type { FilePart } from './file.ts';
import type { JsonObject, JsonValue } from './json.ts';
import type { Diagnostic } from './runtime-summary.ts';
import type { CreateWorker, UpdateWorker, WorkerInput } from './worker.ts';

/** A creation with all defaults filled in. `prepare` may replace it before the runtime creates the Worker. */
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
  readonly whenInterrupted: WhenInterrupted;
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

/**
 * A command that `admit` decides about. `settled` resolves when the command was executed (`done`) or refused, and never
 * rejects.
 */
export type Command = { readonly settled: Promise<'done' | 'refused'> } & (
  | { readonly type: 'worker.create'; readonly spec: WorkerSpec; readonly initialInput: WorkerInput | null }
  | (OfWorker & { readonly type: 'worker.input'; readonly input: WorkerInput })
  /** A run that the engine begins on its own initiative, with or without an input. */
  | (OfWorker & { readonly type: 'run.begin'; readonly input: RunInput | null })
  /** An upload. The files that engines store are not commands. */
  | (OfWorker & { readonly type: 'file.put'; readonly file: FilePart })
  | (OfWorker & { readonly type: 'worker.update'; readonly update: UpdateWorker })
  /** `claims` are the resources that the Worker will hold again. They are private, unlike their names. */
  | (OfWorker & { readonly type: 'worker.resume'; readonly claims: readonly Claim[] })
  | (OfWorker & { readonly type: 'worker.delete' })
  /** A stopped Worker that comes back from an archive. `worker` has the facts of the archive. */
  | (OfWorker & { readonly type: 'worker.import' })
  /** The events up to `throughSeq` leave the store, because the file `archive` has them. */
  | (OfWorker & { readonly type: 'history.remove'; readonly throughSeq: number; readonly archive: string })
  | { readonly type: 'bundle.put'; readonly digest: string; readonly bundle: JsonValue }
);

/** The events of one Worker that were committed together. */
export interface Committed {
  readonly workerId: string;
  /** The facts after the events. */
  readonly worker: WorkerFacts;
  readonly events: readonly WorkerEvent[];
}

/** The end of a runtime, as `drain` sees it. */
export interface Drain {
  /** Aborted at the deadline. */
  readonly signal: AbortSignal;
  /** The reason that was passed to `stop`. */
  readonly reason: string;
}

/** A hook whose taps are awaited. */
export interface AsyncTaps<Args extends readonly unknown[], Result> {
  tapPromise(tap: (...args: Args) => Promise<Result>): void;
}
/** A hook whose taps are called synchronously. */
export interface SyncTaps<Args extends readonly unknown[]> {
  tap(tap: (...args: Args) => void): void;
}

/**
 * The seven hooks, in the order in which a runtime calls them. `start`, `opened`, `prepare`, `admit` and `drain` are
 * awaited and may fail. `committed` and `diagnostic` are notifications: their taps can neither change, delay nor fail
 * anything. Taps are called in the order of the plugins; those of `drain` run at the same time. An awaited tap that takes
 * longer than the limit `pluginTimeoutMs` fails with PLUGIN_TIMEOUT.
 */
export interface PluginHooks {
  /**
   * Called once, before the store is opened. A tap may acquire resources and registers their release with `defer`. If
   * it throws, the start fails, and everything that was acquired is released.
   */
  readonly start: AsyncTaps<[], void>;
  /**
   * Called once, after recovery and before the first command. Everything that is stored can be read from
   * `host.runtime`. `committed` has already been called for the events of the recovery itself. If a tap throws, the
   * start fails, and everything that was acquired is released.
   */
  readonly opened: AsyncTaps<[], void>;
  /**
   * Called for each creation, before anything is written. A tap must return a spec: the given one or a new one. If it
   * throws, the creation is refused.
   */
  readonly prepare: AsyncTaps<[WorkerSpec, CreateWorker], WorkerSpec>;
  /**
   * Called for each command before its first write, except for stop, cancel and respond. A tap refuses the command by
   * throwing a RuntimeError.
   */
  readonly admit: AsyncTaps<[Command], void>;
  /**
   * Called when the store has the events, in the order of `seq` for each Worker. A tap must not block. If it throws,
   * the runtime records a diagnostic.
   */
  readonly committed: SyncTaps<[Committed]>;
  /** Called for each diagnostic. If a tap throws, the error goes to the operator's log only. */
  readonly diagnostic: SyncTaps<[Diagnostic]>;
  /**
   * Called when a stop has ended the runs. A tap may finish its own work, within a fifth of the deadline of the stop.
   * If it throws, the runtime records a diagnostic and continues to stop.
   */
  readonly drain: AsyncTaps<[Drain], void>;
}

/** The hooks as the runtime calls them. Plugins see them as `PluginHooks`. */
export interface Hooks {
  readonly start: AsyncSeriesHook<[]>;
  readonly opened: AsyncSeriesHook<[]>;
  readonly prepare: AsyncSeriesWaterfallHook<[WorkerSpec, CreateWorker]>;
  readonly admit: AsyncSeriesHook<[Command]>;
  readonly committed: SyncHook<[Committed]>;
  readonly diagnostic: SyncHook<[Diagnostic]>;
  readonly drain: AsyncParallelHook<[Drain]>;
}
