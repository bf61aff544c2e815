import type { Page, WorkerDetail } from '@worker-runtime/core';
import type {
  ArchivedEnd,
  ArchivedPart,
  HistoryQuery,
  OldHistory,
  ServedArchives,
  StoppedQuery,
  StoppedWorker,
} from '@worker-runtime/core/archive';
import { type Call, Connection } from './connection.ts';
import { baseOf, type ClientOptions, timingOf } from './options.ts';
import { pathSegment } from './path-segment.ts';
import { listQueryOf, queryOf } from './query.ts';
import { notARuntime, unreachable } from './remote-error.ts';

const MEDIA_TYPE = 'application/vnd.worker-runtime.archive';

/** The additional time that the archive of a Worker may take on its way, and to be checked and stored. */
const PUT_MS = 540_000;

const pathOf = (workerId: string, below = ''): string =>
  `/x/archives/workers/${pathSegment(workerId, 'WORKER_NOT_FOUND')}${below}`;

class HttpArchives implements ServedArchives {
  readonly #connection: Connection;

  constructor(options: ClientOptions) {
    this.#connection = new Connection(baseOf(options), options, timingOf(options));
  }

  open(workerId?: string): AsyncIterable<Uint8Array> {
    return this.#bytes(() => (workerId === undefined ? '/x/archives' : pathOf(workerId)));
  }

  openHistory(workerId: string, throughSeq: number): AsyncIterable<Uint8Array> {
    return this.#bytes(() => pathOf(workerId, '/history'), queryOf({ through: throughSeq }));
  }

  async list(query: StoppedQuery): Promise<Page<StoppedWorker>> {
    return this.#read({ path: '/x/archives/workers', query: listQueryOf(query) });
  }

  async listHistory({ workerId: worker, ...query }: HistoryQuery): Promise<Page<OldHistory>> {
    return this.#read({ path: '/x/archives/history', query: listQueryOf({ ...query, worker }) });
  }

  async remove(workerId: string, { log, seq }: ArchivedEnd): Promise<void> {
    await this.#remove(pathOf(workerId), queryOf({ log, seq }));
  }

  async removeHistory(workerId: string, { log, throughSeq, archive }: ArchivedPart): Promise<void> {
    await this.#remove(pathOf(workerId, '/history'), queryOf({ log, through: throughSeq, archive }));
  }

  async put(archive: Uint8Array): Promise<WorkerDetail> {
    const headers = { 'content-type': 'application/octet-stream' };
    return this.#read({
      method: 'POST',
      path: '/x/archives/workers',
      headers,
      bytes: archive,
      extraMs: PUT_MS,
    });
  }

  async *#bytes(path: () => string, query?: URLSearchParams): AsyncGenerator<Uint8Array, void, undefined> {
    const call = { method: 'GET', path: path(), ...(query && { query }) } as const;
    // the answer is held, and not only its body: Node cancels a body that no caller has begun to read when its answer is collected
    const answer = await this.#connection.answer(call, MEDIA_TYPE);
    if (answer.body === null || answer.headers.get('content-type') !== MEDIA_TYPE)
      throw notARuntime(answer.status);
    const reader = answer.body.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read().catch((cause: unknown) => {
          throw unreachable(
            'The archive ended early: the server has stopped, or its log has the reason',
            cause,
          );
        });
        if (done) return;
        yield value;
      }
    } finally {
      await reader.cancel().catch(() => {});
    }
  }

  async #read<T>(call: Omit<Call, 'method'> & Partial<Pick<Call, 'method'>>): Promise<T> {
    return (await this.#connection.call({ method: 'GET', ...call })).body as T;
  }

  /** The query names the end of what goes, so that a repetition removes nothing else. It is the key of the call. */
  async #remove(path: string, query: URLSearchParams): Promise<void> {
    const headers = { 'idempotency-key': `remove?${query}` };
    await this.#connection.call({ method: 'DELETE', path, query, headers });
  }
}

/**
 * Creates a client for the archives of a served runtime, for callers with the permission `admin` for all Workers. It has the errors of
 * `RuntimeClient`. The names of callers come from their tokens. A removal is tried a second time if the connection fails, so that WORKER_NOT_FOUND may mean that
 * the first one happened. @throws TypeError an option is not valid
 */
export const archiveClient = (options: ClientOptions): ServedArchives => new HttpArchives(options);
