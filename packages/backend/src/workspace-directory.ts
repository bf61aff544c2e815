import { RuntimeError, type RuntimeStatus } from '@worker-runtime/core';
import type { RuntimeEntry, ServedRuntime } from '@worker-runtime/core/plugin-kit';
import { scoped } from '@worker-runtime/core/scope';
import type { Caller, Directory } from '@worker-runtime/plugin-http';
import { Member } from './member.ts';
import type { Workspace } from './workspace.ts';

/** The name of the runtime of a workspace. */
const SELF = 'self';

/** The runtimes of each workspace, as its members may use them. */
export class WorkspaceDirectory implements Directory {
  /** Workspaces may have different limits. */
  readonly limits = null;
  readonly #workspaces: readonly Workspace[];

  constructor(workspaces: readonly Workspace[]) {
    this.#workspaces = workspaces;
  }

  /** The status of all workspaces together: `running` if each is. */
  get status(): RuntimeStatus {
    const statuses = this.#workspaces.map(({ runtime }) => runtime.status);
    return statuses.find((status) => status !== 'running') ?? 'running';
  }

  get failure(): RuntimeError | null {
    return this.#workspaces.find(({ runtime }) => runtime.failure)?.runtime.failure ?? null;
  }

  get(id: string, caller: Caller): ServedRuntime {
    const member = memberOf(caller);
    const { runtime } = member.workspace;
    if (!member.mayUse(SELF)) throw new RuntimeError('RUNTIME_NOT_FOUND');
    if (id !== SELF && id !== runtime.runtimeId) throw new RuntimeError('RUNTIME_NOT_FOUND');
    return scoped(runtime, member.scope);
  }

  async entries(caller: Caller): Promise<readonly RuntimeEntry[]> {
    const member = memberOf(caller);
    if (!member.mayUse(SELF)) return [];
    const summary = await scoped(member.workspace.runtime, member.scope).summary();
    const { runtimeId, startedAt: since } = summary;
    return [{ name: SELF, runtimeId, kind: 'embedded', state: 'ok', since, error: null, summary }];
  }
}

/** Every caller of a route that needs a permission is a member: `BackendAccess` makes no others. */
const memberOf = (caller: Caller): Member => {
  if (caller instanceof Member) return caller;
  throw new RuntimeError('UNAUTHENTICATED');
};
