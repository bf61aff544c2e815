// A tool server of the Model Context Protocol: it knows how dry the beds of a garden are.
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { z } from 'zod';

const server = new McpServer({ name: 'garden', version: '1.0.0' });
server.registerTool(
  'moisture',
  { description: 'How moist the soil of a bed is, in percent.', inputSchema: { bed: z.number().int() } },
  ({ bed }) => ({ content: [{ type: 'text', text: `bed ${bed} is at ${bed * 7} %` }] }),
);
await server.connect(new StdioServerTransport());
