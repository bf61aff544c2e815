// A stand-in for a model, used if MODEL_URL is not set. It serves chat completions with fixed answers.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ChatRequest {
  readonly messages: readonly { readonly role: string; readonly content: unknown }[];
  readonly tools?: readonly { readonly function: { readonly name: string } }[];
}

/** Returns the deltas of an answer. */
export type Deltas = (request: ChatRequest) => Iterable<object> | AsyncIterable<object>;

/** The result of a tool call, a call of the first tool, or the last message repeated. */
const repeated = ({ messages, tools }: ChatRequest): object[] => {
  const last = messages.at(-1);
  const tool = tools?.[0]?.function.name;
  if (last?.role === 'tool') return [{ content: `It says: ${String(last.content)}` }];
  if (tool !== undefined) {
    const call = { index: 0, id: 'call_0', function: { name: tool, arguments: '{"bed":3}' } };
    return [{ tool_calls: [call] }];
  }
  const count = messages.filter(({ role }) => role === 'user').length;
  return `You said: ${String(last?.content)} That was message ${count} of ours.`
    .split(/(?<= )/)
    .map((content) => ({ content }));
};

const answer = async (
  deltasFor: Deltas,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  let body = '';
  for await (const chunk of request) body += chunk;
  const send = (delta: object, finish_reason: string | null): void => {
    response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason }] })}\n\n`);
  };
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  let finish = 'stop';
  for await (const delta of deltasFor(JSON.parse(body) as ChatRequest)) {
    if ('tool_calls' in delta) finish = 'tool_calls';
    send(delta, null);
  }
  send({}, finish);
  response.end('data: [DONE]\n\n');
};

/** Starts the server. Returns its URL, as for a real model server, and a function that closes it. */
export const standIn = async (
  deltasFor: Deltas = repeated,
): Promise<{ readonly url: string; readonly close: () => void }> => {
  const server = createServer((request, response) => void answer(deltasFor, request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/v1`, close: () => server.close() };
};
