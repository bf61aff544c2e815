import { version } from '@worker-runtime/core';
import { EVERYTHING } from '@worker-runtime/core/scope';
import type { EmbedderRoute } from '@worker-runtime/plugin-http';
import type { Member } from '../member.ts';
import { operation } from './operation.ts';
import { publicSession } from './session.ts';

const aboutBackend = ({ workspace, scope, runtimes, limits, credential }: Member): object => ({
  version,
  workspace: { id: workspace.id, name: workspace.name },
  caller: {
    ...publicSession(credential.kept),
    permissions: scope.permissions,
    workers: scope.workers,
    runtimes,
    limits,
    allowance: scope.allowance ?? EVERYTHING,
  },
  companion: workspace.companion,
});

/** The route that says what the backend is to its caller. */
export const aboutRoute: EmbedderRoute = {
  method: 'GET',
  path: '/v1/backend',
  permission: 'observe',
  operation: operation(
    'getBackend',
    'Returns the workspace, and what the caller may do in it',
    200,
    'The backend.',
  ),
  answer: ({ caller }) => ({ status: 200, body: aboutBackend(caller as Member) }),
};
