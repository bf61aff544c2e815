import { spawn } from 'node:child_process';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { z } from 'zod';

/** A tool server with tools for tests. Calls `record` for each tool call, before the tool does anything. */
export const toolServer = (record: (line: string) => void): McpServer => {
  const server = new McpServer({ name: 'test', version: '1.0.0' });
  const text = (answer: string) => ({ content: [{ type: 'text' as const, text: answer }] });
  const shape = { text: z.string() };
  server.registerTool('echo', { description: 'Says it back.', inputSchema: shape }, ({ text: words }) => {
    record(`echo ${words}`);
    return text(words);
  });
  server.registerTool('fail', { inputSchema: shape }, ({ text: words }) => {
    record(`fail ${words}`);
    return { ...text(`It is wrong: ${words}`), isError: true };
  });
  server.registerTool('environment', { inputSchema: shape }, ({ text: name }) => {
    record('environment');
    return text(process.env[name] ?? 'not set');
  });
  server.registerTool('hang', { inputSchema: shape }, () => {
    record('hang');
    return new Promise(() => {});
  });
  server.registerTool('die-beside-child', { inputSchema: shape }, () => {
    record('die-beside-child');
    // The child inherits the output and holds it open. In a process group of its own, it does not end with the server.
    spawn(process.execPath, ['-e', 'setTimeout(() => {}, 30_000)'], {
      stdio: ['ignore', 'inherit', 'ignore'],
      detached: true,
    }).unref();
    process.exit(1);
  });
  server.registerTool('die', { inputSchema: shape }, () => {
    record('die');
    process.exit(1);
  });
  return server;
};
