import type { Metric } from '@worker-runtime/core/plugin-kit';
import type { Host } from './host.ts';
import { RuntimeService } from './runtime-service.ts';

/** Returns the metrics of a host, and those of the stores that it has open. */
export const hostMetrics = (host: Host, passed: number): readonly Metric[] => {
  const { seats, sight, counts } = host;
  const one = (name: string, type: Metric['type'], help: string, value: number): Metric => ({
    name,
    help,
    type,
    values: [{ value }],
  });
  const serving = [...seats.values()].filter(({ state }) => state === 'serving').length;
  const orphans = sight.runtimes.filter(({ name }) => host.isOrphan(name)).length;
  const stores = new Map<string, Metric>();
  for (const [runtime, { service }] of seats) {
    if (!(service instanceof RuntimeService)) continue;
    for (const metric of service.runtime.storeMetrics()) {
      const values = metric.values.map(({ value, labels }) => ({ value, labels: { ...labels, runtime } }));
      stores.set(metric.name, { ...metric, values: [...(stores.get(metric.name)?.values ?? []), ...values] });
    }
  }
  return [
    one('host_runtimes', 'gauge', 'The Runtimes that this host serves.', serving),
    one(
      'host_orphans',
      'gauge',
      'The Runtimes of the cluster that have had no owner for two leases.',
      orphans,
    ),
    one(
      'host_lease_age_seconds',
      'gauge',
      'The time since the last acknowledged beat.',
      counts.leaseAgeMs / 1_000,
    ),
    one('host_fences_total', 'counter', 'The times that the lease of this host has ended.', counts.fences),
    one('host_handovers_total', 'counter', 'The Runtimes that this host has handed over.', counts.handOvers),
    one('host_passed_requests_total', 'counter', 'The requests that this host has passed on.', passed),
    ...stores.values(),
  ];
};
