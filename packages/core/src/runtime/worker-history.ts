import { admitted } from '../admission.ts';
import { encodeArchive } from '../archive/archive-bytes.ts';
import { itemsOf } from '../archive/stored-items.ts';
import { assertWorkerId, checkCall } from '../commands/requests.ts';
import type { Clock } from '../contracts/clock.ts';
import { decodeEvent } from '../contracts/event.ts';
import type { Hooks } from '../contracts/hooks.ts';
import type { Page } from '../contracts/page.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type { ArchivedPart, HistoryQuery, OldHistory, ServedArchives } from '../contracts/served-archives.ts';
import type { CallOptions } from '../contracts/served-runtime.ts';
import type { Report } from '../diagnostics.ts';
import { historyFloor } from '../domain/history-floor.ts';
import { baseIn, baseOf } from '../domain/stored-base.ts';
import { decodeWorkersCursor } from '../log/cursor.ts';
import { type Line, linesOf, textOf } from '../log/lines.ts';
import { stateAfter } from '../workers/loading.ts';
import { factsOf } from '../workers/views.ts';
import type { Worker } from '../workers/worker.ts';
import type { ArchiveGate } from './archive-gate.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Parts } from './parts.ts';

/** The Workers that one page looks at: some lines of each are read. */
const LOOKED_AT = 100;
const ONE_LINE = { count: 1, bytes: 1, direction: 'forward' } as const;
/** A name that is a path on no system. */
const ARCHIVE_NAME = /^(?!\.{1,2}$)[^/\\\p{C}]{1,255}$/u;

export interface HistoryOptions {
  readonly lifecycle: Pick<Lifecycle, 'opened' | 'running'>;
  readonly hooks: Hooks;
  readonly clock: Clock;
  readonly gate: ArchiveGate;
  readonly report: (report: Report) => void;
}

const invalid = (message: string, details = {}): RuntimeError =>
  new RuntimeError('INVALID_REQUEST', message, { details });

const assertNumber = (name: string, value: number | undefined, least: number): void => {
  if (value === undefined || (Number.isSafeInteger(value) && value >= least)) return;
  throw invalid(`${name} must be a whole number${least > 0 ? ` from ${least} on` : ''}`);
};

const floorOf = ({ engines }: Parts, worker: Worker): number => {
  const state = worker.glimpse();
  return historyFloor(state, engines.get(state.engine)?.capabilities.readsHistory !== false);
};

const lineAt = async ({ store }: Parts, { log }: Worker, seq: number): Promise<Line | null> => {
  const slice = await store.read(log, { seq, offset: 0 }, ONE_LINE);
  const line = slice.count > 0 && slice.first.seq === seq ? linesOf(slice).next().value : undefined;
  return line ?? null;
};

const timeOf = (line: Line | null): number =>
  line ? Date.parse(decodeEvent(textOf(line)).time) : Number.NaN;

