import {
  type Limits,
  type Logger,
  type PluginHooks,
  Runtime,
  RuntimeError,
  type RuntimePlugin,
} from '@worker-runtime/core';
import { fsStore } from '@worker-runtime/plugin-fs-store';
import { type Identity, Registry } from '@worker-runtime/registry';
import { type CompanionConfig, type CompanionState, companionGuard, ensureCompanion } from './companion.ts';
import { type ResolvedRuntime, SELF } from './config.ts';
import type { DrainTogether } from './drain-together.ts';
import { WorkerQuota } from './worker-quota.ts';

export interface WorkspaceParts {
  readonly id: string;
  readonly name: string;
  readonly storeRoot: string;
  readonly plugins: readonly RuntimePlugin[];
  readonly limits: Partial<Limits>;
  readonly companion: CompanionConfig | null;
  /** The runtimes in other processes that it shares with other workspaces. */
  readonly remotes: readonly ResolvedRuntime[];
  readonly identity: Identity;
  /** The time for which to wait for a store that another backend has. */
  readonly lockWaitMs: number;
  readonly log: Logger;
}

/** A team's place: its own runtime in this process, whose files no other workspace has. */
export class Workspace {
  readonly id: string;
  readonly name: string;
  readonly runtime: Runtime;
  /** The embedded runtime and the remote ones. */
  readonly registry: Registry;
  /** The hooks of the runtime, for its metrics. */
  readonly hooks: PluginHooks;
  /** The limits of Workers for their owners. */
  readonly quota = new WorkerQuota();
  readonly #companionConfig: CompanionConfig | null;
  readonly #log: Logger;
  #together: DrainTogether | null = null;
  #companion: CompanionState = { state: 'none', reason: 'The workspace is starting' };

  constructor(parts: WorkspaceParts) {
    const { id, name, storeRoot, plugins, limits, companion, remotes, identity, lockWaitMs, log } = parts;
    this.id = id;
    this.name = name;
    this.#companionConfig = companion;
    this.#log = log;
    let hooks: PluginHooks | undefined;
    const own: RuntimePlugin = {
      name: 'backend',
      apply: (host) => {
        hooks = host.hooks;
        host.hooks.drain.tapPromise(async ({ signal }) => this.#together?.arrive(signal));
      },
    };
    const guard = companion === null ? [] : [companionGuard()];
    this.runtime = new Runtime({
      plugins: [fsStore({ dir: storeRoot, lockWaitMs }), own, this.quota.plugin(), ...guard, ...plugins],
      limits,
      log,
      ...(id !== 'default' && { displayName: name }),
    });
    if (hooks === undefined) throw new TypeError('A runtime applies its plugins at once');
    this.hooks = hooks;
    // remote runtimes keep the Workers of workspaces apart, by a label that only a backend can give
    const auth = { identity: identity.within({ workspace: id }) };
    this.registry = new Registry(
      [
        { name: SELF, runtime: this.runtime },
        ...remotes.map(({ name, url, runtimeId }) => ({ name, url, runtimeId, auth })),
      ],
      { log },
    );
  }

  get companion(): CompanionState {
    return this.#companion;
  }

  /** Starts the runtime, and then finds or creates the companion. @throws the error of the runtime, with the id */
  async start(): Promise<void> {
    try {
      await this.runtime.start();
    } catch (cause) {
      const { code, details } = RuntimeError.from(cause);
      throw new RuntimeError(code, `The workspace "${this.id}" did not start`, { cause, details });
    }
    this.#companion = await ensureCompanion(this.runtime, this.#companionConfig, this.#log);
  }

  /** Stops the runtime. Its streams and requests end together with those of the other workspaces. */
  async stop(together: DrainTogether, options: { readonly reason?: string }): Promise<void> {
    this.#together = together;
    await this.runtime.stop(options);
  }
}
