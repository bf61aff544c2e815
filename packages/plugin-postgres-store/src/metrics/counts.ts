import type { Metric } from '@worker-runtime/core/plugin-kit';

/** The counts of a store since the process began, over all opens. */
export class Counts {
  groups = 0;
  writes = 0;
  bytes = 0;
  /** The time from the sending of a group to its acknowledgement, of all groups. */
  durationMs = 0;
  /** Groups in doubt that turned out to have happened. */
  happened = 0;
  /** Groups in doubt that turned out never to happen. */
  vanished = 0;

  /** Counts a group that was acknowledged. */
  acknowledged(writes: number, bytes: number, durationMs: number): void {
    this.groups += 1;
    this.writes += writes;
    this.bytes += bytes;
    this.durationMs += durationMs;
  }
}

/** The state of a store at one moment. */
export interface StoreState {
  readonly isOwner: boolean;
  /** The bytes of lines that wait for a commit. */
  readonly queueBytes: number;
  /** The number of groups that the next open would have to read. */
  readonly groupsAfterCheckpoint: number;
  /** The time since the owner could last show that it is alive. */
  readonly leaseAgeMs: number;
}

export const NOT_OPEN: StoreState = {
  isOwner: false,
  queueBytes: 0,
  groupsAfterCheckpoint: 0,
  leaseAgeMs: 0,
};

const counter = (name: string, help: string, value: number): Metric => ({
  name: `store_${name}_total`,
  help,
  type: 'counter',
  values: [{ value }],
});

const gauge = (name: string, help: string, value: number): Metric => ({
  name: `store_${name}`,
  help,
  type: 'gauge',
  values: [{ value }],
});

/** Returns the metrics of a store. */
export const metricsOf = (counts: Counts, state: StoreState): readonly Metric[] => [
  gauge(
    'owner',
    '1 if this process owns its Runtime in the database, 0 while it waits',
    state.isOwner ? 1 : 0,
  ),
  gauge('lease_age_seconds', 'Time since the owner last renewed its lease', state.leaseAgeMs / 1_000),
  gauge('queue_bytes', 'Bytes of lines that wait for a commit', state.queueBytes),
  gauge(
    'groups_after_checkpoint',
    'Number of groups that the next open would have to read',
    state.groupsAfterCheckpoint,
  ),
  counter('groups', 'Number of groups that PostgreSQL committed', counts.groups),
  counter('group_writes', 'Number of appends and creations in these groups', counts.writes),
  counter('group_bytes', 'Bytes of lines in these groups', counts.bytes),
  counter('group_seconds', 'Time until PostgreSQL acknowledged these groups', counts.durationMs / 1_000),
  {
    name: 'store_doubts_total',
    help: 'Number of groups without an answer, by what became of them',
    type: 'counter',
    values: [
      { value: counts.happened, labels: { outcome: 'happened' } },
      { value: counts.vanished, labels: { outcome: 'vanished' } },
    ],
  },
];
