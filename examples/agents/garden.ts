// A tool server of the Model Context Protocol. Its tool measures the soil moisture of garden beds.
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { z } from 'zod';

const server = new McpServer({ name: 'garden', version: '1.0.0' });
server.registerTool(
  'moisture',
  { description: 'The soil moisture of a bed, in percent.', inputSchema: { bed: z.number().int() } },
  ({ bed }) => ({ content: [{ type: 'text', text: `bed ${bed} is at ${bed * 7} %` }] }),
);
await server.connect(new StdioServerTransport());
