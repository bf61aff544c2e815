/** A registry in a process whose clock is off by `argv[2]` milliseconds, until the parent sends a message. */
import { Identity } from '../src/index.ts';
import { Hop } from './hop.ts';

const [, , offset, keyFile = '', url = '', runtimeId = ''] = process.argv;
let offsetMs = Number(offset);
const { now } = Date;
Date.now = () => now() + offsetMs;

const identity = await Identity.at(keyFile, 'backend');
const hop = await Hop.start([{ name: 'far', url, runtimeId, auth: { identity } }]);
process.on('message', () => {
  offsetMs = 0;
  process.send?.('set');
});
process.on('disconnect', () => process.exit());
process.send?.(hop.url);
