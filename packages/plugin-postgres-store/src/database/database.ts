import { type Answer, Connection, type ConnectionSettings } from './connection.ts';
import { unavailable } from './failure.ts';
import type { Statement } from './statement.ts';

/**
 * A number of connections that are opened when they are needed, and again after they have ended. Statements use a free one, or
 * wait for it.
 */
export class Database {
  readonly #settings: ConnectionSettings;
  readonly #limit: number;
  readonly #idle: Connection[] = [];
  readonly #all = new Set<Connection>();
  readonly #waiting: (() => void)[] = [];
  #used = 0;
  #isClosed = false;

  constructor(settings: ConnectionSettings, limit: number) {
    this.#settings = settings;
    this.#limit = limit;
  }

  /** Carries out a statement on one of the connections. @throws as `Connection.open` and `Connection.run` */
  async run(statement: Statement, values: readonly unknown[]): Promise<Answer> {
    while (this.#used >= this.#limit && !this.#isClosed)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.#isClosed) throw unavailable('The store is not open');
    this.#used += 1;
    try {
      const connection = await this.#take();
      try {
        return await connection.run(statement, values);
      } finally {
        if (connection.isOpen && !this.#isClosed) this.#idle.push(connection);
        else this.#all.delete(connection);
      }
    } finally {
      this.#used -= 1;
      this.#waiting.shift()?.();
    }
  }

  /** Ends all connections at once. Statements in progress fail. */
  destroy(): void {
    this.#isClosed = true;
    for (const connection of this.#all) connection.destroy();
    this.#all.clear();
    for (const resume of this.#waiting.splice(0)) resume();
  }

  /** Ends all connections in order. Statements in progress fail. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const idle = this.#idle.splice(0);
    for (const connection of idle) this.#all.delete(connection);
    this.destroy();
    await Promise.all(idle.map((connection) => connection.close()));
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
