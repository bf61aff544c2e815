import { isIPv6 } from 'node:net';

/** The groups of an address of IPv6 that its network has chosen. The other half is of the client itself. */
const NETWORK_GROUPS = 4;
const GROUPS = 8;

const groupsIn = (part: string): readonly string[] => (part === '' ? [] : part.split(':'));

/**
 * Returns the client behind an address, for limits: the address itself, or the network of an address of IPv6, in which a client has as many
 * addresses as it likes. Empty if the client has left.
 */
export const networkOf = (address: string | null): string => {
  if (address === null || !isIPv6(address)) return address ?? '';
  const [plain = ''] = address.toLowerCase().split('%');
  // an address of IPv4 in the form of IPv6
  if (plain.includes('.')) return plain.slice(plain.lastIndexOf(':') + 1);
  const [before = '', after] = plain.split('::');
  const [head, tail] = [groupsIn(before), groupsIn(after ?? '')];
  const zeros = Array.from({ length: GROUPS - head.length - tail.length }, () => '0');
  const groups = [...head, ...zeros, ...tail].slice(0, NETWORK_GROUPS);
  return `${groups.map((group) => group.replace(/^0+(?=.)/, '')).join(':')}::/64`;
};
