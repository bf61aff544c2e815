import type { RuntimePlugin } from '@worker-runtime/core';
import { readOptions } from '@worker-runtime/core/plugin-kit';
import type { McpRuntime } from './exchange.ts';
import { McpSessions } from './mcp-sessions.ts';

export type { McpRuntime } from './exchange.ts';
export { type McpServerOptions, mcpServer } from './mcp-server.ts';

/** The part of a server on which the plugin is mounted. plugin-http has it. */
export interface McpPlace {
  mount(
    name: string,
    permission: 'observe',
    handler: (
      request: Request,
      context: {
        readonly served: McpRuntime;
        readonly caller: { readonly name: string | null };
        readonly ending: AbortSignal;
      },
    ) => Promise<Response>,
  ): void;
}

/** The plugin for the command line. It serves the façade at `…/x/mcp` of the server on which it is mounted. */
export interface McpPlugin extends RuntimePlugin {
  mountOn(place: McpPlace): void;
}

/**
 * Creates the plugin. It has no options.
 * @throws INVALID_REQUEST an option is given
 */
export const plugin = (options: Readonly<Record<string, unknown>> = {}): McpPlugin => {
  readOptions('facade-mcp', options, {});
  // the server has applied its own limit to bodies
  const sessions = new McpSessions({ bodyBytes: Number.MAX_SAFE_INTEGER });
  return {
    name: 'facade-mcp',
    apply: () => {},
    mountOn: (place) =>
      place.mount('mcp', 'observe', (request, { served, caller, ending }) =>
        sessions.answer(request, { runtime: served, caller: caller.name, ending }),
      ),
  };
};
