import { RuntimeError } from '../contracts/runtime-error.ts';
import type { LogHead, RuntimeStore } from '../contracts/store.ts';
import { type ArchiveContent, type ArchiveItem, NO_BODY } from './archive-item.ts';
import { IMPORT_STATE } from './import-state.ts';

/** A log of an open store, up to a head. */
export interface SourceLog {
  readonly log: string;
  readonly workerId: string;
  readonly head: LogHead;
  readonly isDamaged: boolean;
}

export interface ArchiveSource {
  readonly store: RuntimeStore;
  readonly runtimeId: string;
  readonly content: ArchiveContent;
  readonly logs: Iterable<SourceLog> | AsyncIterable<SourceLog>;
  readonly writtenAt: string;
}

const EMPTY: LogHead = { seq: 0, bytes: 0 };
const READ = { bytes: 262_144, direction: 'forward' } as const;

const damaged = ({ workerId }: SourceLog): RuntimeError =>
  new RuntimeError(
    'WORKER_DAMAGED',
    'The log of a Worker is damaged, so an archive of it would not be whole',
    {
      details: { workerId },
    },
  );

async function* linesOf(store: RuntimeStore, source: SourceLog, begin: LogHead): AsyncGenerator<ArchiveItem> {
  const { log, head } = source;
  let at = begin;
  while (at.seq < head.seq) {
    const limits = { ...READ, count: head.seq - at.seq };
    const slice = await store.read(log, { seq: at.seq + 1, offset: at.bytes }, limits);
    if (slice.count === 0 || slice.gap !== null) throw damaged(source);
    yield { kind: 'lines', seq: at.seq + 1, offset: at.bytes, count: slice.count, body: slice.lines };
    at = { seq: at.seq + slice.count, bytes: at.bytes + slice.lines.length };
  }
  if (at.bytes !== head.bytes) throw damaged(source);
}

async function* logItems(
  store: RuntimeStore,
  source: SourceLog,
  content: ArchiveContent,
): AsyncGenerator<ArchiveItem> {
  const { log, workerId, head, isDamaged } = source;
  if (isDamaged) throw damaged(source);
  const record = Buffer.from(JSON.stringify(await store.record(log)));
  yield { kind: 'log', log, workerId, seq: head.seq, bytes: head.bytes, body: record };
  const base = await store.base(log);
  if (base) yield { kind: 'base', ...base.head, body: Buffer.from(base.text) };
  if (content === 'history') return yield* linesOf(store, source, base?.head ?? EMPTY);
  const keys = (await store.keys(log)).filter(({ seq }) => seq <= head.seq);
  if (keys.length > 0) yield { kind: 'keys', body: Buffer.from(JSON.stringify(keys)) };
  yield* linesOf(store, source, base?.head ?? EMPTY);
  for (const name of await store.blobs(log)) {
    const body = await store.blob(log, name);
    if (body !== null) yield { kind: 'blob', name, body };
  }
}

/**
 * Reads what a store keeps as the items of an archive, step by step. A log that is removed in the meantime is left out. The states of
 * plugins come first, so that none is ahead of the events.
 * @throws WORKER_DAMAGED a log is not whole
 */
export async function* itemsOf(source: ArchiveSource): AsyncGenerator<ArchiveItem> {
  const { store, runtimeId, content, logs, writtenAt } = source;
  const counts = { workers: 0, events: 0, blobs: 0, bundles: 0, pluginStates: 0 };
  yield { kind: 'archive', content, runtimeId, writtenAt, body: NO_BODY };
  if (content === 'runtime')
    for (const name of await store.pluginStates()) {
      const body = name === IMPORT_STATE ? null : await store.pluginState(name);
      if (body === null) continue;
      counts.pluginStates += 1;
      yield { kind: 'pluginState', name, body };
    }
  for await (const log of logs) {
    let hasBegun = false;
    let blobs = 0;
    let begin = 0;
    try {
      for await (const item of logItems(store, log, content)) {
        hasBegun = true;
        if (item.kind === 'base') begin = item.seq;
        if (item.kind === 'blob') blobs += 1;
        yield item;
      }
    } catch (error) {
      if (RuntimeError.from(error).code !== 'WORKER_NOT_FOUND') throw error;
      if (hasBegun) yield { kind: 'removed', body: NO_BODY };
      continue;
    }
    counts.workers += 1;
    counts.events += log.head.seq - begin;
    counts.blobs += blobs;
  }
  if (content === 'runtime')
    for (const digest of await store.bundles()) {
      const body = await store.bundle(digest);
      if (body === null) continue;
      counts.bundles += 1;
      yield { kind: 'bundle', digest, body };
    }
  yield { kind: 'end', ...counts, body: NO_BODY };
}
