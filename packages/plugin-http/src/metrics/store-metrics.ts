import type { ServedRuntime, StoreMetric } from '@worker-runtime/core/plugin-kit';
import { Registry } from 'prom-client';
import { counterOf, gaugeOf } from './metric.ts';

const MAKERS = { counter: counterOf, gauge: gaugeOf };

interface Sample {
  readonly value: number;
  readonly labels: Readonly<Record<string, string>>;
}

/** Returns the current metrics of the stores of runtimes, each with the name of its runtime as a label. */
export const storeMetricsOf = (
  runtimes: readonly (readonly [name: string, runtime: Pick<ServedRuntime, 'storeMetrics'>])[],
): Registry => {
  const found = new Map<string, { readonly metric: StoreMetric; readonly samples: Sample[] }>();
  for (const [runtime, served] of runtimes)
    for (const metric of served.storeMetrics()) {
      const samples: Sample[] = found.get(metric.name)?.samples ?? [];
      found.set(metric.name, { metric, samples });
      for (const { value, labels } of metric.values) samples.push({ value, labels: { ...labels, runtime } });
    }
  const registry = new Registry();
  for (const { metric, samples } of found.values()) {
    const names = [...new Set(samples.flatMap(({ labels }) => Object.keys(labels)))];
    MAKERS[metric.type](registry, metric.name, metric.help, names, (report) => {
      for (const { value, labels } of samples) report(value, ...names.map((name) => labels[name] ?? ''));
    });
  }
  return registry;
};
