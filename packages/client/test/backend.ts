import { once } from 'node:events';
import { request as ask, createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ExecutionContext } from 'ava';

export interface Backend {
  readonly url: string;
  /** Returns the number of sockets that were forwarded. */
  readonly sockets: () => number;
  /** The heads of the requests of pages. */
  readonly requests: readonly string[];
}

/**
 * Starts a backend as a product has one. It serves the page, holds the token of the runtime, which the page never sees,
 * and forwards the requests of the page without the headers of the browser (cookies, origin).
 */
export const startBackend = async (
  t: ExecutionContext,
  page: string,
  runtime: string,
  token: string,
): Promise<Backend> => {
  const { hostname, port } = new URL(runtime);
  let sockets = 0;
  const requests: string[] = [];
  const forward = ({ method, url = '', headers, rawHeaders }: IncomingMessage, more: object = {}) => {
    requests.push([method, url, ...rawHeaders].join(' '));
    const { accept, 'content-type': type, 'content-length': length } = headers;
    const kept = { accept, 'content-type': type, 'content-length': length, ...more };
    const known = Object.fromEntries(Object.entries(kept).filter(([, value]) => value !== undefined));
    const sent = { ...(known as Record<string, string>), authorization: `Bearer ${token}` };
    return ask({ hostname, port, method, path: url, headers: sent });
  };
  const server = createServer((near, answer) => {
    if (!near.url?.startsWith('/v1/')) {
      const isPage = near.url === '/';
      answer.writeHead(isPage ? 200 : 404, { 'content-type': 'text/html; charset=utf-8' });
      return answer.end(isPage ? page : '');
    }
    const far = forward(near);
    far.on('response', (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(answer).on('error', () => {});
    });
    far.on('error', () => (answer.headersSent ? answer.destroy() : answer.writeHead(502).end()));
    answer.on('close', () => far.destroy());
    return near.pipe(far);
  });
  server.on('upgrade', (request, near) => {
    const { 'sec-websocket-key': key, 'sec-websocket-version': version } = request.headers;
    const far = forward(request, {
      connection: 'upgrade',
      upgrade: 'websocket',
      'sec-websocket-key': key,
      'sec-websocket-version': version,
      'sec-websocket-protocol': 'worker-runtime.v1',
    });
    near.on('error', () => far.destroy());
    far.on('error', () => near.destroy());
    far.on('response', () => near.destroy());
    far.on('upgrade', ({ headers }, socket, head) => {
      sockets += 1;
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}`);
      near.write(['HTTP/1.1 101 Switching Protocols', ...lines, '\r\n'].join('\r\n'));
      near.write(head);
      near.pipe(socket).pipe(near);
      for (const [one, other] of [
        [near, socket],
        [socket, near],
      ] as const)
        one.on('error', () => {}).on('close', () => other.destroy());
    });
    far.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port: own } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${own}/`, sockets: () => sockets, requests };
};
