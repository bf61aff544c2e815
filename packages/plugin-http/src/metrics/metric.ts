import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

const PREFIX = 'worker_runtime_';
const SECONDS = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60];

type Names = readonly string[];
/** Receives a value and its labels. */
type Report = (value: number, ...labels: string[]) => void;

/** Returns a gauge that is read at each scrape. */
export const gaugeOf = (
  registry: Registry,
  name: string,
  help: string,
  labelNames: Names,
  read: (set: Report) => void | Promise<void>,
): Gauge =>
  new Gauge({
    name: PREFIX + name,
    help,
    labelNames,
    registers: [registry],
    async collect() {
      this.reset();
      await read((value, ...labels) => this.labels(...labels).set(value));
    },
  });

/** Returns a counter. With `read` it takes its values from there at each scrape, which keeps frequent counting cheap. */
export const counterOf = (
  registry: Registry,
  name: string,
  help: string,
  labelNames: Names,
  read?: (add: Report) => void,
): Counter =>
  new Counter({
    name: PREFIX + name,
    help,
    labelNames,
    registers: [registry],
    ...(read && {
      collect() {
        this.reset();
        read((value, ...labels) => this.labels(...labels).inc(value));
      },
    }),
  });

/** Returns a histogram of durations in seconds. */
export const histogramOf = (
  registry: Registry,
  name: string,
  help: string,
  labelNames: Names,
  buckets: number[] = SECONDS,
): Histogram => new Histogram({ name: PREFIX + name, help, labelNames, buckets, registers: [registry] });
