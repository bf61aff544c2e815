import { RuntimeError } from '@worker-runtime/core';
import { fetchRequestOf, type Mount } from '../mount.ts';
import type { Routes } from './context.ts';

/** The facts that all routes of handlers have in common. */
const MOUNTED = { query: 'any', takesBytes: true, isUndescribed: true, isMounted: true } as const;

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

/**
 * Adds the routes of mounted handlers. The OpenAPI document leaves them out, since their protocols are described elsewhere. Any other
 * name is unknown in this process, and may be known to a runtime elsewhere, to which the gate passes the request.
 */
export const mountRoutes =
  (mounts: Iterable<Mount>): Routes =>
  (app, { mounted }) => {
    for (const { name, permission, handler } of mounts) {
      const root = `/x/${name}`;
      // a handler reads its bodies itself
      const options = { permission, ...MOUNTED };
      for (const path of [root, `${root}/*`])
        for (const method of METHODS)
          app.on(method, path, options, async (request, reply) => {
            const { raw, params, caller, served, body } = request;
            const below = params['*'];
            return mounted.open(request, reply, (ending) =>
              handler(fetchRequestOf(raw, reply.raw, body as Buffer | undefined), {
                caller,
                served,
                path: below === undefined ? '' : `/${below}`,
                ending,
              }),
            );
          });
    }
    const options = { permission: 'observe', ...MOUNTED } as const;
    for (const path of ['/x/:name', '/x/:name/*'])
      for (const method of METHODS)
        app.on(method, path, options, () => {
          throw new RuntimeError('ROUTE_NOT_FOUND');
        });
  };
