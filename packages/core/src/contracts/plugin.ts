import type { Engine } from './engine.ts';
import type { PluginHooks } from './hooks.ts';
import type { Logger } from './logger.ts';
import type { ServedRuntime } from './served-runtime.ts';
import type { RuntimeStore } from './store.ts';

/**
 * The version of the contract between a runtime and its plugins (this file and `hooks.ts`). Incompatible changes
 * raise it.
 */
export const PLUGIN_API = 1;

/**
 * Extends a runtime with a store, engines or hooks. A plugin is usually made by a function that takes its options, such
 * as `fsStore({ dir })`.
 * @example
 * const audit = (path: string): RuntimePlugin => ({
 *   name: 'audit',
 *   apply(host) {
 *     let file: FileHandle | undefined;
 *     host.hooks.start.tapPromise(async () => {
 *       file = await open(path, 'a');
 *       host.defer(() => file?.close());
 *     });
 *     host.hooks.committed.tap(({ workerId, events }) => {
 *       for (const { seq, type } of events) void file?.write(`${workerId} ${seq} ${type}\n`);
 *     });
 *   },
 * });
 */
export interface RuntimePlugin {
  /** Unique in a runtime. */
  readonly name: string;
  /** The `PLUGIN_API` that the plugin was written for. Default 1. */
  readonly api?: number;
  /**
   * Registers taps, a store, engines and releases, and does nothing else. Resources are acquired in a tap of `start`.
   */
  apply(host: PluginHost): void;
}

/** The interface of a runtime for its plugins. */
export interface PluginHost {
  /** The runtime. It refuses commands until it is running. */
  readonly runtime: ServedRuntime;
  readonly hooks: PluginHooks;
  readonly log: Logger;
  /** Registers the store. @throws PLUGIN_CONFLICT another plugin registered one; the message names both plugins */
  useStore(store: RuntimeStore): void;
  /** Registers an engine. @throws PLUGIN_CONFLICT its name is taken; the message names both plugins */
  useEngine(engine: Engine): void;
  /**
   * Registers a function that releases a resource. The runtime calls it once when it stops or fails to start, the one
   * registered last first. If the runtime has already released its resources, it calls the function at once.
   */
  defer(release: () => void | Promise<void>): void;
}
