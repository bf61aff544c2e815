import { isDeepStrictEqual } from 'node:util';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type { LogHead, RuntimeStore } from '../contracts/store.ts';
import type { ArchiveItem } from './archive-item.ts';

const differs = (what: string): RuntimeError =>
  new RuntimeError('STORE_CORRUPT', `The store does not return what was imported: ${what} differ`);

const isSame = (found: Uint8Array | null, expected: Uint8Array): boolean =>
  found !== null && Buffer.compare(found, expected) === 0;

const parsed = (body: Uint8Array): unknown => JSON.parse(Buffer.from(body).toString());

const checkLines = async (
  store: RuntimeStore,
  log: string,
  { seq, offset, count, body }: ArchiveItem & { readonly kind: 'lines' },
): Promise<void> => {
  for (let done = 0, bytes = 0; done < count; ) {
    const limits = { count: count - done, bytes: body.length, direction: 'forward' } as const;
    const slice = await store.read(log, { seq: seq + done, offset: offset + bytes }, limits);
    const expected = body.subarray(bytes, bytes + slice.lines.length);
    if (slice.count === 0 || slice.gap !== null || !isSame(slice.lines, expected))
      throw differs('the events');
    done += slice.count;
    bytes += slice.lines.length;
  }
};

/** Compares the items of an archive with what an open store returns. `heads` are the ends of its logs. @throws STORE_CORRUPT */
export const checkStored = async (
  items: AsyncIterable<ArchiveItem>,
  store: RuntimeStore,
  heads: ReadonlyMap<string, LogHead>,
  idOf: (log: string) => string = (log) => log,
): Promise<void> => {
  let log = '';
  for await (const item of items) {
    if (item.kind === 'log') {
      log = idOf(item.log);
      const { seq, bytes } = item;
      if (!isDeepStrictEqual(heads.get(log), { seq, bytes })) throw differs('the heads');
      if (!isDeepStrictEqual(await store.record(log), parsed(item.body))) throw differs('the records');
    } else if (item.kind === 'bundle') {
      if (!isSame(await store.bundle(item.digest), item.body)) throw differs('the bundles');
    } else if (item.kind === 'pluginState') {
      if (!isSame(await store.pluginState(item.name), item.body)) throw differs('the states of plugins');
    } else if (item.kind === 'base') {
      const { seq, bytes } = item;
      const expected = { head: { seq, bytes }, text: Buffer.from(item.body).toString() };
      if (!isDeepStrictEqual(await store.base(log), expected)) throw differs('the bases');
    } else if (item.kind === 'keys') {
      if (!isDeepStrictEqual(await store.keys(log), parsed(item.body))) throw differs('the keys');
    } else if (item.kind === 'lines') await checkLines(store, log, item);
    else if (item.kind === 'blob' && !isSame(await store.blob(log, item.name), item.body))
      throw differs('the files');
  }
};
