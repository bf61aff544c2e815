import { assertSeesAll } from '../access/caller.ts';
import type { Measurements } from '../metrics/measurements.ts';
import type { Routes } from './context.ts';

/** Adds the route of the metrics, which also works while the runtime is not ready. */
export const metricsRoute =
  (measurements: Measurements): Routes =>
  (app, { directory }) => {
    app.get('/metrics', { permission: 'observe', isAlwaysServed: true }, async (request, reply) => {
      assertSeesAll(request.caller);
      const others = directory.metrics?.(request.caller) ?? [];
      return reply.type(measurements.contentType).send(await measurements.text(others));
    });
  };
