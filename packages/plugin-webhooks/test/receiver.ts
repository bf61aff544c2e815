import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ExecutionContext } from 'ava';
import { Webhook } from 'standardwebhooks';

export interface Received {
  readonly id: string;
  readonly type: string;
  readonly timestamp: string;
  readonly data: {
    readonly runtimeId: string;
    readonly workerId: string;
    readonly seq: number;
    readonly run: string | null;
    readonly event: Record<string, unknown>;
  };
}

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** The body begins and does not end. */
  readonly isEndless?: boolean;
}

/** An endpoint that verifies each message with the library of Standard Webhooks. `answer` decides its answers; null never answers. */
export const receive = async (
  t: ExecutionContext,
  secret: string,
  answer: (message: Received) => Answer | null = () => ({ status: 204 }),
) => {
  const accepted: Received[] = [];
  const all: Received[] = [];
  const wrong: unknown[] = [];
  const waiting = new Set<() => void>();
  let open = 0;
  let mostOpen = 0;
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    open += 1;
    mostOpen = Math.max(mostOpen, open);
    response.once('close', () => {
      open -= 1;
    });
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
    try {
      const verified = new Webhook(secret).verify(body, request.headers as Record<string, string>);
      const message = { ...(verified as Omit<Received, 'id'>), id: String(request.headers['webhook-id']) };
      all.push(message);
      const made = answer(message);
      if (made && made.status < 300) accepted.push(message);
      if (made?.isEndless) response.writeHead(made.status, made.headers).write('{');
      else if (made) response.writeHead(made.status, made.headers).end();
    } catch (error) {
      wrong.push(error);
      response.writeHead(400).end();
    }
    for (const check of waiting) check();
  };
  const server = createServer((request, response) => void handle(request, response));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  /** Resolves when the condition holds after a message. */
  const until = (isMet: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const check = (): void => {
        if (!isMet()) return;
        waiting.delete(check);
        resolve();
      };
      waiting.add(check);
      check();
    });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook-canary`,
    accepted,
    all,
    wrong,
    until,
    /** The most requests that were open at the same time. */
    get mostOpen() {
      return mostOpen;
    },
  };
};
