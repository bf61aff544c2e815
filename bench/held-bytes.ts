import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/**
 * Returns the size of all objects of this process, and of the buffers that they hold. V8 frees the buffers of a collection beside the
 * program, and subtracts their bytes at the next one: after one collection alone, up to 30 MB of freed buffers still count.
 */
export const heldBytes = async (): Promise<number> => {
  collect();
  await setImmediate();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};
