import { RuntimeError } from '@worker-runtime/core';
import { pathParameter, type Routes } from './context.ts';

/** What another plugin has to show, below `/v1/runtimes/{r}/x/`. The contract says that it is JSON, and no more. */
export interface Extra {
  readonly name: string;
  readonly answer: () => Promise<unknown>;
}

export const assertExtraName = (name: string): void => {
  if (!/^[a-z][a-z0-9-]{0,63}$/.test(name))
    throw new RuntimeError(
      'INVALID_REQUEST',
      'The name of what a plugin shows is lower-case letters, digits and "-"',
    );
};

export const extraRoutes =
  (extras: readonly Extra[]): Routes =>
  (app) => {
    app.get('/x/:name', { config: { permission: 'observe' } }, async (request, reply) => {
      const name = pathParameter(request, 'name');
      const extra = extras.find((one) => one.name === name);
      if (extra === undefined) throw new RuntimeError('ROUTE_NOT_FOUND');
      return reply.send(await extra.answer());
    });
  };
