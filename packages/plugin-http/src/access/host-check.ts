import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
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

/** Returns the name in a Host header, without port and brackets; null if the header is malformed. */
const nameOf = (host: string): string | null => {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(host);
  return (match?.[1] ?? match?.[2])?.toLowerCase() ?? null;
};

/** Returns an IPv4 address in dotted form: a dual-stack socket reports it as an IPv6 address. */
const withoutIpv6Prefix = (address: string | undefined): string | undefined =>
  address?.replace(/^::ffff:(?=[0-9.]+$)/, '');

/**
 * Refuses requests that a hostile page can make a browser send. With DNS rebinding, the Host is the name of the page;
 * a page of another site sends its Origin. Programs other than browsers send no Origin. The local address of a
 * connection is always a valid Host: a page with that Host was served from here.
 */
export class HostCheck {
  readonly #hosts: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;

  constructor({ host, allowedHosts, allowedOrigins }: HostCheckOptions) {
    this.#hosts = new Set([host, ...allowedHosts].map((name) => name.toLowerCase()));
    this.#origins = new Set(allowedOrigins.map((origin) => origin.toLowerCase()));
  }

  /** @throws INVALID_REQUEST the Host is missing · FORBIDDEN the Host is not a name of this server, or the Origin is foreign */
  assert({ host, origin }: IncomingHttpHeaders, localAddress: string | undefined): void {
    if (host === undefined) throw new RuntimeError('INVALID_REQUEST', 'The Host header is missing');
    const name = nameOf(host);
    if (
      name === null ||
      !(isLoopback(name) || this.#hosts.has(name) || name === withoutIpv6Prefix(localAddress))
    ) {
      throw new RuntimeError('FORBIDDEN', 'The Host header is not a name of this server');
    }
    if (origin === undefined || this.isAllowed(origin)) return;
    // the port is part of an origin: another server on this machine is another origin
    if (
      !/^https?:\/\//i.test(origin) ||
      origin.slice(origin.indexOf('//') + 2).toLowerCase() !== host.toLowerCase()
    ) {
      throw new RuntimeError('FORBIDDEN', 'The Origin is not allowed');
    }
  }

  /** True if the options allow this origin by name. */
  isAllowed(origin: string): boolean {
    return this.#origins.has(origin.toLowerCase());
  }
}
