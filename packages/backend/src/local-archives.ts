import { RuntimeError } from '@worker-runtime/core';
import { answerArchives, type MountPlace } from '@worker-runtime/plugin-http';
import { memberOf } from './member.ts';

/**
 * Serves the archives of workspaces to programs of the user whose process it is, on this machine. That user can read the store anyway. No
 * other caller gets the configs of Workers, with any policy.
 */
export const mountLocalArchives = (place: MountPlace): void =>
  place.mount('archives', 'admin', (request, context) => {
    const { credential, workspace } = memberOf(context.caller);
    if (credential.kept.kind !== 'local')
      throw new RuntimeError(
        'FORBIDDEN',
        'An archive has the configs of Workers: a backend gives it only to its own user, on its machine. Run the command there, without a token',
      );
    // the scope of each caller stamps new Workers, so with it no Worker could be put back with its own labels
    return answerArchives(request, { ...context, served: workspace.runtime });
  });
