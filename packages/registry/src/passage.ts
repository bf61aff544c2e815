import {
  type Agent,
  type ClientRequest,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
} from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { RuntimeError } from '@worker-runtime/core';
import { covers, isPermission } from '@worker-runtime/core/scope';
import { refusedBy } from './refusal.ts';

/** The way to a remote runtime for one request. */
export interface Passage {
  /** The address of the runtime: `https://host/v1/runtimes/{id}`. */
  readonly base: string;
  /** Keeps connections; false opens a new one for the request. */
  readonly agent: Agent | false;
  /** The `Authorization` header; null sends none. */
  readonly authorization: string | null;
  readonly runtimeId: string;
  /**
   * Set between hosts of one cluster, which know the same callers: the credentials of the caller are passed on, and the number of hosts
   * that have passed on the request with them.
   */
  readonly hops?: number;
  /** Called with the head of an answer that is passed on, before its first byte. */
  readonly answered: (isStream: boolean) => void;
}

/** Closes the connection after the answer if the rest of the body will not be read: the next request would wait behind it. */
const closeAfterBody = (request: IncomingMessage, response: ServerResponse): void => {
  if (!request.complete) response.setHeader('connection', 'close');
};

/** The request headers that a runtime uses. Others, such as cookies and credentials of the caller, end at the registry. */
const REQUEST_HEADERS = [
  'accept',
  'content-length',
  'content-type',
  'idempotency-key',
  'last-event-id',
  'prefer',
  'traceparent',
  'tracestate',
  'x-request-id',
] as const;
const UPGRADE_HEADERS = ['sec-websocket-key', 'sec-websocket-version', 'sec-websocket-extensions'] as const;
const ANSWER_HEADERS =
  /^(allow|content-(?!security-policy-|encoding$).*|cross-origin-resource-policy|file-media-type|idempotent-replayed|location|page-.*|preference-applied|retry-after|runtime-id)$/;

/** The time limit for a connection. */
const CONNECT_MS = 1_000;
/** The time limit for the head of an answer, beyond what the request itself may wait. */
const HEAD_MS = 30_000;
/** The longest time that a stop or a cancel waits by itself. */
const ENDING_MS = 60_000;
/** The longest silence of an answer. A stream sends something every 15 s. */
const SILENCE_MS = 60_000;
/** The largest refusal that is read before it is passed on. */
const MAX_REFUSAL_BYTES = 65_536;

const unreachable = (
  { runtimeId }: Passage,
  message: string,
  reason: 'notSent' | 'maybeDone',
  cause?: unknown,
): RuntimeError =>
  new RuntimeError('RUNTIME_UNREACHABLE', message, { details: { runtimeId, reason }, cause });

/** Returns the path of a request below its runtime, with the query: `/workers/ada?…`. */
const restOf = ({ url = '' }: IncomingMessage): string => {
  const prefix = '/v1/runtimes/';
  const idAt = url.indexOf(prefix) + prefix.length;
  const end = url.slice(idAt).search(/[/?]/);
  return end === -1 ? '' : url.slice(idAt + end);
};

/** The header with the number of hosts that have passed on a request. */
export const HOPS_HEADER = 'worker-runtime-hops';

const headersOf = (
  { authorization, hops }: Passage,
  headers: IncomingHttpHeaders,
  requestId: string | undefined,
): OutgoingHttpHeaders => {
  const passed: Record<string, string | string[]> = {};
  for (const name of REQUEST_HEADERS) if (headers[name] !== undefined) passed[name] = headers[name];
  if (requestId !== undefined) passed['x-request-id'] = requestId;
  if (authorization !== null) passed.authorization = authorization;
  if (hops !== undefined) {
    passed[HOPS_HEADER] = String(hops);
    if (headers.authorization !== undefined) passed.authorization = headers.authorization;
  }
  return passed;
};

/** Returns the time for which a request may wait before the head of its answer arrives. */
const headLimitOf = ({ headers, method, url = '' }: IncomingMessage): number => {
  const waited = Number(/(?:^|[,;\s])wait=(\d{1,6})/.exec(String(headers.prefer ?? ''))?.[1] ?? 0) * 1_000;
  const ending = method === 'POST' && /\/(stop|cancel)$/.test(url.split('?', 1)[0] as string) ? ENDING_MS : 0;
  return HEAD_MS + waited + ending;
};

/** A request to the runtime whose connection and answer have time limits. */
const send = (
  { base, agent }: Passage,
  path: string,
  method: string,
  headers: OutgoingHttpHeaders,
  headMs: number,
): ClientRequest => {
  const isSecure = base.startsWith('https:');
  const sent = (isSecure ? httpsRequest : httpRequest)(`${base}${path}`, { method, headers, agent });
  const limit = setTimeout(() => sent.destroy(new Error('no answer in time')), headMs);
  let connecting: NodeJS.Timeout | undefined;
  sent.once('socket', (socket) => {
    // most requests use a kept connection
    if (!socket.connecting) return;
    connecting = setTimeout(() => sent.destroy(new Error('no connection in time')), CONNECT_MS);
    socket.once(isSecure ? 'secureConnect' : 'connect', () => clearTimeout(connecting));
  });
  const over = (): void => {
    clearTimeout(limit);
    clearTimeout(connecting);
  };
  sent
    .once('response', over)
    .once('upgrade', over)
    .once('close', over)
    .on('error', () => {});
  return sent;
};

/** Waits for the head of the answer. @throws the error of the connection */
const headOf = (sent: ClientRequest): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    sent.once('response', resolve);
    sent.once('error', reject);
    sent.once('close', () => reject(new Error('the connection was closed')));
  });

