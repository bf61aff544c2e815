import type { Measurements } from '../metrics/measurements.ts';
import type { Routes } from './context.ts';

/** Adds the route of the metrics, which also works while the runtime is not ready. */
export const metricsRoute =
  (measurements: Measurements): Routes =>
  (app) => {
    app.get(
      '/metrics',
      { config: { permission: 'observe', isAlwaysServed: true } },
      async (_request, reply) => reply.type(measurements.contentType).send(await measurements.text()),
    );
  };
