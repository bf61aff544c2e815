import { once } from 'node:events';
import { endPostgres, postgresBenches } from './postgres.ts';

/*
 * Measures the benchmarks of the store in PostgreSQL in a process of its own, which runs Node with the flags of a server. It measures what
 * its parent asks for, one after the other, and ends with it.
 */

/** One of the two sides of a benchmark. */
export interface Side {
  readonly id: string;
  readonly of: 'floor' | 'figure';
}

process.on('message', ({ id, of }: Side) => {
  const bench = postgresBenches.find((one) => one.id === id);
  void bench?.[of]().then((value) => process.send?.(value));
});
await once(process, 'disconnect');
await endPostgres();
