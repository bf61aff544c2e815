import { RuntimeError, silentLogger } from '@worker-runtime/core';
import { fileStore } from '../src/index.ts';

/** Appends lines to one log until the store is lost. Prints the number of each acknowledged line, and the code of the loss. */
const [dir = ''] = process.argv.slice(2);
const store = fileStore({ dir });
const losses: string[] = [];
await store.open({
  log: silentLogger,
  configuration: null,
  keptKeys: 1_000,
  lost: (failure) => losses.push(failure.code),
  snapshotOf: () => undefined,
  report: () => {},
});
let head = { seq: 0, bytes: 0 };
const add = async (): Promise<void> => {
  const lines = Buffer.from(`{"seq":${head.seq + 1},"text":"${'x'.repeat(100)}"}\n`);
  const batch = { lines, count: 1 };
  if (head.seq === 0) await store.create('log_a', { workerId: 'a', record: null }, batch);
  else await store.append('log_a', head, batch);
  head = { seq: head.seq + 1, bytes: head.bytes + lines.length };
  process.stdout.write(`${head.seq}\n`);
};
while (losses.length === 0) {
  try {
    await add();
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
  }
}
await store.close();
process.stdout.write(`${losses.join()}\n`);
