/** A tool server of the official SDK, over standard input and output, whose tools ask people. Each result shows the answer. */
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { askingServer } from './asking-server.ts';

await askingServer().connect(new StdioServerTransport());
