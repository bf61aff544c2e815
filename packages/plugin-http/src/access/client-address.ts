import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { all, compile } from '@fastify/proxy-addr';

/** Returns the address of the client that sent a request; null if it has left. */
export type AddressOf = (request: IncomingMessage) => string | null;

/** Matches a range of all addresses. Each client could then choose its own address. */
const EVERYONE = /\/(?:0|0\.0\.0\.0)$/;

/**
 * Returns the reader of addresses behind these proxies: addresses, ranges such as `10.0.0.0/8`, or `loopback`. The header
 * `X-Forwarded-For` is read from its end, because each proxy adds the address of its own client there. The first address that is
 * no proxy is the client, and what stands before it is of the client itself. Without proxies the header is ignored.
 * @throws TypeError an entry is no address, or all addresses
 */
export const addressesBehind = (proxies: readonly string[]): AddressOf => {
  if (proxies.some((entry) => EVERYONE.test(entry))) throw new TypeError('a range of all addresses');
  const trusts = compile([...proxies]);
  return (request) => {
    const { remoteAddress } = request.socket;
    if (remoteAddress === undefined) return null;
    if (proxies.length === 0) return remoteAddress;
    // an entry that is no address is not believed: the proxy before it counts
    const chain = all(request, trusts);
    return chain.findLast((address) => isIP(address) !== 0) ?? remoteAddress;
  };
};
