import type { Metric, ServedRuntime } from '@worker-runtime/core/plugin-kit';
import { Registry } from 'prom-client';
import { counterOf, gaugeOf } from './metric.ts';

const MAKERS = { counter: counterOf, gauge: gaugeOf };

/** Returns the current metrics of the stores of runtimes, each with the name of its runtime as a label. */
export const storeMetricsOf = (
  runtimes: readonly (readonly [name: string, runtime: Pick<ServedRuntime, 'storeMetrics'>])[],
): readonly Metric[] =>
  runtimes.flatMap(([runtime, served]) =>
    served.storeMetrics().map((metric) => ({
      ...metric,
      values: metric.values.map(({ value, labels }) => ({ value, labels: { ...labels, runtime } })),
    })),
  );

/** Returns metrics that other parts have reported. The values of those with the same name become one metric. */
export const reportedMetrics = (reported: readonly Metric[]): Registry => {
  const found = new Map<string, Metric>();
  for (const metric of reported) {
    const { values = [] } = found.get(metric.name) ?? {};
    found.set(metric.name, { ...metric, values: [...values, ...metric.values] });
  }
  const registry = new Registry();
  for (const { type, name, help, values } of found.values()) {
    const labelNames = [...new Set(values.flatMap(({ labels = {} }) => Object.keys(labels)))];
    MAKERS[type](registry, name, help, labelNames, (report) => {
      for (const { value, labels = {} } of values)
        report(value, ...labelNames.map((label) => labels[label] ?? ''));
    });
  }
  return registry;
};
