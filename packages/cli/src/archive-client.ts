import { RuntimeError } from '@worker-runtime/core';
import { tokenFor } from './client-command.ts';
import { EXIT, Failure } from './failure.ts';
import { printable } from './printable.ts';

/** A stopped Worker, as the server lists it. */
export interface ListedWorker {
  readonly workerId: string;
  readonly log: string;
  readonly updatedAt: string;
  readonly sizeBytes: number;
  readonly lastSeq: number;
}

/** History that could be archived, as the server lists it. */
export interface ListedHistory {
  readonly workerId: string;
  readonly log: string;
  readonly throughSeq: number;
  readonly throughTime: string;
  readonly events: number;
  readonly sizeBytes: number;
}

/** The archives of a runtime that is served. */
export class ArchiveClient {
  readonly #base: string;
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;

  /** @throws Failure the address is not valid */
  constructor(url: string, given: string | undefined, runtime = 'self') {
    const token = tokenFor(url, given);
    this.#url = url;
    this.#base = `${url.replace(/\/$/, '')}/v1/runtimes/${encodeURIComponent(runtime)}/x/archives`;
    this.#headers = token ? { authorization: `Bearer ${token}` } : {};
  }

  /**
   * Returns the bytes of an archive of the whole runtime, or of a Worker. The iteration fails with ARCHIVE_CORRUPT if the server ends it
   * early. @throws Failure the runtime refuses, or does not answer
   */
  async bytes(workerId?: string): Promise<AsyncIterable<Uint8Array>> {
    return bytesOf(
      await this.#send('GET', workerId === undefined ? '' : `/workers/${encodeURIComponent(workerId)}`),
    );
  }

  /** Returns the bytes of an archive of the first events of a Worker. @throws as `bytes` */
  async history(workerId: string, throughSeq: number): Promise<AsyncIterable<Uint8Array>> {
    return bytesOf(await this.#send('GET', `${historyOf(workerId)}?through=${throughSeq}`));
  }

  /** Lists all stopped Workers that a query selects. @throws Failure */
  list(query: URLSearchParams): AsyncGenerator<ListedWorker> {
    return this.#pages('/workers', query);
  }

  /** Lists all history that a query selects. @throws Failure */
  listHistory(query: URLSearchParams): AsyncGenerator<ListedHistory> {
    return this.#pages('/history', query);
  }

  /** Removes the first events of a Worker, which an archive has. @throws Failure */
  async removeHistory(
    workerId: string,
    part: { readonly log: string; readonly throughSeq: number; readonly archive: string },
  ): Promise<void> {
    const query = new URLSearchParams({
      log: part.log,
      through: String(part.throughSeq),
      archive: part.archive,
    });
    await this.#send('DELETE', `${historyOf(workerId)}?${query.toString()}`);
  }

  /** Removes a Worker whose archive ends where its log does. @throws Failure */
  async remove(workerId: string, end: { readonly log: string; readonly seq: number }): Promise<void> {
    const query = new URLSearchParams({ log: end.log, seq: String(end.seq) });
    await this.#send('DELETE', `/workers/${encodeURIComponent(workerId)}?${query.toString()}`);
  }

  /** Adds the Worker of an archive. @throws Failure */
  async put(archive: Uint8Array): Promise<Readonly<Record<string, unknown>>> {
    const answer = await this.#send('POST', '/workers', archive);
    return (await answer.json()) as Readonly<Record<string, unknown>>;
  }

  async *#pages<T>(path: string, query: URLSearchParams): AsyncGenerator<T> {
    for (let after: string | null = 'start'; after !== null; ) {
      query.set('after', after);
      const answer = await this.#send('GET', `${path}?${query.toString()}`);
      const page = (await answer.json()) as { items: readonly T[]; next: string | null };
      yield* page.items;
      after = page.next;
    }
  }

  async #send(method: string, path: string, body?: Uint8Array): Promise<Response> {
    let answer: Response;
    try {
      answer = await fetch(`${this.#base}${path}`, {
        method,
        headers: { ...this.#headers, ...(body && { 'content-type': 'application/octet-stream' }) },
        ...(body && { body: new Uint8Array(body) }),
      });
    } catch (cause) {
      throw new Failure(EXIT.notReachable, `no runtime answers at ${this.#url}`, { cause });
    }
    if (answer.ok) return answer;
    const { code, detail, title } = (await answer.json().catch(() => ({}))) as Record<string, unknown>;
    if (typeof code !== 'string')
      throw new Failure(EXIT.failed, `the server at ${this.#url} is not a runtime; check --url`);
    throw new Failure(EXIT.refused, printable(`${code}: ${String(detail ?? title)}`));
  }
}

const historyOf = (workerId: string): string => `/workers/${encodeURIComponent(workerId)}/history`;

/**
 * Yields the bytes of an answer. It holds the answer and not only its body: Node cancels a body that no caller has begun to read when its answer
 * is collected, and a body that is read then is empty.
 */
async function* bytesOf(answer: Response): AsyncGenerator<Uint8Array> {
  if (answer.body === null) throw new RuntimeError('ARCHIVE_CORRUPT', 'The server has sent no archive');
  try {
    yield* answer.body;
  } catch (cause) {
    throw new RuntimeError(
      'ARCHIVE_CORRUPT',
      'The connection ended before the archive did: the server has stopped, or its log has the reason',
      {
        cause,
      },
    );
  }
}
