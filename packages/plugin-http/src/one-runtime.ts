import { type Limits, RuntimeError, type RuntimeStatus } from '@worker-runtime/core';
import type { RuntimeEntry, ServedRuntime } from '@worker-runtime/core/plugin-kit';
import { scoped } from '@worker-runtime/core/scope';
import type { Caller } from './access/caller.ts';
import { assertReady, type Directory } from './directory.ts';

/** The name of the only runtime of a process. */
export const SELF = 'self';

/** The directory of a process with one runtime. */
export class OneRuntime implements Directory {
  readonly #runtime: ServedRuntime;

  constructor(runtime: ServedRuntime) {
    this.#runtime = runtime;
  }

  get status(): RuntimeStatus {
    return this.#runtime.status;
  }

  get failure(): RuntimeError | null {
    return this.#runtime.failure;
  }

  get limits(): Limits {
    return this.#runtime.limits;
  }

  get(id: string, { scope }: Caller): ServedRuntime {
    assertReady(this.#runtime);
    if (id !== SELF && id !== this.#runtime.runtimeId) throw new RuntimeError('RUNTIME_NOT_FOUND');
    return scoped(this.#runtime, scope);
  }

  async entries({ scope }: Caller): Promise<readonly RuntimeEntry[]> {
    const summary = await scoped(this.#runtime, scope).summary();
    const { runtimeId, startedAt: since } = summary;
    return [{ name: SELF, runtimeId, kind: 'embedded', state: 'ok', since, error: null, summary }];
  }
}