/** Returns the number of the last event from `first` to `last` that is not later than a time, by bisection; `first - 1` if none is. */
const lastUpTo = async (
  parts: Parts,
  worker: Worker,
  first: number,
  last: number,
  time: number,
): Promise<number> => {
  let low = first;
  let high = last + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    // a line that cannot be read stays
    if (timeOf(await lineAt(parts, worker, middle)) <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
};

/** The first events of Workers, which can leave a runtime while their Workers continue. */
export class WorkerHistory implements Pick<ServedArchives, 'listHistory' | 'openHistory' | 'removeHistory'> {
  readonly #options: HistoryOptions;

  constructor(options: HistoryOptions) {
    this.#options = options;
  }

  async listHistory(query: HistoryQuery): Promise<Page<OldHistory>> {
    const parts = this.#options.lifecycle.running();
    const { workers, streams } = parts;
    const { olderThanMs, beforeSeq, leastBytes = 0, labels = {}, workerId, after } = query;
    assertNumber('olderThanMs', olderThanMs, 0);
    assertNumber('beforeSeq', beforeSeq, 1);
    assertNumber('leastBytes', leastBytes, 0);
    if (olderThanMs === undefined && beforeSeq === undefined)
      throw invalid('Say which history goes: by olderThanMs, or by beforeSeq');
    const found =
      workerId === undefined
        ? workers.list({ labels }, decodeWorkersCursor(after) ?? '', LOOKED_AT)
        : { items: [this.#worker(parts, workerId)], hasMore: false };
    const items: OldHistory[] = [];
    for (const worker of found.items) {
      const old = await this.#oldOf(parts, worker, query);
      if (old && old.sizeBytes >= leastBytes) items.push(old);
    }
    return { items, next: found.hasMore ? (found.items.at(-1)?.log ?? null) : null, asOf: streams.asOf };
  }

  openHistory(workerId: string, throughSeq: number): AsyncIterable<Uint8Array> {
    const { lifecycle, gate, clock } = this.#options;
    const parts = lifecycle.running();
    const { store, runtimeId } = parts;
    const worker = this.#worker(parts, workerId);
    this.#assertRemovable(parts, worker, throughSeq);
    const writtenAt = new Date(clock.now()).toISOString();
    return gate.reading(async function* () {
      const last = await lineAt(parts, worker, throughSeq);
      if (!last) throw new RuntimeError('WORKER_DAMAGED', undefined, { details: { workerId } });
      const head = { seq: throughSeq, bytes: last.offset + last.bytes.length };
      const logs = [{ log: worker.log, workerId, head, isDamaged: false }];
      yield* encodeArchive(itemsOf({ store, runtimeId, content: 'history', logs, writtenAt }));
    });
  }

  async removeHistory(
    workerId: string,
    { log, throughSeq, archive }: ArchivedPart,
    options?: CallOptions,
  ): Promise<void> {
    const { lifecycle, hooks, gate } = this.#options;
    const parts = lifecycle.running();
    const { actor } = checkCall(options);
    const worker = this.#worker(parts, workerId);
    if (typeof archive !== 'string' || !ARCHIVE_NAME.test(archive))
      throw invalid('archive must be the name of a file, without a path');
    const assertSame = (): void => {
      if (worker.log !== log) throw invalid('The Worker has another log than the archive', { workerId });
    };
    assertSame();
    // a repetition whose first answer was lost
    if (worker.base?.at.seq === throughSeq && worker.base.archive === archive) return;
    this.#assertRemovable(parts, worker, throughSeq);
    await admitted(
      hooks.admit,
      { type: 'history.remove', workerId, worker: factsOf(worker), throughSeq, archive },
      () =>
        gate.removing(async () => {
          this.#assertRemovable(parts, worker, throughSeq);
          await this.#remove(parts, worker, throughSeq, archive);
        }),
    );
    this.#options.report({
      severity: 'info',
      code: 'HISTORY_ARCHIVED',
      message: 'The first events of a Worker are in an archive now, and no longer in the store',
      worker: workerId,
      details: { throughSeq, archive, ...(actor !== undefined && { actor }) },
    });
  }

  async #remove(
    { store, workers }: Parts,
    worker: Worker,
    throughSeq: number,
    archive: string,
  ): Promise<void> {
    const base = baseOf(await stateAfter(worker, throughSeq, store), archive);
    try {
      await store.trim(worker.log, base);
    } catch (error) {
      // it may have happened
      const found = await store.base(worker.log).catch(() => null);
      if (found?.text !== base.text) throw error;
    }
    worker.base = baseIn(base);
    if (workers.knows(worker)) workers.changed(worker);
  }

  #worker({ workers }: Parts, workerId: string): Worker {
    assertWorkerId(workerId);
    return workers.get(workerId);
  }

  /** @throws INVALID_REQUEST · WORKER_DAMAGED */
  #assertRemovable(parts: Parts, worker: Worker, throughSeq: number): void {
    const { workerId, base, isDamaged } = worker;
    if (isDamaged) throw new RuntimeError('WORKER_DAMAGED', undefined, { details: { workerId } });
    assertNumber('throughSeq', throughSeq, 1);
    const [firstSeq, lastSeq] = [(base?.at.seq ?? 0) + 1, floorOf(parts, worker)];
    if (throughSeq >= firstSeq && throughSeq <= lastSeq) return;
    throw invalid(
      lastSeq < firstSeq
        ? 'All events that the Worker has are still needed'
        : `Events ${firstSeq} to ${lastSeq} of the Worker can be removed`,
      { workerId, firstSeq, lastSeq },
    );
  }

  /** Returns the first events of a Worker that a query selects; null if there are none. */
  async #oldOf(
    parts: Parts,
    worker: Worker,
    { olderThanMs, beforeSeq = Number.POSITIVE_INFINITY }: HistoryQuery,
  ): Promise<OldHistory | null> {
    const { workerId, log, base, isDamaged } = worker;
    const begin = base?.at ?? { seq: 0, end: 0 };
    let throughSeq = isDamaged ? 0 : Math.min(floorOf(parts, worker), beforeSeq - 1);
    if (throughSeq <= begin.seq) return null;
    if (olderThanMs !== undefined)
      throughSeq = await lastUpTo(
        parts,
        worker,
        begin.seq + 1,
        throughSeq,
        this.#options.clock.now() - olderThanMs,
      );
    const last = throughSeq > begin.seq ? await lineAt(parts, worker, throughSeq) : null;
    if (!last) return null;
    return {
      workerId,
      log,
      throughSeq,
      throughTime: decodeEvent(textOf(last)).time,
      events: throughSeq - begin.seq,
      sizeBytes: last.offset + last.bytes.length - begin.end,
    };
  }
}
