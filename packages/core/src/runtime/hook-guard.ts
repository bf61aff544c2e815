import { AsyncParallelHook, AsyncSeriesHook, AsyncSeriesWaterfallHook, SyncHook } from 'tapable';
import type { Clock } from '../contracts/clock.ts';
import type { Command, Committed, Drain, Hooks, PluginHooks, WorkerSpec } from '../contracts/hooks.ts';
import type { CreateWorker, Diagnostic } from '../contracts/runtime-api.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';

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
