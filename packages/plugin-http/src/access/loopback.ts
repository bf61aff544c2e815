import { isIP } from 'node:net';

/** Whether an address or name can only be this machine. */
export const isLoopback = (host: string): boolean => {
  const name = host.toLowerCase();
  if (name === 'localhost') return true;
  if (isIP(name) === 4) return name.startsWith('127.');
  return name === '::1' || (name.startsWith('::ffff:127.') && isIP(name) === 6);
};
