import { RuntimeError } from '@worker-runtime/core';
import type { ServedRuntime } from '@worker-runtime/core/plugin-kit';
import type { Routes } from './context.ts';

/** @throws STORE_LOST the runtime has ended for good, so only a new process can help */
const assertNotLost = ({ failure }: ServedRuntime): void => {
  if (failure) throw failure;
};

/**
 * Adds the liveness and readiness probes. The gate answers `/readyz` while the runtime is not ready yet; the route
 * itself answers while the runtime stops.
 */
export const healthRoutes: Routes = (app, { runtime }) => {
  app.get('/livez', { config: { permission: 'public', isAlwaysServed: true } }, async () => {
    assertNotLost(runtime);
    return { status: 'alive' };
  });
  app.get('/readyz', { config: { permission: 'public' } }, async () => {
    assertNotLost(runtime);
    if (runtime.status === 'running') return { status: 'ready' };
    throw new RuntimeError('RUNTIME_STOPPING');
  });
};
