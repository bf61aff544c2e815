import type {
  ListedWorker,
  ListWorkers,
  PageQuery,
  RuntimeError,
  RuntimeStatus,
  WorkerRequest,
} from '@worker-runtime/core';
import type { Across, Metric, RuntimeEntry, ServedRuntime } from '@worker-runtime/core/plugin-kit';
import type { Caller, DirectoryOfSeveral, Upstream } from '@worker-runtime/plugin-http';
import { memberOf } from './member.ts';
import type { Workspace } from './workspace.ts';

/** The runtimes of each workspace, as its members may use them. */
export class WorkspaceDirectory implements DirectoryOfSeveral {
  /** Workspaces may have different limits. */
  readonly limits = null;
  readonly #workspaces: readonly Workspace[];

  constructor(workspaces: readonly Workspace[]) {
    this.#workspaces = workspaces;
  }

  /** The status of all embedded runtimes together: `running` if each is. */
  get status(): RuntimeStatus {
    const other = this.#workspaces.find(({ runtime }) => runtime.status !== 'running');
    return other?.runtime.status ?? 'running';
  }

  get failure(): RuntimeError | null {
    return this.#workspaces.find(({ runtime }) => runtime.failure)?.runtime.failure ?? null;
  }

  get(id: string, caller: Caller): ServedRuntime | Upstream {
    const member = memberOf(caller);
    return member.workspace.registry.get(id, member);
  }

  async entries(caller: Caller): Promise<readonly RuntimeEntry[]> {
    const member = memberOf(caller);
    return member.workspace.registry.entries(member);
  }

  /** Returns the metrics of all workspaces: `BackendAccess` refuses callers that see a part of them. */
  metrics(): readonly Metric[] {
    return this.#workspaces.flatMap(({ id: workspace, registry }) =>
      registry.metrics().map((metric) => ({
        ...metric,
        values: metric.values.map(({ value, labels }) => ({ value, labels: { ...labels, workspace } })),
      })),
    );
  }

  async workers(
    query: ListWorkers & { readonly runtimes?: readonly string[] },
    caller: Caller,
  ): Promise<Across<ListedWorker>> {
    const member = memberOf(caller);
    return member.workspace.registry.workers(query, member);
  }

  async requests(
    query: PageQuery,
    caller: Caller,
  ): Promise<Across<WorkerRequest & { readonly runtimeId: string }>> {
    const member = memberOf(caller);
    return member.workspace.registry.requests(query, member);
  }
}
