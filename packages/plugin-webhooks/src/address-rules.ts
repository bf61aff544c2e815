import { BlockList, isIP } from 'node:net';

/** Ranges that no public receiver has: private, loopback, link-local, shared, multicast, reserved, and IPv6 forms of IPv4. */
const NOT_PUBLIC = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
] as const;

/** The only range of IPv6 with public addresses, and the parts of it that lead to IPv4 or to documentation. */
const PUBLIC_IPV6 = '2000::/3';
const NOT_PUBLIC_IPV6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'] as const;

const familyOf = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 6 ? 'ipv6' : 'ipv4');

/** Makes a list of addresses and ranges such as `10.0.0.0/8`. Throws an Error if one is not valid. */
export const rangesOf = (ranges: readonly string[]): BlockList => {
  const listed = new BlockList();
  for (const range of ranges) {
    const [address = '', bits] = range.split('/');
    if (bits === undefined) listed.addAddress(address, familyOf(address));
    else listed.addSubnet(address, /^\d{1,3}$/.test(bits) ? Number(bits) : -1, familyOf(address));
  }
  return listed;
};

const notPublic = rangesOf([...NOT_PUBLIC, ...NOT_PUBLIC_IPV6]);
const publicIpv6 = rangesOf([PUBLIC_IPV6]);

/** True if an endpoint may have this address: it is public, or the operator names it. */
export const isAllowed = (address: string, named: BlockList): boolean => {
  const family = familyOf(address);
  if (isIP(address) === 0) return false;
  if (named.check(address, family)) return true;
  return !notPublic.check(address, family) && (family === 'ipv4' || publicIpv6.check(address, family));
};
