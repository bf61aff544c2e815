import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { memoryStore, type RuntimeStore, silentLogger } from '@worker-runtime/core';
import type { Batch, KeyEntry, LogHead, NewLog } from '@worker-runtime/core/plugin-kit';

interface Write {
  readonly log: string;
  readonly begin?: NewLog;
  readonly after?: LogHead;
  readonly lines?: string;
  readonly count?: number;
  readonly keys?: readonly KeyEntry[] | undefined;
}

const batchOf = ({ lines = '', count = 0, keys }: Write): Batch => ({
  lines: Buffer.from(lines, 'base64'),
  count,
  ...(keys && { keys }),
});

/** Returns a memory store that also appends its writes to a file, so that they survive the kill of a process. */
export const recordedStore = async (path: string): Promise<RuntimeStore> => {
  const inner = memoryStore();
  await inner.open({
    log: silentLogger,
    configuration: null,
    keptKeys: 1_000,
    lost: () => {},
    snapshotOf: () => undefined,
    report: () => {},
  });
  const writes = existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
  for (const line of writes) {
    const write = JSON.parse(line) as Write;
    if (write.begin) await inner.create(write.log, write.begin, batchOf(write));
    else if (write.after) await inner.append(write.log, write.after, batchOf(write));
    else await inner.remove(write.log);
  }
  await inner.close();
  const record = (write: Write): void => appendFileSync(path, `${JSON.stringify(write)}\n`);
  const packed = ({ lines, count, keys }: Batch) => ({
    lines: Buffer.from(lines).toString('base64'),
    count,
    keys,
  });
  return {
    kind: 'memory',
    isDurable: true,
    version: 1,
    open: (host) => inner.open(host),
    create: async (log, begin, batch) => {
      await inner.create(log, begin, batch);
      record({ log, begin, ...packed(batch) });
    },
    append: async (log, after, batch) => {
      await inner.append(log, after, batch);
      record({ log, after, ...packed(batch) });
    },
    trim: (log, base) => inner.trim(log, base),
    base: (log) => inner.base(log),
    remove: async (log) => {
      await inner.remove(log);
      record({ log });
    },
    head: (log) => inner.head(log),
    read: (log, position, limits) => inner.read(log, position, limits),
    record: (log) => inner.record(log),
    keys: (log) => inner.keys(log),
    putBlob: (log, name, body) => inner.putBlob(log, name, body),
    blob: (log, name) => inner.blob(log, name),
    blobs: (log) => inner.blobs(log),
    putPluginState: (name, body) => inner.putPluginState(name, body),
    pluginState: (name) => inner.pluginState(name),
    pluginStates: () => inner.pluginStates(),
    putBundle: (bundle) => inner.putBundle(bundle),
    bundle: (digest) => inner.bundle(digest),
    bundles: () => inner.bundles(),
    close: () => inner.close(),
  };
};
