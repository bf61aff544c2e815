import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { ExecutionContext } from 'ava';
import { PAGE } from './browser-page.ts';
import { STREAM } from './served.ts';

export interface Backend {
  readonly url: string;
  /** Where the runtime is from now on. */
  lead(port: number): void;
}

/**
 * A backend as a product has one: it serves the page, and passes the page's socket on to a runtime that the page never
 * sees. What a browser says of itself (cookies, origin) ends here.
 */
export const startBackend = async (t: ExecutionContext, port: number): Promise<Backend> => {
  let target = port;
  const server = createServer((request, response) => {
    const isPage = request.url === '/';
    response.writeHead(isPage ? 200 : 404, { 'content-type': 'text/html; charset=utf-8' });
    response.end(isPage ? PAGE : '');
  });
  server.on('upgrade', (request, near) => {
    const far = connect(target, '127.0.0.1', () => {
      const { 'sec-websocket-key': key, 'sec-websocket-version': version } = request.headers;
      far.write(
        [
          `GET ${STREAM} HTTP/1.1`,
          'host: localhost',
          'connection: Upgrade',
          'upgrade: websocket',
          `sec-websocket-key: ${key}`,
          `sec-websocket-version: ${version}`,
          'sec-websocket-protocol: worker-runtime.v1',
          '\r\n',
        ].join('\r\n'),
      );
      near.pipe(far).pipe(near);
    });
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      socket.on('error', () => {});
      socket.on('close', () => other.destroy());
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    lead(next) {
      target = next;
    },
  };
};
