/*
 * A process that opens a store, if necessary after a wait, and appends to its logs as fast as it can. It prints `open`, each
 * acknowledged line, each state of a plugin that it has kept, and its loss. Arguments: the options of the store, and the number of logs.
 */
import type { RuntimeError } from '@worker-runtime/core';
import type { PostgresStoreOptions } from '../src/index.ts';
import { StoreWriter } from './store-writer.ts';

const [options = '{}', logs = '8'] = process.argv.slice(2);
const writer = new StoreWriter(JSON.parse(options) as PostgresStoreOptions);
const print = (line: string): void => void process.stdout.write(`${line}\n`);

await writer.open();
print('open');
void writer.lost.then(({ code }) => {
  print(`lost ${code}`);
  process.stdout.write('', () => process.exit(3));
});

const write = async (log: string): Promise<void> => {
  for (let count = 0; ; count += 1) {
    const text = `${process.pid}-${count}`;
    try {
      print(`ack ${log} ${await writer.add(log, text)} ${text}`);
    } catch (error) {
      if ((error as RuntimeError).code === 'STORE_LOST') return;
      const before = writer.heads.get(log)?.seq ?? 0;
      for (;;) {
        try {
          const head = await writer.settle(log);
          if ((head?.seq ?? 0) > before) print(`ack ${log} ${head?.seq} ${text}`);
          break;
        } catch (failure) {
          if ((failure as RuntimeError).code === 'STORE_LOST') return;
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    }
  }
};

const keepStates = async (): Promise<void> => {
  for (let count = 0; ; count += 1) {
    const text = `${process.pid}-${count}`;
    try {
      await writer.store.putPluginState('plugin', Buffer.from(text));
      print(`state ${text}`);
    } catch (error) {
      if ((error as RuntimeError).code === 'STORE_LOST') return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
};
void keepStates();
await Promise.all(Array.from({ length: Number(logs) }, (_, index) => write(`log_${index}`)));
