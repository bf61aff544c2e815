import type { IncomingMessage } from 'node:http';
import { isIP, type Socket } from 'node:net';
import { RuntimeError } from '@worker-runtime/core';

export interface HostCheckOptions {
  readonly host: string;
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
}

/** True if an address or name can only mean this machine. */
export const isLoopback = (host: string): boolean => {
  const name = host.toLowerCase();
  if (name === 'localhost') return true;
  if (isIP(name) === 4) return name.startsWith('127.');
  return name === '::1' || (name.startsWith('::ffff:127.') && isIP(name) === 6);
};

/** The greatest number of a port. */
const MAX_PORT = 65_535;

/** Returns the name in a Host header, without port and brackets; null if the header is malformed. */
const nameOf = (host: string): string | null => {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::(\d{1,5}))?$/i.exec(host);
  if (match === null || Number(match[3] ?? 0) > MAX_PORT) return null;
  return (match[1] ?? match[2])?.toLowerCase() ?? null;
};

/** True if a request has several Host headers. Node keeps the first one, and a proxy may have checked another. */
const hasSeveralHosts = ({ rawHeaders }: IncomingMessage): boolean => {
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1;
  }
  return hosts > 1;
};

/**
 * Returns the local address of a connection. An IPv4 address is in dotted form: a dual-stack socket reports it as an IPv6
 * address.
 */
const addressOf = ({ localAddress }: Socket): string | undefined =>
  localAddress?.replace(/^::ffff:(?=[0-9.]+$)/, '');

/**
 * Refuses requests that a hostile page can make a browser send. With DNS rebinding, the Host is the name of the page;
 * a page of another site sends its Origin, or with a plain GET only that it is another site. Programs other than browsers
 * send neither. The local address of a connection is always a valid Host: a page with that Host was served from here.
 */
export class HostCheck {
  readonly #hosts: ReadonlySet<string>;
  readonly #proxied: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;
  /** The last Host that named this server: most clients send the same one. */
  #lastHost: string | null = null;

  constructor({ host, allowedHosts, allowedOrigins }: HostCheckOptions) {
    this.#proxied = new Set(allowedHosts.map((name) => name.toLowerCase()));
    this.#hosts = new Set([host.toLowerCase(), ...this.#proxied]);
    this.#origins = new Set(allowedOrigins.map((origin) => origin.toLowerCase()));
  }

  /**
   * Checks a request. A `public` request may come from a link on any site.
   * @throws INVALID_REQUEST the Host is missing, or occurs more than once · FORBIDDEN the Host is not a name of this server, or a page of another origin
   * sent the request
   */
  assert(request: IncomingMessage, isPublic: boolean): void {
    const { headers, socket } = request;
    const { host } = headers;
    if (host === undefined) throw new RuntimeError('INVALID_REQUEST', 'The Host header is missing');
    if (hasSeveralHosts(request))
      throw new RuntimeError('INVALID_REQUEST', 'The Host header occurs more than once');
    if (host !== this.#lastHost && !this.#isOfServer(host) && nameOf(host) !== addressOf(socket))
      throw new RuntimeError('FORBIDDEN', 'The Host header is not a name of this server');
    const { origin, 'sec-fetch-site': site } = headers;
    if (origin !== undefined) {
      if (!this.isAllowed(origin) && !this.#isOwn(origin, host))
        throw new RuntimeError('FORBIDDEN', 'The Origin is not allowed');
    } else if (!isPublic && (site === 'cross-site' || site === 'same-site')) {
      // a browser sends no Origin with a GET whose answer the page cannot read
      throw new RuntimeError('FORBIDDEN', 'A page of another origin sent this request');
    }
  }

  /** True if a Host names this server on every connection. */
  #isOfServer(host: string): boolean {
    const name = nameOf(host);
    const isOfServer = name !== null && (isLoopback(name) || this.#hosts.has(name));
    if (isOfServer) this.#lastHost = host;
    return isOfServer;
  }

  /** True if the options allow this origin by name. */
  isAllowed(origin: string): boolean {
    return this.#origins.has(origin.toLowerCase());
  }

  /**
   * True for the origin of pages that this server serves. The port is part of an origin: another server on this machine is
   * another origin. So is the scheme: only a name of a proxy may be served with TLS.
   */
  #isOwn(origin: string, host: string): boolean {
    const own = [`http://${host}`, ...(this.#proxied.has(nameOf(host) ?? '') ? [`https://${host}`] : [])];
    return own.some((one) => one.toLowerCase() === origin.toLowerCase());
  }
}
