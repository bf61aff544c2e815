import { workerCapabilities } from '../contracts/capabilities.ts';
import type { Engine } from '../contracts/engine.ts';
import type { Overview } from '../contracts/overview.ts';
import type { WorkerDetail, WorkerSummary } from '../contracts/runtime-api.ts';
import { encodeCursor } from '../log/cursor.ts';
import type { Worker } from './worker.ts';

/*
 * What of a Worker may be seen from outside. Nothing private is reachable from a state, and what is shown is picked
 * here field by field.
 */

/** Long ids are shortened to their random end; short ones are readable as they are. */
const displayRefOf = (workerId: string): string => (workerId.length <= 16 ? workerId : workerId.slice(-8));

export const summaryOf = (worker: Worker, runtimeId: string): WorkerSummary => {
  const { state, live, isDamaged } = worker;
  const connected = live?.execution != null;
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
      connected,
      generation: state.generation,
      // no fact of the log: only what keeps an execution from being attached now
      lastError: (connected ? null : live?.stall?.error) ?? state.lastError,
    },
    run: state.run && { runId: state.run.runId, startedAt: state.run.startedAt },
    queued: state.queue.length,
    createdAt: state.createdAt,
    updatedAt: state.updatedAt,
    lastSeq: state.head.seq,
    asOf: encodeCursor(state.log, state.head),
  };
};

export const detailOf = (worker: Worker, runtimeId: string, engine: Engine | undefined): WorkerDetail => ({
  ...summaryOf(worker, runtimeId),
  capabilities: workerCapabilities(engine?.capabilities, worker.state.tools),
  tools: worker.state.tools,
  claims: worker.state.claims,
  profile: worker.state.profile,
  bundle: worker.state.bundle,
  configDigest: worker.state.configDigest,
});

export const overviewOf = ({ state }: Worker): Overview => {
  const { inputs, messages, toolCalls, usage, ...runs } = state.tally;
  return {
    workerId: state.workerId,
    events: state.head.seq,
    inputs,
    messages,
    toolCalls,
    runs,
    usage,
    lastActivityAt: state.updatedAt,
    asOf: encodeCursor(state.log, state.head),
  };
};
