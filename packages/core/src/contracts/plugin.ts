import type { Engine } from './engine.ts';
import type { PluginHooks } from './hooks.ts';
import type { Logger } from './logger.ts';
import type { ServedRuntime } from './served-runtime.ts';
import type { RuntimeStore } from './store.ts';

/** Version of the contract between a runtime and its plugins, of this file and of `hooks.ts`: a break counts it up. */
export const PLUGIN_API = 1;

/** A factory makes one: `fsStore({ dir })`. */
export interface RuntimePlugin {
  /** Unique in a runtime. */
  readonly name: string;
  /** The version of the contract that it was written for; without one, the first. */
  readonly api?: number;
  /** Registers and nothing else: taps, a store, engines, releases. What must be acquired is acquired in `start`. */
  apply(host: PluginHost): void;
}

/** What a plugin sees of its runtime. */
export interface PluginHost {
  /** Refuses commands until it runs. */
  readonly runtime: ServedRuntime;
  readonly hooks: PluginHooks;
  readonly log: Logger;
  /** The slot for the store. @throws PLUGIN_CONFLICT a second provider; the message names both */
  useStore(store: RuntimeStore): void;
  /** @throws PLUGIN_CONFLICT the name is taken; the message names both */
  useEngine(engine: Engine): void;
  /** Called once, last registered first, when the runtime stops or its start fails. Also open while it starts; later it is called at once. */
  defer(release: () => void | Promise<void>): void;
}
