import type { Engine } from '../contracts/engine.ts';
import type { Hooks } from '../contracts/hooks.ts';
import type { Logger } from '../contracts/logger.ts';
import { PLUGIN_API, type PluginHost, type RuntimePlugin } from '../contracts/plugin.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type { ServedRuntime } from '../contracts/served-runtime.ts';
import type { RuntimeStore } from '../contracts/store.ts';
import { tapsOf } from './hook-guard.ts';

interface Release {
  readonly plugin: string;
  readonly release: () => void | Promise<void>;
}

const assertVersion = ({ name, api = 1 }: RuntimePlugin): void => {
  if (api === PLUGIN_API) return;
  throw new RuntimeError(
    'VERSION_UNSUPPORTED',
    `The plugin "${name}" is written for version ${api} of the plugin API, and this runtime has ${PLUGIN_API}: update the ${api > PLUGIN_API ? 'runtime' : 'plugin'}`,
    { details: { plugin: name, asked: api, supported: [PLUGIN_API] } },
  );
};

/** What the plugins of a runtime registered. */
export class Registrations {
  store: RuntimeStore | null = null;
  readonly engines = new Map<string, Engine>();
  readonly #releases: Release[] = [];
  readonly #owners = new Map<string, string>();
  #areTapsOpen = true;
  #isReleased = false;

  /**
   * Applies the plugins in order.
   * @throws VERSION_UNSUPPORTED a plugin of another contract · PLUGIN_CONFLICT · PLUGIN_FAILED an `apply` threw, or
   * returned a promise
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

  /** tapable has no untap, and a tap that joins later would have missed facts: so taps close when start begins. */
  closeTaps(): void {
    this.#areTapsOpen = false;
  }

  /** What is to be released, last first. From now on whatever is acquired is let go at once. */
  takeReleases(): readonly Release[] {
    this.#isReleased = true;
    return this.#releases.splice(0).reverse();
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
      if (!this.#areTapsOpen) throw new TypeError(`The plugin "${plugin}" registers after start began`);
    };
    return {
      runtime,
      hooks: tapsOf(hooks, plugin, assertOpen),
      log: {
        debug: (fields, message) => log.debug({ plugin, ...fields }, message),
        info: (fields, message) => log.info({ plugin, ...fields }, message),
        warn: (fields, message) => log.warn({ plugin, ...fields }, message),
        error: (fields, message) => log.error({ plugin, ...fields }, message),
      },
      useStore: (store) => {
        assertOpen();
        this.#own('slot', 'store', plugin);
        this.store = store;
      },
      useEngine: (engine) => {
        assertOpen();
        this.#own('engine', engine.name, plugin);
        this.engines.set(engine.name, engine);
      },
      defer: (release) => {
        if (!this.#isReleased) this.#releases.push({ plugin, release });
        else {
          Promise.resolve()
            .then(release)
            .catch((err: unknown) => log.error({ plugin, err }, 'A release that came late failed'));
        }
      },
    };
  }
}
