import type { Metric } from '@worker-runtime/core/plugin-kit';
import type { LogTable } from '../checkpoint/log-table.ts';
import type { WriteAheadLog } from '../wal/write-ahead-log.ts';

const metric = (type: Metric['type'], name: string, help: string, value: number): Metric => ({
  type,
  name: `store_${name}`,
  help,
  values: [{ value }],
});

/** Returns the metrics of an open directory. It visits each log that was used, and reads no file. */
export const storeMetricsOf = (
  logs: LogTable,
  { counts, writtenBytes }: Pick<WriteAheadLog, 'counts' | 'writtenBytes'>,
): readonly Metric[] => {
  const { all, unfiled } = logs.eventBytes;
  return [
    metric('gauge', 'logs', 'Number of logs', logs.size),
    metric('gauge', 'bytes', 'Bytes of the events of all logs', all),
    metric('gauge', 'unfiled_bytes', 'Bytes of events that are in the write-ahead log only', unfiled),
    metric('counter', 'groups_total', 'Number of groups of commits that were written', counts.groups),
    metric('counter', 'group_bytes_total', 'Bytes of these groups', writtenBytes),
    metric(
      'counter',
      'group_seconds_total',
      'Time for the write and the sync of these groups',
      counts.groupMs / 1_000,
    ),
    metric('counter', 'syncs_total', 'Number of syncs of the write-ahead log', counts.syncs),
    metric('counter', 'sync_seconds_total', 'Time for these syncs', counts.syncMs / 1_000),
  ];
};
