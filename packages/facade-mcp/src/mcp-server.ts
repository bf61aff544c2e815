import { problemAnswer } from '@worker-runtime/core/plugin-kit';
import type { McpRuntime } from './exchange.ts';
import { McpSessions } from './mcp-sessions.ts';

export interface McpServerOptions {
  /**
   * Returns the name of the caller, for example after a check of its token; a RuntimeError refuses the request. A session belongs to
   * the caller that began it, and the events of commands have the name. Default: all callers are one, without a name.
   */
  readonly callerOf?: (request: Request) => string | null | Promise<string | null>;
  /** The largest body, in bytes; else the status 413. Default 1 MiB. */
  readonly bodyBytes?: number;
}

/**
 * Creates a handler of the Fetch API for clients of the Model Context Protocol over Streamable HTTP, over an embedded or a remote
 * runtime: Workers are tools, transcripts are resources. It keeps the sessions of its clients, so create it once. Any error becomes
 * an answer.
 * @example
 * const handler = mcpServer(runtime);
 * app.all('/mcp', (c) => handler(c.req.raw)); // Hono
 */
export const mcpServer = (
  runtime: McpRuntime,
  { callerOf, bodyBytes = 1_048_576 }: McpServerOptions = {},
): ((request: Request) => Promise<Response>) => {
  const sessions = new McpSessions({ bodyBytes });
  return async (request) => {
    try {
      const actor = (await callerOf?.(request)) ?? null;
      return await sessions.answer(runtime, request, { actor });
    } catch (error) {
      return problemAnswer(error);
    }
  };
};
