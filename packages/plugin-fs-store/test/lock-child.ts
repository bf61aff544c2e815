import { RuntimeError, silentLogger } from '@worker-runtime/core';
import { fileStore } from '../src/index.ts';

/** Opens a store, prints the outcome, and keeps it open until the process is killed or its input ends. */
const [dir = ''] = process.argv.slice(2);
const store = fileStore({ dir });
try {
  await store.open({
    log: silentLogger,
    configuration: null,
    keptKeys: 1_000,
    lost: () => {},
    snapshotOf: () => undefined,
    report: () => {},
  });
  process.stdout.write('open\n');
  process.stdin.resume().on('end', () => void store.close());
} catch (error) {
  process.stdout.write(`${error instanceof RuntimeError ? error.code : String(error)}\n`);
}
