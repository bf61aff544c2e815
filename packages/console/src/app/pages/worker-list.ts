import type { WorkerSummary } from '@worker-runtime/core';
import { type Condition, conditionOf } from '../parts/condition.ts';
import { inOrder } from '../parts/in-order.ts';
import type { WorkersSearch } from '../search.ts';

/** A line of the list: the heading of a group, or a Worker. */
export type ListLine =
  | { readonly type: 'group'; readonly condition: Condition; readonly count: number }
  | { readonly type: 'worker'; readonly worker: WorkerSummary; readonly place: number };

export interface Facet {
  readonly value: string;
  /** The name of the value on the page; by default the value itself. */
  readonly name?: string;
  readonly count: number;
}

export interface WorkerList {
  readonly lines: readonly ListLine[];
  /** The Workers of the list, in its order. */
  readonly workers: readonly WorkerSummary[];
  readonly statuses: Readonly<Record<Condition, number>>;
  readonly engines: readonly Facet[];
  readonly labels: readonly Facet[];
  /** The numbers of all Workers by runtime. */
  readonly runtimes: ReadonlyMap<string, number>;
}

/** The order of the groups: what needs a person comes first. */
export const GROUPS: readonly Condition[] = ['waiting', 'damaged', 'running', 'idle', 'stopped'];

const FACETS_SHOWN = 40;

const order = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

export const nameOf = ({ displayName, workerId }: Pick<WorkerSummary, 'displayName' | 'workerId'>): string =>
  inOrder(displayName ?? workerId);

export const keyOf = ({ runtimeId, workerId }: Pick<WorkerSummary, 'runtimeId' | 'workerId'>): string =>
  `${runtimeId}/${workerId}`;

const matches = (worker: WorkerSummary, text: string): boolean => {
  if (text === '') return true;
  const { workerId, displayName, displayRef, engine, labels } = worker;
  const all = [workerId, displayName ?? '', displayRef, engine, ...Object.entries(labels).flat()];
  return all.some((one) => one.toLowerCase().includes(text));
};

/**
 * Compares two Workers of one group. A run keeps its place while it works, and an idle Worker moves only when it was active:
 * lines do not jump under the pointer.
 */
const byActivity = (one: WorkerSummary, other: WorkerSummary): number => {
  if (one.status === 'waiting') return order(one.updatedAt, other.updatedAt);
  if (one.run && other.run) return order(other.run.startedAt, one.run.startedAt);
  return order(other.updatedAt, one.updatedAt);
};

// the name of an order comes from the address
const COMPARE: ReadonlyMap<string, (one: WorkerSummary, other: WorkerSummary) => number> = new Map([
  ['name', (one, other) => order(nameOf(one).toLowerCase(), nameOf(other).toLowerCase())],
  ['created', (one, other) => order(other.createdAt, one.createdAt)],
]);

const facetsOf = (counts: ReadonlyMap<string, number>): readonly Facet[] =>
  [...counts]
    .map(([value, count]) => ({ value, count }))
    .toSorted((one, other) => other.count - one.count || order(one.value, other.value))
    .slice(0, FACETS_SHOWN);

const increment = (counts: Map<string, number>, value: string): void => {
  counts.set(value, (counts.get(value) ?? 0) + 1);
};

/** Filters, groups and sorts Workers. The counts of a facet are those that its other filters leave. */
export const listWorkers = (all: readonly WorkerSummary[], search: WorkersSearch): WorkerList => {
  const text = (search.q ?? '').toLowerCase();
  const statuses: Record<Condition, number> = { waiting: 0, damaged: 0, running: 0, idle: 0, stopped: 0 };
  const engines = new Map<string, number>();
  const labels = new Map<string, number>();
  const runtimes = new Map<string, number>();
  const groups = new Map<Condition, WorkerSummary[]>(GROUPS.map((group) => [group, []]));
  for (const worker of all) {
    if (!matches(worker, text)) continue;
    const pairs = Object.entries(worker.labels).map(([name, value]) => `${name}=${value}`);
    const condition = conditionOf(worker);
    const fitsStatus = !search.status || search.status.includes(condition);
    const fitsEngine = !search.engine || search.engine.includes(worker.engine);
    const fitsLabels = !search.label || search.label.every((label) => pairs.includes(label));
    const fitsRuntime = !search.runtime || search.runtime.includes(worker.runtimeId);
    if (fitsStatus && fitsEngine && fitsLabels) increment(runtimes, worker.runtimeId);
    if (!fitsRuntime) continue;
    if (fitsEngine && fitsLabels) statuses[condition] += 1;
    if (fitsStatus && fitsLabels) increment(engines, worker.engine);
    if (fitsStatus && fitsEngine && fitsLabels) {
      for (const pair of pairs) increment(labels, pair);
      groups.get(condition)?.push(worker);
    }
  }
  const lines: ListLine[] = [];
  const workers: WorkerSummary[] = [];
  const compare = COMPARE.get(search.sort ?? '');
  const add = (members: readonly WorkerSummary[]): void => {
    for (const worker of members) {
      lines.push({ type: 'worker', worker, place: workers.length });
      workers.push(worker);
    }
  };
  if (compare) add([...groups.values()].flat().toSorted(compare));
  else
    for (const [condition, members] of groups) {
      if (members.length === 0) continue;
      lines.push({ type: 'group', condition, count: members.length });
      add(members.sort(byActivity));
    }
  return { lines, workers, statuses, engines: facetsOf(engines), labels: facetsOf(labels), runtimes };
};
