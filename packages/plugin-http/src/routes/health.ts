import { RuntimeError } from '@worker-runtime/core';
import type { Directory } from '../directory.ts';
import type { Routes } from './context.ts';

/** @throws STORE_LOST the runtime has ended for good, so only a new process can help */
const assertNotLost = ({ failure }: Directory): void => {
  if (failure) throw failure;
};

/**
 * Adds the liveness and readiness probes. The gate answers `/readyz` while the runtime is not ready yet; the route
 * itself answers while the runtime stops.
 */
export const healthRoutes: Routes = (app, { directory }) => {
  app.get('/livez', { permission: 'public', isAlwaysServed: true }, async () => {
    assertNotLost(directory);
    return { status: 'alive' };
  });
  app.get('/readyz', { permission: 'public' }, async () => {
    assertNotLost(directory);
    if (directory.status === 'running') return { status: 'ready' };
    throw new RuntimeError('RUNTIME_STOPPING');
  });
};
