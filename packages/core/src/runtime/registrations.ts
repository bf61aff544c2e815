import type { Engine } from '../contracts/engine.ts';
import type { Hooks } from '../contracts/hooks.ts';
import type { Logger } from '../contracts/logger.ts';
import { PLUGIN_API, type PluginHost, type RuntimePlugin } from '../contracts/plugin.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type { ServedRuntime } from '../contracts/served-runtime.ts';
import type { RuntimeStore } from '../contracts/store.ts';
import { tapsOf } from './hook-guard.ts';
import { assertPart } from './part-check.ts';
import { type StateOptions, StoredState } from './stored-state.ts';

interface Release {
  readonly plugin: string;
  readonly release: () => void | Promise<void>;
}

const assertVersion = ({ name, api = 1 }: RuntimePlugin): void => {
  if (api === PLUGIN_API) return;
  throw new RuntimeError(
    'VERSION_UNSUPPORTED',
    `The plugin "${name}" is written for version ${api} of the plugin API, and this runtime has version ${PLUGIN_API}: update the ${api > PLUGIN_API ? 'runtime' : 'plugin'}`,
    { details: { plugin: name, asked: api, supported: [PLUGIN_API] } },
  );
};

/** The name under which engines and stores from the options of a runtime are registered. */
const OPTIONS = 'the options of the runtime';

/** The stores, engines, taps and releases that the options and plugins of a runtime registered. */
export class Registrations {
  store: RuntimeStore | null = null;
  readonly engines = new Map<string, Engine>();
  readonly #releases: Release[] = [];
  readonly #owners = new Map<string, string>();
  #areTapsOpen = true;
  #isReleased = false;

  readonly #states: StateOptions;

  constructor(states: StateOptions) {
    this.#states = states;
  }

  /**
   * Registers the store and the engines of the options.
   * @throws INVALID_REQUEST something else is in their place · PLUGIN_CONFLICT two engines have one name
   */
  addOptions(engines: readonly Engine[], store: RuntimeStore | undefined): void {
    if (store !== undefined) this.#useStore(store, OPTIONS);
    for (const engine of engines) this.#useEngine(engine, OPTIONS);
  }

  /**
   * Applies the plugins in order.
   * @throws VERSION_UNSUPPORTED a plugin of another contract · PLUGIN_CONFLICT ·
   * PLUGIN_FAILED an `apply` threw, or returned a promise
   */
  apply(plugins: readonly RuntimePlugin[], runtime: ServedRuntime, hooks: Hooks, log: Logger): void {
    for (const plugin of plugins) {
      assertVersion(plugin);
      this.#own('plugin', plugin.name, plugin.name);
      try {
        const result: unknown = plugin.apply(this.#hostOf(plugin.name, runtime, hooks, log));
        if (result instanceof Promise) throw new TypeError('apply must not be asynchronous');
      } catch (error) {
        if (error instanceof RuntimeError) throw error;
        throw new RuntimeError('PLUGIN_FAILED', `The plugin "${plugin.name}" failed in apply`, {
          cause: error,
          details: { plugin: plugin.name, hook: 'apply' },
        });
      }
    }
  }

  /** Refuses further registrations. Taps close when the start begins, because a later tap would miss facts. */
  closeTaps(): void {
    this.#areTapsOpen = false;
  }

  /** Takes the registered releases, last first. A release that is registered later is called immediately. */
  takeReleases(): readonly Release[] {
    this.#isReleased = true;
    return this.#releases.splice(0).reverse();
  }

  #useStore(store: RuntimeStore, owner: string): void {
    assertPart('store', store);
    this.#own('slot', 'store', owner);
    this.store = store;
  }

  #useEngine(engine: Engine, owner: string): void {
    assertPart('engine', engine);
    this.#own('engine', engine.name, owner);
    this.engines.set(engine.name, engine);
  }

  #own(kind: string, name: string, plugin: string): void {
    const owner = this.#owners.get(`${kind} ${name}`);
    if (owner !== undefined) {
      throw new RuntimeError(
        'PLUGIN_CONFLICT',
        `The ${kind} "${name}" is provided by both "${owner}" and "${plugin}"`,
        {
          details: { kind, name, plugins: [owner, plugin] },
        },
      );
    }
    this.#owners.set(`${kind} ${name}`, plugin);
  }

  #hostOf(plugin: string, runtime: ServedRuntime, hooks: Hooks, log: Logger): PluginHost {
    const assertOpen = (): void => {
      if (!this.#areTapsOpen)
        throw new TypeError(`The plugin "${plugin}" registered after the start had begun`);
    };
    return {
      runtime,
      hooks: tapsOf(hooks, plugin, assertOpen),
      log: {
        debug: (fields, message) => log.debug({ plugin, ...fields }, message),
        info: (fields, message) => log.info({ plugin, ...fields }, message),
        warn: (fields, message) => log.warn({ plugin, ...fields }, message),
        error: (fields, message) => log.error({ plugin, ...fields }, message),
        isLevelEnabled: (level) => log.isLevelEnabled?.(level) ?? true,
      },
      state: new StoredState(plugin, this.#states),
      useStore: (store) => {
        assertOpen();
        this.#useStore(store, plugin);
      },
      useEngine: (engine) => {
        assertOpen();
        this.#useEngine(engine, plugin);
      },
      defer: (release) => {
        if (!this.#isReleased) this.#releases.push({ plugin, release });
        else {
          Promise.resolve()
            .then(release)
            .catch((err: unknown) => log.error({ plugin, err }, 'A release that was registered late failed'));
        }
      },
    };
  }
}
