import { RuntimeError } from '@worker-runtime/core';
import { assertSeesAll } from '../access/caller.ts';
import { pathParameter, type Routes } from './context.ts';

/** A resource of another plugin, below `/v1/runtimes/{r}/x/`. The OpenAPI document describes it as any JSON. */
export interface Extra {
  readonly name: string;
  readonly answer: () => Promise<unknown>;
}

/** @throws INVALID_REQUEST the name is not lower-case letters, digits and "-" */
export const assertExtraName = (name: string): void => {
  if (!/^[a-z][a-z0-9-]{0,63}$/.test(name))
    throw new RuntimeError(
      'INVALID_REQUEST',
      'The name of a plugin resource must be lower-case letters, digits and "-"',
    );
};

/** Adds the route of the resources of other plugins. */
export const extraRoutes =
  (extras: readonly Extra[]): Routes =>
  (app) => {
    app.get('/x/:name', { config: { permission: 'observe' } }, async (request, reply) => {
      // a plugin knows no scopes
      assertSeesAll(request.caller);
      const name = pathParameter(request, 'name');
      const extra = extras.find((one) => one.name === name);
      if (extra === undefined) throw new RuntimeError('ROUTE_NOT_FOUND');
      return reply.send(await extra.answer());
    });
  };
