import { AsyncParallelHook, AsyncSeriesHook, AsyncSeriesWaterfallHook, SyncHook } from 'tapable';
import type { Clock } from '../contracts/clock.ts';
import type { BundleRef, WorkerEvent } from '../contracts/event.ts';
import type { JsonObject, JsonValue } from '../contracts/json.ts';
import type { CreateWorker, Diagnostic, UpdateWorker, WorkerInput } from '../contracts/runtime-api.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type { Claim } from '../domain/claims.ts';

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

export interface Hooks {
  readonly start: AsyncSeriesHook<[]>;
  readonly prepare: AsyncSeriesWaterfallHook<[WorkerSpec, CreateWorker]>;
  readonly admit: AsyncSeriesHook<[Command]>;
  readonly committed: SyncHook<[Committed]>;
  readonly diagnostic: SyncHook<[Diagnostic]>;
  readonly drain: AsyncParallelHook<[Drain]>;
}

export interface GuardOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Told of a failing tap that may not fail its fact; `hook` is the one that it tapped. */
  readonly isolated: (plugin: string, hook: keyof Hooks, error: unknown) => void;
}

type AnyTap = (...args: unknown[]) => unknown;

/**
 * Makes the hooks and installs the one guard on them: every failure names plugin and hook, asked taps are
 * time-limited, told taps and those of `drain` are isolated. An interceptor is used since a throwing tapable tap
 * stops the later ones, loses its name, and since taps cannot be taken back.
 */
export const createHooks = ({ clock, timeoutMs, isolated }: GuardOptions): Hooks => {
  const hooks: Hooks = Object.freeze({
    start: new AsyncSeriesHook<[]>([]),
    prepare: new AsyncSeriesWaterfallHook<[WorkerSpec, CreateWorker]>(['spec', 'request']),
    admit: new AsyncSeriesHook<[Command]>(['command']),
    committed: new SyncHook<[Committed]>(['committed']),
    diagnostic: new SyncHook<[Diagnostic]>(['diagnostic']),
    drain: new AsyncParallelHook<[Drain]>(['drain']),
  });

  const failed = (plugin: string, hook: keyof Hooks, error: unknown): RuntimeError =>
    error instanceof RuntimeError
      ? error
      : new RuntimeError('PLUGIN_FAILED', `The plugin "${plugin}" failed in ${hook}`, {
          cause: error,
          details: { plugin, hook },
        });

  const asked =
    (plugin: string, hook: keyof Hooks, tap: AnyTap) =>
    (...args: unknown[]): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const callOff = clock.after(timeoutMs, () =>
          reject(
            new RuntimeError('PLUGIN_TIMEOUT', `The plugin "${plugin}" took too long in ${hook}`, {
              details: { plugin, hook, timeoutMs },
            }),
          ),
        );
        // resolved first, so that a tap that throws at once is guarded like one that rejects
        Promise.resolve()
          .then(() => tap(...args))
          .then(resolve, (error: unknown) => reject(failed(plugin, hook, error)))
          .finally(callOff);
      });

  const told =
    (plugin: string, hook: keyof Hooks, tap: AnyTap) =>
    (...args: unknown[]): void => {
      try {
        tap(...args);
      } catch (error) {
        isolated(plugin, hook, error);
      }
    };

  for (const hook of ['start', 'prepare', 'admit'] as const) {
    hooks[hook].intercept({ register: (tap) => ({ ...tap, fn: asked(tap.name, hook, tap.fn as AnyTap) }) });
  }
  hooks.drain.intercept({
    register(tap) {
      const guarded = asked(tap.name, 'drain', tap.fn as AnyTap);
      return {
        ...tap,
        fn: (...args: unknown[]) =>
          guarded(...args).catch((error: unknown) => isolated(tap.name, 'drain', error)),
      };
    },
  });
  for (const hook of ['committed', 'diagnostic'] as const) {
    hooks[hook].intercept({ register: (tap) => ({ ...tap, fn: told(tap.name, hook, tap.fn as AnyTap) }) });
  }
  return hooks;
};

/** One plugin's tap-only view. `assertOpen` throws once taps are closed. */
export const tapsOf = (hooks: Hooks, plugin: string, assertOpen: () => void): PluginHooks => {
  const open =
    <Tap>(register: (tap: Tap) => void) =>
    (tap: Tap): void => {
      assertOpen();
      register(tap);
    };
  return {
    start: { tapPromise: open((tap) => hooks.start.tapPromise(plugin, tap)) },
    prepare: { tapPromise: open((tap) => hooks.prepare.tapPromise(plugin, tap)) },
    admit: { tapPromise: open((tap) => hooks.admit.tapPromise(plugin, tap)) },
    committed: { tap: open((tap) => hooks.committed.tap(plugin, tap)) },
    diagnostic: { tap: open((tap) => hooks.diagnostic.tap(plugin, tap)) },
    drain: { tapPromise: open((tap) => hooks.drain.tapPromise(plugin, tap)) },
  };
};
