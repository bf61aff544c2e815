import type { EmbedderRoute } from '@worker-runtime/plugin-http';
import type { Member } from '../member.ts';
import { operation, pathParameter } from './operation.ts';

/** The route that asks a runtime of the workspace, by its name in the configuration, whether it serves the caller. */
export const runtimeTestRoute: EmbedderRoute = {
  method: 'POST',
  path: '/v1/runtimes/:name/test',
  permission: 'admin',
  operation: operation(
    'testRuntime',
    'Asks a runtime now, with the credentials of the backend, and returns its entry; `name` is its name in the configuration',
    200,
    'The entry: its state, and its summary or the code of its error.',
    [pathParameter('name')],
  ),
  answer: async ({ caller, path }) => {
    const member = caller as Member;
    return { status: 200, body: await member.workspace.registry.test(path.name ?? '', member) };
  },
};
