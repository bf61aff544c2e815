/**
 * A tool server of the official SDK, over standard input and output. It records its calls in the file of its argument.
 */
import { appendFileSync } from 'node:fs';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { toolServer } from './tool-server.ts';

const [, , record = ''] = process.argv;
await toolServer((line) => appendFileSync(record, `${line}\n`)).connect(new StdioServerTransport());
