import { type Answer, Connection, type ConnectionSettings } from './connection.ts';
import { unavailable } from './failure.ts';
import type { Statement } from './statement.ts';

/**
 * A number of connections that are opened when they are needed, and again after they have ended. A statement uses a free one, or
 * waits for it as long as for an answer: if all are taken for longer, PostgreSQL does not answer the statements before it either.
 */
export class Database {
  readonly #settings: ConnectionSettings;
  readonly #limit: number;
  readonly #idle: Connection[] = [];
  readonly #all = new Set<Connection>();
  readonly #waiting = new Set<() => void>();
  #used = 0;
  #isClosed = false;

  constructor(settings: ConnectionSettings, limit: number) {
    this.#settings = settings;
    this.#limit = limit;
  }

  /** Carries out a statement on one of the connections. @throws as `Connection.open` and `Connection.run` */
  async run(statement: Statement, values: readonly unknown[]): Promise<Answer> {
    if (this.#used < this.#limit) this.#used += 1;
    else await this.#turn();
    try {
      if (this.#isClosed) throw unavailable('The store is not open');
      const connection = await this.#take();
      try {
        return await connection.run(statement, values);
      } finally {
        if (connection.isOpen && !this.#isClosed) this.#idle.push(connection);
        else this.#all.delete(connection);
      }
    } finally {
      const [next] = this.#waiting;
      if (next) next();
      else this.#used -= 1;
    }
  }

  /** Ends all connections at once. Statements in progress fail. */
  destroy(): void {
    this.#isClosed = true;
    for (const connection of this.#all) connection.destroy();
    this.#all.clear();
    for (const begin of this.#waiting) begin();
  }

  /** Ends all connections in order. Statements in progress fail. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const idle = this.#idle.splice(0);
    for (const connection of idle) this.#all.delete(connection);
    this.destroy();
    await Promise.all(idle.map((connection) => connection.close()));
  }

  /** Waits until another statement passes its connection on. @throws STORE_UNAVAILABLE */
  #turn(): Promise<void> {
    return new Promise((resolve, reject) => {
      const begin = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(begin);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(begin);
        reject(unavailable('All connections to PostgreSQL wait for its answers'));
      }, this.#settings.answerMs);
      this.#waiting.add(begin);
    });
  }

  async #take(): Promise<Connection> {
    for (let idle = this.#idle.pop(); idle; idle = this.#idle.pop()) {
      if (idle.isOpen) return idle;
      this.#all.delete(idle);
    }
    const connection = await Connection.open(this.#settings);
    if (this.#isClosed) {
      connection.destroy();
      throw unavailable('The store is not open');
    }
    this.#all.add(connection);
    return connection;
  }
}
