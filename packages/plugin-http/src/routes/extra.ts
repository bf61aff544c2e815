import { RuntimeError } from '@worker-runtime/core';
import type { Routes } from './context.ts';

/** What another plugin has to show: below `/v1/runtimes/{r}/x/`, and no part of the contract that is written down. */
export interface Extra {
  readonly name: string;
  readonly answer: () => Promise<unknown>;
}

/** The part of a path that says whose business it is. */
export const EXTRA_PATH = '/x/';

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
    for (const { name, answer } of extras)
      app.get(`${EXTRA_PATH}${name}`, { config: { permission: 'observe' } }, async (_request, reply) =>
        reply.send(await answer()),
      );
  };
