import { type FacadePlugin, readOptions } from '@worker-runtime/core/plugin-kit';
import type { McpRuntime } from './exchange.ts';
import { McpSessions } from './mcp-sessions.ts';

export type { McpRuntime } from './exchange.ts';
export { type McpServerOptions, mcpServer } from './mcp-server.ts';

/**
 * Creates the plugin for the command line, which serves the façade at `…/x/mcp` of the server on which it is
 * mounted. It has no options.
 * @throws INVALID_REQUEST an option is given
 */
export const plugin = (options: Readonly<Record<string, unknown>> = {}): FacadePlugin<McpRuntime> => {
  readOptions('facade-mcp', options, {});
  // the server has applied its own limit to bodies
  const sessions = new McpSessions({ bodyBytes: Number.MAX_SAFE_INTEGER });
  return {
    name: 'facade-mcp',
    apply: () => {},
    mountOn: (place) =>
      place.mount('mcp', 'observe', (request, { served, caller, path, ending }) =>
        sessions.answer(served, request, { actor: caller.name, path, ending }),
      ),
  };
};
