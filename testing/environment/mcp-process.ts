/**
 * A tool server of the official SDK, over standard input and output. It records its calls in the file of its argument.
 * With a second argument, it starts only when a file of that name exists.
 */
import { appendFileSync, existsSync } from 'node:fs';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { toolServer } from './tool-server.ts';

const [, , record = '', gate] = process.argv;
const start = async (): Promise<void> => {
  await toolServer((line) => appendFileSync(record, `${line}\n`)).connect(new StdioServerTransport());
};
if (gate === undefined) await start();
else {
  appendFileSync(record, 'begun\n');
  const poll = setInterval(() => {
    if (!existsSync(gate)) return;
    clearInterval(poll);
    void start();
  }, 20);
}
