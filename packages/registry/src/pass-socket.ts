import {
  type ClientRequest,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { CONNECT_MS, SILENCE_MS } from './connections.ts';
import { HEAD_MS } from './head-limit.ts';
import { headersOf, isPassedOn, type Passage, restOf, unreachable } from './passage.ts';
import { refusedBy } from './refusal.ts';

const UPGRADE_HEADERS = ['sec-websocket-key', 'sec-websocket-version', 'sec-websocket-extensions'] as const;

/** Passes the body of a refused upgrade until its end. */
const passBody = (answer: IncomingMessage, to: Socket): Promise<void> =>
  new Promise((resolve) => {
    const over = (): void => {
      answer.destroy();
      resolve();
    };
    answer.on('error', () => {});
    if (to.destroyed) return over();
    answer.once('close', () => {
      if (!answer.complete) to.destroy();
    });
    to.once('close', over);
    answer.pipe(to);
  });

/**
 * Sends an upgrade. It takes Node's client, because that of `undici` hides the answer of a runtime that refuses.
 */
const sendUpgrade = (
  { connections: { origin }, path }: Passage,
  rest: string,
  headers: Record<string, string | string[]>,
): ClientRequest => {
  const isSecure = origin.startsWith('https:');
  const sent = (isSecure ? httpsRequest : httpRequest)(`${origin}${path}${rest}`, { headers, agent: false });
  const limit = setTimeout(() => sent.destroy(new Error('no answer in time')), HEAD_MS);
  const connecting = setTimeout(() => sent.destroy(new Error('no connection in time')), CONNECT_MS);
  const over = (): void => {
    clearTimeout(limit);
    clearTimeout(connecting);
  };
  sent.once('socket', (socket) =>
    socket.once(isSecure ? 'secureConnect' : 'connect', () => clearTimeout(connecting)),
  );
  sent
    .once('response', over)
    .once('upgrade', over)
    .once('close', over)
    .on('error', () => {});
  return sent;
};

/** Returns the offered subprotocols, without tokens of the caller unless they are to be passed on. */
const protocolsOf = (headers: IncomingHttpHeaders, { hops }: Passage): string | undefined =>
  headers['sec-websocket-protocol']
    ?.split(',')
    .map((name) => name.trim())
    .filter((name) => hops !== undefined || !name.startsWith('bearer.'))
    .join(', ');

/**
 * Passes an upgrade to the runtime, and then the bytes of both sides. Resolves when both are closed.
 * @throws RUNTIME_UNREACHABLE nothing was written to the socket; `details.reason` as for `passRequest`
 */
export const passSocket = async (
  passage: Passage,
  request: IncomingMessage,
  socket: Socket,
  head: Buffer,
): Promise<void> => {
  const { headers } = request;
  const protocols = protocolsOf(headers, passage);
  const upgrade: Record<string, string | string[]> = {
    connection: 'Upgrade',
    upgrade: headers.upgrade ?? 'websocket',
  };
  for (const name of UPGRADE_HEADERS) if (headers[name] !== undefined) upgrade[name] = headers[name];
  if (protocols) upgrade['sec-websocket-protocol'] = protocols;
  const sent = sendUpgrade(passage, restOf(request), {
    ...headersOf(passage, request, undefined),
    ...upgrade,
  });
  const left = (): void => void sent.destroy();
  socket.once('close', left);
  // after the upgrade too, the request holds the connection
  passage.cut?.addEventListener('abort', left);
  socket.once('close', () => passage.cut?.removeEventListener('abort', left));
  sent.end();
  const { answer, other, first } = await new Promise<{
    answer: IncomingMessage;
    other: Socket | null;
    first: Buffer;
  }>((resolve, reject) => {
    sent.once('upgrade', (answer, other, first) => resolve({ answer, other: other as Socket, first }));
    sent.once('response', (answer) => resolve({ answer, other: null, first: Buffer.alloc(0) }));
    sent.once('error', reject);
    sent.once('close', () => reject(new Error('the connection was closed')));
  }).catch((error: unknown) => {
    throw unreachable(passage, 'The runtime cannot be reached', 'notSent', error);
  });
  socket.off('close', left);
  const status = answer.statusCode ?? 502;
  if (other === null && (status === 401 || status === 403) && passage.hops === undefined) {
    answer.destroy();
    throw refusedBy(passage.runtimeId, answer.headers.date);
  }
  passage.answered(other !== null);
  socket.write(rawHeadOf(answer, request, other !== null));
  if (other === null) {
    await passBody(answer, socket);
    return;
  }
  if (first.length > 0) other.unshift(first);
  if (head.length > 0) socket.unshift(head);
  await Promise.all([passBytes(socket, other), passBytes(other, socket)]);
};

/** Passes the bytes of one socket to another one until it is closed. The other one is closed after its last byte. */
const passBytes = (from: Socket, to: Socket): Promise<void> =>
  new Promise((resolve) => {
    const over = (): void => {
      // what has arrived still goes out, unless the other side takes nothing
      to.setTimeout(SILENCE_MS, () => to.destroy());
      to.destroySoon();
      resolve();
    };
    from.on('error', () => {});
    if (from.destroyed) return over();
    from.once('close', over);
    from.pipe(to);
  });

/** Returns the head of an answer as bytes. The connection ends after an answer that is no upgrade. */
const rawHeadOf = (
  { statusCode, statusMessage, headers }: IncomingMessage,
  request: IncomingMessage,
  isUpgrade: boolean,
): string => {
  const lines = [`HTTP/1.1 ${statusCode} ${statusMessage}`];
  for (const [name, value] of Object.entries(headers)) {
    const isPassed = isUpgrade ? /^(sec-websocket-.*|upgrade)$/.test(name) : isPassedOn(name, request);
    if (isPassed) lines.push(`${name}: ${String(value)}`);
  }
  lines.push(isUpgrade ? 'connection: Upgrade' : 'connection: close');
  return `${lines.join('\r\n')}\r\n\r\n`;
};
