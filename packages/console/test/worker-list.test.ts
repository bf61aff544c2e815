/** The filters of the list of Workers, and what their facets count. It needs no browser. */
import type { WorkerSummary } from '@worker-runtime/core';
import test from 'ava';
import { listWorkers } from '../src/app/pages/worker-list.ts';
import type { WorkersSearch } from '../src/app/search.ts';

const worker = (
  workerId: string,
  runtimeId: string,
  engine: string,
  status: WorkerSummary['status'],
  labels: Readonly<Record<string, string>>,
): WorkerSummary => ({
  runtimeId,
  workerId,
  displayRef: workerId,
  displayName: null,
  engine,
  labels,
  parent: null,
  status,
  health: 'ok',
  execution: { connected: false, generation: 1, lastError: null },
  run: null,
  queued: 0,
  waits: [],
  createdAt: '2026-01-01T00:00:00.000Z',
  updatedAt: '2026-01-01T00:00:00.000Z',
  lastSeq: 2,
  asOf: '@2',
  stored: { eventBytes: 200, fileBytes: 0 },
  archived: null,
});

const ALL = [
  worker('a1', 'near', 'echo', 'idle', { team: 'blue' }),
  worker('a2', 'near', 'model', 'stopped', { team: 'blue' }),
  worker('a3', 'far', 'model', 'idle', { team: 'red' }),
  worker('b1', 'far', 'model', 'waiting', { team: 'blue' }),
  worker('b2', 'far', 'echo', 'idle', {}),
];

const SEARCHES: readonly WorkersSearch[] = [
  {},
  { q: 'a' },
  { status: ['idle'] },
  { engine: ['model'] },
  { label: ['team=blue'] },
  { runtime: ['far'] },
  { runtime: ['far'], status: ['idle'] },
  { runtime: ['near', 'far'], engine: ['model'], label: ['team=blue'] },
  { q: 'b', runtime: ['near'], status: ['idle', 'waiting'], engine: ['echo'] },
];

test('a facet counts the Workers that its choice would show: those that fit every other filter', (t) => {
  const countOf = (search: WorkersSearch): number => listWorkers(ALL, search).workers.length;
  for (const search of SEARCHES) {
    const { statuses, engines, labels, runtimes } = listWorkers(ALL, search);
    const name = JSON.stringify(search);
    for (const [status, count] of Object.entries(statuses))
      t.is(count, countOf({ ...search, status: [status] }), `${name}: ${status}`);
    for (const engine of ['echo', 'model'])
      t.is(
        engines.find(({ value }) => value === engine)?.count ?? 0,
        countOf({ ...search, engine: [engine] }),
        `${name}: ${engine}`,
      );
    for (const runtime of ['near', 'far'])
      t.is(runtimes.get(runtime) ?? 0, countOf({ ...search, runtime: [runtime] }), `${name}: ${runtime}`);
    // labels narrow each other: a Worker must have all that are chosen
    for (const label of ['team=blue', 'team=red'])
      t.is(
        labels.find(({ value }) => value === label)?.count ?? 0,
        countOf({ ...search, label: [...(search.label ?? []), label] }),
        `${name}: ${label}`,
      );
  }
});
