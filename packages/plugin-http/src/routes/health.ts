import { RuntimeError } from '@worker-runtime/core';
import type { Routes } from './context.ts';

/**
 * Whether the process is up, and whether it can work. Neither says more. That the runtime is not ready yet is said by
 * the gate which all but `/livez` pass; that it is about to go, here.
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
