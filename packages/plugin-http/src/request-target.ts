import type { IncomingMessage } from 'node:http';

const received = new WeakMap<IncomingMessage, string>();
const prefixes = new WeakMap<IncomingMessage, string>();

/** Returns the prefix that was removed from the URL of a request; empty if there was none. */
export const prefixOf = (request: IncomingMessage): string => prefixes.get(request) ?? '';

/** The header with which a server that passes on a request to a mounted handler says at which address it serves the client. */
const ADDRESS_HEADER = 'worker-runtime-address';

/** Returns an address without a slash at its end; null if it is none of HTTP, or has more than a path. */
const addressIn = (text: string): string | null => {
  if (!URL.canParse(text)) return null;
  const { protocol, origin, pathname, username, search, hash } = new URL(text);
  if (!/^https?:$/.test(protocol) || username + search + hash !== '') return null;
  return origin + (pathname.endsWith('/') ? pathname.slice(0, -1) : pathname);
};

/** Returns the address below which the client of a request finds the API, such as `http://agents.example/w/acme`. */
export const publicAddressOf = (request: IncomingMessage): string => {
  const { [ADDRESS_HEADER]: given, host } = request.headers;
  return (typeof given === 'string' ? addressIn(given) : null) ?? `http://${host}${prefixOf(request)}`;
};

/** Adds this address to a request that is passed on. */
export const addPublicAddress = (request: IncomingMessage): void => {
  request.headers[ADDRESS_HEADER] = publicAddressOf(request);
};

/** Returns the target of a request as the client has sent it. */
export const receivedTargetOf = (request: IncomingMessage): string =>
  received.get(request) ?? request.url ?? '';

/** Matches the scheme and the host of an absolute target. */
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i;
/** The characters that mean the same with and without an escape (RFC 3986, 2.3), but no dot: two dots can be a step upwards. */
const UNRESERVED = /^[a-z0-9_~-]$/i;

/** Matches a path without escapes and a fragment, with any query. */
const PLAIN = /^\/[^?#%]*(?:\?[^#]*)?$/;

const unescaped = (path: string): string =>
  path.replaceAll(/%[0-9a-f]{2}/gi, (encoded) => {
    const character = String.fromCharCode(Number.parseInt(encoded.slice(1), 16));
    return UNRESERVED.test(character) ? character : encoded;
  });

/** Returns a target as a path and a query: without an origin and a fragment, and without escapes that mean nothing. */
const plain = (target: string): string => {
  const local = target.replace(ORIGIN, '');
  const end = local.search(/[?#]/);
  const path = end === -1 ? local : local.slice(0, end);
  const query = end === -1 || local[end] === '#' ? '' : local.slice(end);
  return `${path.startsWith('/') ? '' : '/'}${path.includes('%') ? unescaped(path) : path}${query}`;
};

/**
 * Gives a request one form of its URL, without the prefix. The router would understand other forms too, so a check that reads
 * the URL must not see them. The host of an absolute target replaces the Host header (RFC 9112, 3.2.2).
 */
export const takePlainTarget = (request: IncomingMessage, pattern: RegExp | undefined): void => {
  const { url: target = '', headers } = request;
  // the most frequent form is plain already
  if (pattern === undefined && PLAIN.test(target)) return;
  if (!target.startsWith('/') && target !== '*' && headers.host !== undefined)
    headers.host = URL.canParse(target) ? new URL(target).host : '';
  const url = target === '*' ? target : plain(target);
  const prefix = pattern?.exec(url)?.[0] ?? '';
  const isRemoved = prefix !== '' && url.startsWith(prefix);
  request.url = isRemoved ? url.slice(prefix.length) : url;
  if (isRemoved) prefixes.set(request, prefix);
  if (request.url !== target) received.set(request, target);
};
