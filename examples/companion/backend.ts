// The backend of a product with one companion. Browsers know this server and never the runtime inside it.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type Runtime, RuntimeError } from '@worker-runtime/core';

const MOST_BYTES = 10_000;

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  let body = '';
  for await (const chunk of request) {
    body += chunk;
    if (body.length > MOST_BYTES) throw new RuntimeError('PAYLOAD_TOO_LARGE');
  }
  return body;
};

/** What the companion says to one input, as it says it. */
async function* answerOf(runtime: Runtime, workerId: string, text: string): AsyncGenerator<string> {
  const { cursor, runId } = await runtime.sendInput(workerId, { text, whenBusy: 'queue' });
  const shown = new Map<string, number>();
  // deltas are skipped for whoever falls behind; the message that follows them has all
  const unseen = (part: string, said: string, offset = 0): string => {
    const from = shown.get(part) ?? 0;
    if (offset > from) return '';
    shown.set(part, Math.max(from, offset + said.length));
    return said.slice(from - offset);
  };
  for await (const item of runtime.observe(workerId, { after: cursor })) {
    if (item.type === 'delta' && item.run === runId && item.partType === 'text')
      yield unseen(item.part, item.text, item.offset);
    if (item.type !== 'event' || item.event.run !== runId) continue;
    if (item.event.type === 'message.completed')
      for (const part of item.event.data.parts) if (part.type === 'text') yield unseen(part.id, part.text);
    if (item.event.type === 'run.finished') return;
  }
}

const serve = async (
  runtime: Runtime,
  workerId: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  try {
    if (request.method === 'POST' && request.url === '/say') {
      for await (const piece of answerOf(runtime, workerId, await bodyOf(request))) response.write(piece);
      response.end('\n');
    } else if (request.method === 'GET' && request.url === '/conversation') {
      const { items } = await runtime.transcript(workerId, { before: 'end' });
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(items.map(({ role, parts }) => ({ role, parts }))));
    } else response.writeHead(404).end();
  } catch (error) {
    // a typed error is safe to show; anything else is a mistake of ours
    const { code, message } = RuntimeError.from(error);
    if (response.headersSent) response.destroy();
    else response.writeHead(code === 'INTERNAL' ? 500 : 409).end(`${code}: ${message}\n`);
  }
};

export const backend = (runtime: Runtime, workerId: string): Server =>
  createServer((request, response) => void serve(runtime, workerId, request, response));
