import { AsyncParallelHook, AsyncSeriesHook, AsyncSeriesWaterfallHook, SyncHook } from 'tapable';
import type { Clock } from '../contracts/clock.ts';
import type { Command, Committed, Drain, Hooks, PluginHooks, WorkerSpec } from '../contracts/hooks.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type { Diagnostic } from '../contracts/runtime-summary.ts';
import type { CreateWorker } from '../contracts/worker.ts';

export interface GuardOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Called when a tap failed whose failure must not affect the caller of the hook. */
  readonly isolated: (plugin: string, hook: keyof Hooks, error: unknown) => void;
}

type AnyTap = (...args: unknown[]) => unknown;

/**
 * Creates the hooks and guards their taps: every failure names the plugin and the hook; awaited taps have a time limit;
 * failures of notified taps, and of `drain`, are isolated. The guard is a tapable interceptor, because a tap that throws
 * would otherwise stop the later taps and lose its name.
 */
export const createHooks = ({ clock, timeoutMs, isolated }: GuardOptions): Hooks => {
  const hooks: Hooks = Object.freeze({
    start: new AsyncSeriesHook<[]>([]),
    opened: new AsyncSeriesHook<[]>([]),
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

  const awaited =
    (plugin: string, hook: keyof Hooks, tap: AnyTap) =>
    (...args: unknown[]): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const cancelTimer = clock.after(timeoutMs, () =>
          reject(
            new RuntimeError('PLUGIN_TIMEOUT', `The plugin "${plugin}" took too long in ${hook}`, {
              details: { plugin, hook, timeoutMs },
            }),
          ),
        );
        // called in a promise reaction, so that a tap that throws is guarded like a tap that rejects
        Promise.resolve()
          .then(() => tap(...args))
          .then(resolve, (error: unknown) => reject(failed(plugin, hook, error)))
          .finally(cancelTimer);
      });

  const notified =
    (plugin: string, hook: keyof Hooks, tap: AnyTap) =>
    (...args: unknown[]): void => {
      try {
        tap(...args);
      } catch (error) {
        isolated(plugin, hook, error);
      }
    };

  for (const hook of ['start', 'opened', 'prepare', 'admit'] as const) {
    hooks[hook].intercept({ register: (tap) => ({ ...tap, fn: awaited(tap.name, hook, tap.fn as AnyTap) }) });
  }
  hooks.drain.intercept({
    register(tap) {
      const guarded = awaited(tap.name, 'drain', tap.fn as AnyTap);
      return {
        ...tap,
        fn: (...args: unknown[]) =>
          guarded(...args).catch((error: unknown) => isolated(tap.name, 'drain', error)),
      };
    },
  });
  for (const hook of ['committed', 'diagnostic'] as const) {
    hooks[hook].intercept({
      register: (tap) => ({ ...tap, fn: notified(tap.name, hook, tap.fn as AnyTap) }),
    });
  }
  return hooks;
};

/** The hooks as one plugin sees them: it can only add taps. `assertOpen` throws once taps are closed. */
export const tapsOf = (hooks: Hooks, plugin: string, assertOpen: () => void): PluginHooks => {
  const open =
    <Tap>(register: (tap: Tap) => void) =>
    (tap: Tap): void => {
      assertOpen();
      register(tap);
    };
  return {
    start: { tapPromise: open((tap) => hooks.start.tapPromise(plugin, tap)) },
    opened: { tapPromise: open((tap) => hooks.opened.tapPromise(plugin, tap)) },
    prepare: { tapPromise: open((tap) => hooks.prepare.tapPromise(plugin, tap)) },
    admit: { tapPromise: open((tap) => hooks.admit.tapPromise(plugin, tap)) },
    committed: { tap: open((tap) => hooks.committed.tap(plugin, tap)) },
    diagnostic: { tap: open((tap) => hooks.diagnostic.tap(plugin, tap)) },
    drain: { tapPromise: open((tap) => hooks.drain.tapPromise(plugin, tap)) },
  };
};
