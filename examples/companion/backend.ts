// The backend of a product with one companion. Browsers connect to this server, and not to the runtime inside it.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type Runtime, RuntimeError } from '@worker-runtime/core';
import { Conversation } from '@worker-runtime/core/views';

const MAX_BODY_BYTES = 10_000;
const STATUS: Readonly<Record<string, number>> = { FORBIDDEN: 403, PAYLOAD_TOO_LARGE: 413, INTERNAL: 500 };

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  let body = '';
  for await (const chunk of request) {
    body += chunk;
    if (body.length > MAX_BODY_BYTES) throw new RuntimeError('PAYLOAD_TOO_LARGE');
  }
  return body;
};

/**
 * Refuses requests that a page of another site can make a browser send. With DNS rebinding, the Host is the name of that page. Without it,
 * a browser sends the Origin of the page with a command, or that the site is another one. Programs such as curl send neither.
 */
const assertOwnPage = ({ headers, socket }: IncomingMessage): void => {
  const { host = '', origin, 'sec-fetch-site': site = 'none' } = headers;
  const isOwnHost = [`127.0.0.1:${socket.localPort}`, `localhost:${socket.localPort}`].includes(host);
  const isOwnOrigin = origin === undefined || origin === `http://${host}`;
  if (!isOwnHost || !isOwnOrigin || (site !== 'none' && site !== 'same-origin'))
    throw new RuntimeError('FORBIDDEN', 'A page of another site sent this request');
};

/** Sends an input and yields the text of the answer as it is written. */
async function* answerOf(runtime: Runtime, workerId: string, text: string): AsyncGenerator<string> {
  const { cursor, runId } = await runtime.sendInput(workerId, { text, whenBusy: 'queue' });
  // the conversation returns each character once, also if a slow reader misses deltas
  const conversation = new Conversation({ keptItems: 0 });
  for await (const item of runtime.observe(workerId, { after: cursor })) {
    for (const piece of conversation.apply(item))
      if (piece.run === runId && piece.partType === 'text') yield piece.text;
    if (item.type === 'event' && item.event.run === runId && item.event.type === 'run.finished') return;
  }
}

const serve = async (
  runtime: Runtime,
  workerId: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  try {
    assertOwnPage(request);
    if (request.method === 'POST' && request.url === '/say') {
      for await (const piece of answerOf(runtime, workerId, await bodyOf(request))) response.write(piece);
      response.end('\n');
    } else if (request.method === 'GET' && request.url === '/conversation') {
      const { items } = await runtime.transcript(workerId, { before: 'end' });
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(items.map(({ role, parts }) => ({ role, parts }))));
    } else response.writeHead(404).end();
  } catch (error) {
    // The message of a RuntimeError is public. Any other error is a bug, and becomes INTERNAL.
    const { code, message } = RuntimeError.from(error);
    if (response.headersSent) response.destroy();
    else response.writeHead(STATUS[code] ?? 409).end(`${code}: ${message}\n`);
  }
};

export const backend = (runtime: Runtime, workerId: string): Server =>
  createServer((request, response) => void serve(runtime, workerId, request, response));
