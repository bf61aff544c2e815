import { once } from 'node:events';
import { inScratch } from '../scratch.ts';
import { PEERS } from './all-peers.ts';
import { type Duration, type Measured, measured } from './load.ts';

/* Measures one peer in a process of its own, so that no peer runs in code and memory that another one has warmed up or filled. */

export interface Answer extends Measured {
  readonly version: string;
}

const [id = '', duration = ''] = process.argv.slice(2);
const peer = PEERS.find((one) => one.id === id);
if (!peer) throw new TypeError(`There is no peer ${id}`);

// so that the handlers of `exit` end its servers
process.once('SIGTERM', () => process.exit(1));
const answer = await inScratch(async (folder): Promise<Answer> => {
  const running = await peer.start(folder);
  try {
    return { version: running.version, ...(await measured(running, JSON.parse(duration) as Duration)) };
  } finally {
    await running.stop();
  }
});
process.send?.(answer);
await once(process, 'disconnect');
// some of the libraries keep timers and servers open
process.exit();
