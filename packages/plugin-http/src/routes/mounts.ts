import { RuntimeError } from '@worker-runtime/core';
import { fetchRequestOf, type Mount } from '../mount.ts';
import type { Routes } from './context.ts';

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

/**
 * Adds the routes of mounted handlers. The OpenAPI document leaves them out, since their protocols are described elsewhere. Any other
 * name is unknown in this process, and may be known to a runtime elsewhere, to which the gate passes the request.
 */
export const mountRoutes =
  (mounts: Iterable<Mount>): Routes =>
  (app, { mounted, bodyArrived }) => {
    app.register(async (scope) => {
      // a handler reads its bodies itself
      scope.removeAllContentTypeParsers();
      scope.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body, done) => {
        bodyArrived(request, (body as Buffer).length);
        done(null, body);
      });
      for (const { name, permission, handler } of mounts) {
        const root = `/x/${name}`;
        for (const url of [root, `${root}/*`])
          scope.route<{ Params: { readonly '*'?: string }; Body: Buffer | undefined }>({
            method: METHODS,
            url,
            config: { permission, query: 'any', isUndescribed: true },
            handler: async (request, reply) => {
              const { raw, params, caller, served, body } = request;
              const below = params['*'];
              return mounted.open(request, reply, (ending) =>
                handler(fetchRequestOf(raw, reply.raw, body), {
                  caller,
                  served,
                  path: below === undefined ? '' : `/${below}`,
                  ending,
                }),
              );
            },
          });
      }
      for (const url of ['/x/:name', '/x/:name/*'])
        scope.route({
          method: METHODS,
          url,
          config: { permission: 'observe', query: 'any', isUndescribed: true },
          handler: async () => {
            throw new RuntimeError('ROUTE_NOT_FOUND');
          },
        });
    });
  };
