import { lookup } from 'node:dns/promises';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@worker-runtime/core';

const PORT_POLL_MS = 50;

/** Returns false if another program listens on the port. The server itself tries once. */
const isFree = (address: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'EADDRINUSE'));
    probe.listen({ host: address, port, exclusive: true }, () => probe.close(() => resolve(true)));
  });

/** Waits while another program uses a port, for up to `portWaitMs`, as long as `isWanted` returns true. */
export const waitForPort = async (
  { host, port, portWaitMs }: { readonly host: string; readonly port: number; readonly portWaitMs: number },
  log: Logger,
  isWanted: () => boolean,
): Promise<void> => {
  // resolved here, since a name may stand for two addresses
  const { address } = await lookup(host);
  const until = performance.now() + portWaitMs;
  for (let isFirst = true; performance.now() < until && isWanted(); isFirst = false) {
    if (await isFree(address, port)) return;
    if (isFirst) log.info({ port, portWaitMs }, 'another program uses the port; waiting until it is free');
    await delay(PORT_POLL_MS);
  }
};
