/**
 * An agent of the Agent Client Protocol that answers each prompt with a flood: tool calls that stay pending, and requests
 * whose answers it does not read before it has sent them all.
 */
import { createInterface } from 'node:readline';

const CALLS = 300;
const READS = 300;
const ARGUMENT = 'z'.repeat(5_000);

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { readonly sessionId?: string };
}

const send = (message: object): boolean =>
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const lines = createInterface({ input: process.stdin });
let requests = 0;

const flood = (sessionId: string | undefined): void => {
  lines.pause();
  for (let at = 0; at < CALLS; at++)
    send({
      method: 'session/update',
      params: {
        sessionId,
        update: {
          sessionUpdate: 'tool_call',
          toolCallId: `call-${++requests}`,
          title: 'flood',
          status: 'pending',
          rawInput: { argument: ARGUMENT },
        },
      },
    });
  for (let at = 0; at < READS; at++)
    send({ id: ++requests, method: 'fs/read_text_file', params: { sessionId, path: '/dev/zero' } });
  lines.resume();
};

let sessions = 0;
lines.on('line', (line) => {
  const { id, method, params } = JSON.parse(line) as Message;
  if (method === 'initialize') send({ id, result: { protocolVersion: 1, agentCapabilities: {} } });
  else if (method === 'session/new') send({ id, result: { sessionId: `session-${++sessions}` } });
  else if (method === 'session/prompt') {
    flood(params?.sessionId);
    send({ id, result: { stopReason: 'end_turn' } });
  }
});
