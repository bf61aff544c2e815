import { Socket } from 'node:net';
import { Client, type QueryArrayResult, types } from 'pg';
import type { DatabaseUrl } from './database-url.ts';
import { failureOf, stateOf, unavailable } from './failure.ts';
import type { Statement } from './statement.ts';

export interface ConnectionSettings {
  readonly url: DatabaseUrl;
  /** The longest time without an answer, in milliseconds. */
  readonly answerMs: number;
}

export interface Answer {
  readonly rows: readonly (readonly unknown[])[];
  /** The number of rows that the statement returned or changed. */
  readonly count: number;
  /**
   * True if the server warned. A commit that was to wait for a standby and was released by an operator succeeds with a
   * warning: it is on this server only.
   */
  readonly hasWarned: boolean;
}

const INT8 = 20;
/** Positions and sizes are below 2^53. */
const parsers = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    oid === INT8 ? Number : types.getTypeParser(oid, format as 'text'),
};

/** The answers of a pooler that shares server connections and does not know the statements of its clients. */
const UNKNOWN_NAME = new Set(['26000', '42P05']);
const INFORMATION = /^0[02]/;
/** Another transaction was in the way: PostgreSQL has undone the statement, and asks for a repetition. */
const UNDONE = /^40(001|P01)$/;
/** The most repetitions of a statement, so that one which can never succeed ends. */
const REPETITIONS = 10;
/** Refusals because of the rows. All others may come from what the session began with, such as a setting of its role. */
const ABOUT_ROWS = /^23/;

/**
 * A connection to PostgreSQL. A statement without an answer ends it, and so does one that is refused, because a session keeps the
 * settings that it began with after an operator has corrected them. After that every call fails.
 */
export class Connection {
  readonly #client: Client;
  readonly #socket: Socket;
  readonly #answerMs: number;
  #areNamesKnown = true;
  #hasWarned = false;
  #failure: unknown = null;

  private constructor(url: string, answerMs: number) {
    this.#socket = new Socket();
    this.#answerMs = answerMs;
    this.#client = new Client({
      connectionString: url,
      stream: () => this.#socket,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      application_name: 'worker-runtime',
      types: parsers,
    });
    // A connection that ends while it is idle must not end the process.
    this.#client.on('error', (error) => {
      this.#failure ??= error;
    });
    this.#client.on('end', () => {
      this.#failure ??= unavailable('The connection to PostgreSQL ended');
    });
    this.#client.on('notice', ({ code }) => {
      if (!INFORMATION.test(code ?? '')) this.#hasWarned = true;
    });
  }

  /** Connects with the URL of now. @throws STORE_UNAVAILABLE, with what to do */
  static async open({ url, answerMs }: ConnectionSettings): Promise<Connection> {
    const current = await url.current();
    const connection = Connection.#to(current, answerMs);
    try {
      await connection.#inTime((settle) =>
        connection.#client.connect((error: Error | null) => settle(error)),
      );
      url.connected(current);
    } catch (error) {
      connection.destroy();
      throw failureOf(error);
    }
    return connection;
  }

  /** @throws STORE_UNAVAILABLE the driver reads the certificates that the URL names, and there is none */
  static #to(url: string, answerMs: number): Connection {
    try {
      return new Connection(url, answerMs);
    } catch (error) {
      throw unavailable('A file of certificates that the URL of PostgreSQL names cannot be read', error);
    }
  }

  get isOpen(): boolean {
    return this.#failure === null;
  }

  /** Carries out a statement. @throws STORE_UNAVAILABLE, unless the cause is an answer of PostgreSQL: unknown whether it happened */
  async run(statement: Statement, values: readonly unknown[], repetitions = REPETITIONS): Promise<Answer> {
    if (this.#failure !== null) throw failureOf(this.#failure);
    const { name, text } = statement;
    const query = { text, values: [...values], rowMode: 'array' as const };
    // a login may bring warnings too
    this.#hasWarned = false;
    try {
      const { rows, rowCount } = await this.#inTime<QueryArrayResult<unknown[]>>((settle) =>
        this.#client.query<unknown[]>(this.#areNamesKnown ? { ...query, name } : query, settle),
      );
      return { rows, count: rowCount ?? 0, hasWarned: this.#hasWarned };
    } catch (error) {
      const state = stateOf(error);
      if (this.#areNamesKnown && UNKNOWN_NAME.has(state)) {
        this.#areNamesKnown = false;
        return this.run(statement, values, repetitions);
      }
      if (UNDONE.test(state) && repetitions > 0) return this.run(statement, values, repetitions - 1);
      if (!ABOUT_ROWS.test(state)) this.destroy(error);
      throw failureOf(error);
    }
  }

  /** Calls back for each notification of a channel that the connection listens to. */
  onNotification(callback: () => void): void {
    this.#client.on('notification', callback);
  }

  /** Calls back when the connection has ended. */
  onEnd(callback: () => void): void {
    this.#client.once('end', callback);
  }

  async close(): Promise<void> {
    if (this.#failure !== null) return;
    try {
      await this.#inTime((settle) => this.#client.end(settle));
    } catch {
      // the server may be gone
    }
    this.destroy();
  }

  /** Ends the connection at once. The server may still carry out a statement that it has received. */
  destroy(reason: unknown = unavailable('The connection to PostgreSQL was closed')): void {
    this.#failure ??= reason;
    this.#socket.destroy();
  }

  /** Begins something that settles in time. Each commit uses it, so it takes a callback, which needs fewer promises. */
  #inTime<T>(begin: (settle: (error?: Error | null, value?: T) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const failure = unavailable('PostgreSQL did not answer in time');
        this.destroy(failure);
        reject(failure);
      }, this.#answerMs);
      begin((error, value) => {
        clearTimeout(timer);
        if (error) reject(error);
        else resolve(value as T);
      });
    });
  }
}
