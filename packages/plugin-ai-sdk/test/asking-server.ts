import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { z } from 'zod';

const CALLER = 'worker-runtime/caller';

/** A tool server of the official SDK whose tools ask people. Each result is the answer that the server got. */
export const askingServer = (): McpServer => {
  const server = new McpServer({ name: 'asking', version: '1.0.0' });
  const text = (answer: unknown) => ({ content: [{ type: 'text' as const, text: JSON.stringify(answer) }] });
  const requestedSchema = {
    type: 'object' as const,
    properties: {
      count: { type: 'integer' as const, minimum: 1, maximum: 9 },
      gift: { type: 'boolean' as const },
      mail: { type: 'string' as const, format: 'email' as const },
    },
    required: ['count'],
  };
  const params = { mode: 'form' as const, message: 'How many?', requestedSchema };
  const options = { timeout: 600_000 };
  const failure = (error: unknown) => text({ failed: (error as Error).message });
  server.registerTool('ask', { inputSchema: {} }, async (_input, extra) =>
    server.server.elicitInput(params, { ...options, relatedRequestId: extra.requestId }).then(text, failure),
  );
  // asks twice at a time, to show that people are asked one after the other
  server.registerTool('ask-twice', { inputSchema: {} }, async (_input, extra) => {
    const ask = () => server.server.elicitInput(params, { ...options, relatedRequestId: extra.requestId });
    return text(await Promise.all([ask(), ask()]));
  });
  server.registerTool('ask-by-name', { inputSchema: {} }, async (_input, extra) =>
    server.server
      .elicitInput(
        { ...params, _meta: { [CALLER]: extra._meta?.[CALLER] } },
        { ...options, relatedRequestId: extra.requestId },
      )
      .then(text, failure),
  );
  server.registerTool('ask-briefly', { inputSchema: {} }, async (_input, extra) =>
    server.server
      .elicitInput(params, { timeout: Number(process.argv[2] ?? 200), relatedRequestId: extra.requestId })
      .then(text, failure),
  );
  server.registerTool('ask-by-url', { inputSchema: {} }, async () =>
    server.server
      .elicitInput({
        mode: 'url',
        message: 'Sign in.',
        url: 'https://example.org/sign-in',
        elicitationId: 'e1',
      })
      .then(text, failure),
  );
  server.registerTool('ask-forever', { inputSchema: {} }, async (_input, extra) => {
    for (let asked = 0; ; asked += 1)
      try {
        await server.server.elicitInput(params, { ...options, relatedRequestId: extra.requestId });
      } catch (error) {
        return text({ asked, failed: (error as Error).message });
      }
  });
  server.registerTool('shape', { inputSchema: {}, outputSchema: { hits: z.number() } }, async () => ({
    content: [{ type: 'text' as const, text: 'three hits' }],
    structuredContent: { hits: 3 },
  }));
  return server;
};