const readRefusal = async (answer: IncomingMessage): Promise<Buffer | null> => {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of answer as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > MAX_REFUSAL_BYTES) return null;
    parts.push(part);
  }
  return Buffer.concat(parts);
};

/** True if a refusal of the runtime is about our credentials, and not about those of the caller, which the server has checked. */
const isAboutUs = (status: number, body: Buffer | null): boolean => {
  if (status === 401 || body === null) return true;
  try {
    const { details = {} } = JSON.parse(body.toString()) as {
      readonly details?: { readonly needed?: unknown; readonly permissions?: unknown };
    };
    const { needed, permissions } = details;
    if (!isPermission(needed) || !Array.isArray(permissions)) return false;
    return !covers(permissions.filter(isPermission), needed);
  } catch {
    return true;
  }
};

/**
 * Passes a request to the runtime and its answer back, byte by byte. Resolves with the status when the answer has ended, also
 * if the client left before its end.
 * @throws RUNTIME_UNREACHABLE nothing was written to the response. `details.reason` is `notSent`, `maybeDone` (the runtime may
 * have executed the request) or `refused` (it does not accept the credentials)
 */
export const passRequest = async (
  passage: Passage,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<number> => {
  const { method = 'GET', headers } = request;
  const requestId = response.getHeader('x-request-id') as string | undefined;
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  const attempt = async (agent: Agent | false): Promise<IncomingMessage> => {
    const sent = send(
      { ...passage, agent },
      restOf(request),
      method,
      headersOf(passage, headers, requestId),
      headLimitOf(request),
    );
    const left = (): void => void sent.destroy();
    response.once('close', left);
    sent.once('close', () => response.off('close', left));
    if (hasBody) request.pipe(sent);
    else sent.end();
    try {
      const answer = await headOf(sent);
      // from here on the end of the response ends the answer
      response.off('close', left);
      return answer;
    } catch (error) {
      throw Object.assign(new Error('the request failed', { cause: error }), {
        // a kept connection may have been closed by the runtime just before its next use
        isStale: sent.reusedSocket && !hasBody && (error as NodeJS.ErrnoException).code === 'ECONNRESET',
        isSent: sent.socket !== null && !sent.socket.connecting && sent.socket.bytesWritten > 0,
      });
    }
  };
  const isRepeatable =
    method === 'GET' || method === 'HEAD' || (headers['idempotency-key'] !== undefined && !hasBody);
  let answer: IncomingMessage;
  try {
    answer = await attempt(passage.agent).catch((error: { readonly isStale: boolean }) => {
      // with a new connection: the other kept ones were probably closed along with this one
      if (error.isStale && isRepeatable && !response.destroyed) return attempt(false);
      throw error;
    });
  } catch (error) {
    const { isSent, cause } = error as { readonly isSent: boolean; readonly cause: unknown };
    closeAfterBody(request, response);
    throw isSent && method !== 'GET' && method !== 'HEAD'
      ? unreachable(
          passage,
          'The runtime did not answer, and may have executed the request',
          'maybeDone',
          cause,
        )
      : unreachable(passage, 'The runtime cannot be reached', 'notSent', cause);
  }
  return passAnswer(passage, request, answer, response);
};

const passAnswer = async (
  passage: Passage,
  request: IncomingMessage,
  answer: IncomingMessage,
  response: ServerResponse,
): Promise<number> => {
  const status = answer.statusCode ?? 502;
  let refusal: Buffer | null = null;
  if ((status === 401 || status === 403) && passage.hops === undefined) {
    refusal = await readRefusal(answer);
    if (isAboutUs(status, refusal)) {
      answer.destroy();
      closeAfterBody(request, response);
      throw refusedBy(passage.runtimeId, answer.headers.date);
    }
  }
  passage.answered(answer.headers['content-type']?.startsWith('text/event-stream') ?? false);
  for (const [name, value] of Object.entries(answer.headers))
    if (value !== undefined && ANSWER_HEADERS.test(name)) response.setHeader(name, value);
  closeAfterBody(request, response);
  response.writeHead(status);
  if (refusal !== null) {
    response.end(refusal);
    return status;
  }
  // the head of a stream goes out before its first event; that of a page goes out with its first bytes
  if (answer.headers['content-length'] === undefined) response.flushHeaders();
  answer.setTimeout(SILENCE_MS, () => answer.destroy());
  await passBody(answer, response);
  return status;
};

/** Passes a body until its end. One that breaks off breaks off for the client too, which resumes a stream after its cursor. */
const passBody = (answer: IncomingMessage, to: Socket | ServerResponse): Promise<void> =>
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
  const sent = send(
    // an upgraded connection is not returned to the agent
    passage,
    restOf(request),
    'GET',
    { ...headersOf(passage, headers, undefined), ...upgrade },
    HEAD_MS,
  );
  const left = (): void => void sent.destroy();
  socket.once('close', left);
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
  socket.write(rawHeadOf(answer, other !== null));
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
const rawHeadOf = ({ statusCode, statusMessage, headers }: IncomingMessage, isUpgrade: boolean): string => {
  const lines = [`HTTP/1.1 ${statusCode} ${statusMessage}`];
  for (const [name, value] of Object.entries(headers)) {
    const isPassed = isUpgrade ? /^(sec-websocket-.*|upgrade)$/.test(name) : ANSWER_HEADERS.test(name);
    if (isPassed) lines.push(`${name}: ${String(value)}`);
  }
  lines.push(isUpgrade ? 'connection: Upgrade' : 'connection: close');
  return `${lines.join('\r\n')}\r\n\r\n`;
};
