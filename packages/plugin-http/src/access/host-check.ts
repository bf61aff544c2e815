import type { IncomingHttpHeaders } from 'node:http';
import { RuntimeError } from '@worker-runtime/core';
import { isLoopback } from './loopback.ts';

export interface HostCheckOptions {
  readonly host: string;
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
}

/** The name in a Host header, without port and brackets; null where it is not one. */
const nameOf = (host: string): string | null => {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(host);
  return (match?.[1] ?? match?.[2])?.toLowerCase() ?? null;
};

/** An IPv4 address as people write it, where a socket for both families says it as one of IPv6. */
const plain = (address: string | undefined): string | undefined =>
  address?.replace(/^::ffff:(?=[0-9.]+$)/, '');

/**
 * Refuses what a hostile page can make a browser send. A page whose own name was pointed at this machine (DNS
 * rebinding) sends that name as Host; a page from elsewhere sends its Origin. Programs that are no browsers send no
 * Origin, and the Host that they were told. The address that a connection came in on is always a good Host: a page
 * that names it was served from here.
 */
export class HostCheck {
  readonly #hosts: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;

  constructor({ host, allowedHosts, allowedOrigins }: HostCheckOptions) {
    this.#hosts = new Set([host, ...allowedHosts].map((name) => name.toLowerCase()));
    this.#origins = new Set(allowedOrigins.map((origin) => origin.toLowerCase()));
  }

  /** @throws INVALID_REQUEST there is no Host · FORBIDDEN a name that this server does not go by, or a foreign Origin */
  assert({ host, origin }: IncomingHttpHeaders, localAddress: string | undefined): void {
    if (host === undefined) throw new RuntimeError('INVALID_REQUEST', 'The Host header is missing');
    const name = nameOf(host);
    if (name === null || !(isLoopback(name) || this.#hosts.has(name) || name === plain(localAddress))) {
      throw new RuntimeError('FORBIDDEN', 'The Host header names no host that this server goes by');
    }
    if (origin === undefined || this.isAllowed(origin)) return;
    // the port belongs to an origin: another server of this machine is another origin
    if (
      !/^https?:\/\//i.test(origin) ||
      origin.slice(origin.indexOf('//') + 2).toLowerCase() !== host.toLowerCase()
    ) {
      throw new RuntimeError('FORBIDDEN', 'The Origin is not allowed');
    }
  }

  /** Whether pages of this other origin were let in by name. */
  isAllowed(origin: string): boolean {
    return this.#origins.has(origin.toLowerCase());
  }
}
