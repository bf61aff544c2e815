import {
  type FacadePlugin,
  type OptionReader,
  optional,
  readOptions,
  text,
} from '@worker-runtime/core/plugin-kit';
import { answerA2a } from './a2a.ts';
import type { A2aRuntime } from './a2a-runtime.ts';

export { type A2aOptions, a2a } from './a2a.ts';
export type { A2aRuntime } from './a2a-runtime.ts';
export type { AgentDescription } from './agent-card.ts';

const origin: OptionReader<string> = (value, refuse) => {
  const given = text(value, refuse);
  const { origin: parsed = null } = URL.canParse(given) ? new URL(given) : {};
  return parsed === given ? given : refuse('must be a scheme and a host, such as "https://agents.example"');
};

/**
 * Creates the plugin for the command line, which serves the façade at `…/x/a2a` of the server on which it is
 * mounted. `origin` is that under which clients reach the server, for cards and files.
 * @throws INVALID_REQUEST an option is not known or not valid
 */
export const plugin = (options: Readonly<Record<string, unknown>> = {}): FacadePlugin<A2aRuntime> => {
  const read = readOptions('facade-a2a', options, { origin: optional(origin, null) });
  return {
    name: 'facade-a2a',
    apply: () => {},
    mountOn: (place) =>
      place.mount('a2a', 'observe', (request, { served, caller, path, ending }) =>
        // the server has applied its own limit
        answerA2a(
          served,
          { ...(read.origin !== null && { origin: read.origin }), bodyBytes: Number.MAX_SAFE_INTEGER },
          request,
          {
            actor: caller.name,
            path,
            ending,
          },
        ),
      ),
  };
};
