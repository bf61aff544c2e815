import type { RuntimePlugin } from '@worker-runtime/core';
import { limitReached } from '@worker-runtime/core/plugin-kit';

/** Counts the Workers of each owner in an embedded runtime, and refuses one that is more than the grant of its owner allows. */
export class WorkerQuota {
  readonly #owned = new Map<string, number>();
  readonly #most = new Map<string, number>();

  /** Sets the number of Workers that an owner may have; `undefined` for no limit. */
  allow(owner: string, most: number | undefined): void {
    if (most === undefined) this.#most.delete(owner);
    else this.#most.set(owner, most);
  }

  plugin(): RuntimePlugin {
    return {
      name: 'worker-quota',
      apply: ({ runtime, hooks }) => {
        hooks.opened.tapPromise(async () => {
          for (let after: string | null = 'start'; after !== null; ) {
            const page = await runtime.listWorkers({ after });
            for (const { labels } of page.items) this.#add(labels.owner, 1);
            after = page.next;
          }
        });
        // an engine that creates a child does so for the owner of its Worker
        hooks.prepare.tapPromise(async (spec, { parent = null }) => {
          if (parent === null || spec.labels.owner !== undefined) return spec;
          const { owner, workspace } = (await runtime.getWorker(parent)).labels;
          const stamp = {
            ...(owner !== undefined && { owner }),
            ...(workspace !== undefined && { workspace }),
          };
          return { ...spec, labels: { ...spec.labels, ...stamp } };
        });
        hooks.admit.tapPromise(async (command) => {
          if (command.type === 'worker.create') this.#take(command.spec.labels.owner, command.settled);
          if (command.type === 'worker.import') this.#take(command.worker.labels.owner, command.settled);
          if (command.type === 'worker.delete') {
            const { owner } = command.worker.labels;
            void command.settled.then((outcome) => outcome === 'done' && this.#add(owner, -1));
          }
          if (command.type === 'worker.update' && command.update.labels !== undefined) {
            const [before, after] = [command.worker.labels.owner, command.update.labels.owner];
            void command.settled.then((outcome) => {
              if (outcome === 'refused' || before === after) return;
              this.#add(before, -1);
              this.#add(after, 1);
            });
          }
        });
      },
    };
  }

  /** Reserves a place before the command, so that two at once cannot both take the last one. @throws LIMIT_REACHED */
  #take(owner: string | undefined, settled: Promise<'done' | 'refused'>): void {
    if (owner === undefined) return;
    const most = this.#most.get(owner);
    if (most !== undefined && (this.#owned.get(owner) ?? 0) >= most)
      throw limitReached('grant.workers', most);
    this.#add(owner, 1);
    void settled.then((outcome) => outcome === 'refused' && this.#add(owner, -1));
  }

  #add(owner: string | undefined, difference: 1 | -1): void {
    if (owner === undefined) return;
    const owned = (this.#owned.get(owner) ?? 0) + difference;
    if (owned === 0) this.#owned.delete(owner);
    else this.#owned.set(owner, owned);
  }
}
