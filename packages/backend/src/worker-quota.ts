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
        hooks.admit.tapPromise(async (command) => {
          if (command.type === 'worker.create') {
            const { owner } = command.spec.labels;
            if (owner === undefined) return;
            const most = this.#most.get(owner);
            if (most !== undefined && (this.#owned.get(owner) ?? 0) >= most)
              throw limitReached('grant.workers', most);
            // reserved before the creation, so that two at once cannot both take the last place
            this.#add(owner, 1);
            void command.settled.then((outcome) => outcome === 'refused' && this.#add(owner, -1));
          }
          if (command.type === 'worker.delete') {
            const { owner } = command.worker.labels;
            void command.settled.then((outcome) => outcome === 'done' && this.#add(owner, -1));
          }
        });
      },
    };
  }

  #add(owner: string | undefined, difference: 1 | -1): void {
    if (owner === undefined) return;
    const owned = (this.#owned.get(owner) ?? 0) + difference;
    if (owned === 0) this.#owned.delete(owner);
    else this.#owned.set(owner, owned);
  }
}
