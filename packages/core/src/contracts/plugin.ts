import type { Engine } from './engine.ts';
import type { PluginHooks } from './hooks.ts';
import type { JsonValue } from './json.ts';
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

/**
 * A value of a plugin that outlives the process, in the store of the runtime, under the name of the plugin. It is private:
 * no event and no answer shows it.
 */
export interface PluginState {
  /**
   * Returns the value that was written last, or null. Writes that are in progress come first.
   * @throws RUNTIME_NOT_READY before `opened` · RUNTIME_STOPPING · STORE_CORRUPT the value is not readable · STORE_UNAVAILABLE
   */
  read(): Promise<JsonValue>;
  /**
   * Replaces the value. On return it is as durable as an event. Writes happen in the order of their calls. After a
   * failure either of the two values is stored.
   * @throws INVALID_REQUEST the value is not JSON · PAYLOAD_TOO_LARGE `limits.pluginStateBytes` · RUNTIME_NOT_READY before
   * `opened` · RUNTIME_STOPPING · STORE_FULL · STORE_UNAVAILABLE · STORE_LOST
   */
  write(value: JsonValue): Promise<void>;
}

/** The interface of a runtime for its plugins. */
export interface PluginHost {
  /** The runtime. It refuses commands until it is running. */
  readonly runtime: ServedRuntime;
  readonly hooks: PluginHooks;
  readonly log: Logger;
  readonly state: PluginState;
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
