import { workerCapabilities } from '../contracts/capabilities.ts';
import type { Engine } from '../contracts/engine.ts';
import type { WorkerFacts } from '../contracts/hooks.ts';
import { cleanUsage, type Overview } from '../contracts/overview.ts';
import type { ForkedFrom, ListedWorker, WorkerDetail, WorkerSummary } from '../contracts/worker.ts';
import { sizeOf } from '../domain/size.ts';
import type { StoredOrigin } from '../domain/state.ts';
import { encodeCursor, START } from '../log/cursor.ts';
import { waitsOf } from './waits.ts';
import type { Worker } from './worker.ts';

/*
 * The public views of a Worker. Each field is selected explicitly, so that nothing private becomes public by accident.
 */

/** The facts that plugins get with each command and commit. */
export const factsOf = ({ state: { workerId, engine, labels, parent } }: Worker): WorkerFacts => ({
  workerId,
  engine,
  labels,
  parent,
});

/** Shortens a long id to its random end. Short ids are readable as they are. */
const displayRefOf = (workerId: string): string => (workerId.length <= 16 ? workerId : workerId.slice(-8));

export const summaryOf = (worker: Worker, runtimeId: string): WorkerSummary => {
  const { state, live, isDamaged, base } = worker;
  const execution = live?.execution;
  return {
    runtimeId,
    workerId: state.workerId,
    displayRef: displayRefOf(state.workerId),
    displayName: state.displayName,
    engine: state.engine,
    labels: state.labels,
    parent: state.parent,
    status: state.status,
    health: isDamaged ? 'damaged' : 'ok',
    execution: {
      connected: execution?.isConnected === true,
      generation: state.generation,
      // not a fact of the log: the error that blocks queued inputs at present
      lastError: execution?.blockedBy ?? state.lastError,
    },
    run: state.run && {
      runId: state.run.runId,
      startedAt: state.run.startedAt,
      cursor: state.run.from ? encodeCursor(state.log, state.run.from) : START,
    },
    queued: state.queue.length,
    waits: waitsOf(worker),
    createdAt: state.createdAt,
    updatedAt: state.updatedAt,
    lastSeq: state.head.seq,
    asOf: encodeCursor(state.log, state.head),
    stored: worker.stored,
    archived: base && {
      firstSeq: base.at.seq + 1,
      cursor: encodeCursor(state.log, base.at),
      archive: base.archive,
    },
  };
};

const originOf = ({ worker, seq, actor }: StoredOrigin): ForkedFrom => ({
  workerId: worker,
  seq,
  actor: actor ?? null,
});

export const detailOf = (worker: Worker, runtimeId: string, engine: Engine | undefined): WorkerDetail =>
  // an object literal that adds members after a spread takes 20 times as long
  Object.assign(summaryOf(worker, runtimeId), {
    capabilities: workerCapabilities(engine?.capabilities, worker.state.tools, worker.live?.execution?.files),
    tools: worker.state.tools,
    claims: worker.state.claims,
    profile: worker.state.profile,
    bundle: worker.state.bundle,
    whenInterrupted: worker.state.whenInterrupted,
    configDigest: worker.state.configDigest,
    forkedFrom: worker.state.forkedFrom ? originOf(worker.state.forkedFrom) : null,
  });

export const overviewOf = ({ state }: Worker): Overview => {
  const { inputs, messages, toolCalls, usage, daily: _, ...runs } = state.tally;
  return {
    workerId: state.workerId,
    events: state.head.seq,
    inputs,
    messages,
    toolCalls,
    runs,
    // a store snapshot of an earlier version may hold sums of values that were no numbers
    usage: cleanUsage(usage),
    lastActivityAt: state.updatedAt,
    asOf: encodeCursor(state.log, state.head),
  };
};

/** Returns Workers with their overviews: at least one if there is one, and as many as fit into `bytes`. */
export const withOverviews = (
  workers: readonly Worker[],
  runtimeId: string,
  bytes: number,
): readonly ListedWorker[] => {
  const items: ListedWorker[] = [];
  let size = 0;
  for (const worker of workers) {
    const item = { ...summaryOf(worker, runtimeId), overview: overviewOf(worker) };
    size += sizeOf(item);
    if (items.length > 0 && size > bytes) break;
    items.push(item);
  }
  return items;
};
