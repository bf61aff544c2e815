import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { z } from 'zod';

/** Tools that do what a test needs done. `note` is told of each call before it does anything. */
export const toolServer = (note: (line: string) => void): McpServer => {
  const server = new McpServer({ name: 'test', version: '1.0.0' });
  const text = (answer: string) => ({ content: [{ type: 'text' as const, text: answer }] });
  const shape = { text: z.string() };
  server.registerTool('echo', { description: 'Says it back.', inputSchema: shape }, ({ text: said }) => {
    note(`echo ${said}`);
    return text(said);
  });
  server.registerTool('fail', { inputSchema: shape }, ({ text: said }) => {
    note(`fail ${said}`);
    return { ...text(`It is wrong: ${said}`), isError: true };
  });
  server.registerTool('environment', { inputSchema: shape }, ({ text: name }) => {
    note('environment');
    return text(process.env[name] ?? 'not set');
  });
  server.registerTool('hang', { inputSchema: shape }, () => {
    note('hang');
    return new Promise(() => {});
  });
  server.registerTool('die', { inputSchema: shape }, () => {
    note('die');
    process.exit(1);
  });
  return server;
};
