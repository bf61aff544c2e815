import { RuntimeError } from '@worker-runtime/core';
import type { Routes } from './context.ts';

/**
 * Adds the liveness and readiness probes. The gate answers `/readyz` while the runtime is not ready yet; the route
 * itself answers while the runtime stops.
 */
export const healthRoutes: Routes = (app, { runtime }) => {
  app.get('/livez', { config: { permission: 'public', isAlwaysServed: true } }, async () => ({
    status: 'alive',
  }));
  app.get('/readyz', { config: { permission: 'public' } }, async () => {
    if (runtime.status === 'running') return { status: 'ready' };
    throw new RuntimeError('RUNTIME_STOPPING');
  });
};
