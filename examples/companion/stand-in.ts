// Stands in for a model where no MODEL_URL is given: it speaks chat completions, and is not clever.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Asked {
  readonly messages: readonly { readonly role: string; readonly content: unknown }[];
  readonly tools?: readonly { readonly function: { readonly name: string } }[];
}

/** Calls the first tool that it is offered, tells what a tool answered, and else says that it has heard. */
const choose = ({ messages, tools }: Asked): object[] => {
  const last = messages.at(-1);
  const tool = tools?.[0]?.function.name;
  if (last?.role === 'tool') return [{ content: `It says: ${String(last.content)}` }];
  if (tool !== undefined) {
    const call = { index: 0, id: 'call_0', function: { name: tool, arguments: '{"bed":3}' } };
    return [{ tool_calls: [call] }];
  }
  const heard = messages.filter(({ role }) => role === 'user').length;
  return `You said: ${String(last?.content)} That was message ${heard} of ours.`
    .split(/(?<= )/)
    .map((content) => ({ content }));
};

const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
  let body = '';
  for await (const chunk of request) body += chunk;
  const deltas = choose(JSON.parse(body) as Asked);
  const finish = 'tool_calls' in (deltas[0] ?? {}) ? 'tool_calls' : 'stop';
  const tell = (delta: object, finish_reason: string | null): void => {
    response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason }] })}\n\n`);
  };
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const delta of deltas) tell(delta, null);
  tell({}, finish);
  response.end('data: [DONE]\n\n');
};

/** Returns the URL that stands for a model server's, and what closes it. */
export const standIn = async (): Promise<{ readonly url: string; readonly close: () => void }> => {
  const server = createServer((request, response) => void answer(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/v1`, close: () => server.close() };
};
