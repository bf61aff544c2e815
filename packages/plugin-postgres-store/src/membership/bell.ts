import { Connection, type ConnectionSettings } from '../database/connection.ts';
import { statement } from '../database/statement.ts';

const LISTEN = statement('listen worker_runtime');
/** An expression that rings at all hosts of the database when its transaction is committed. */
export const RING = `pg_notify('worker_runtime', '')`;
/** The pause before the next attempt to listen. */
const RETRY_MS = 2_000;

/**
 * A connection on which PostgreSQL tells that the cluster has changed. It may be missed: a pooler passes nothing on, and what happens while
 * the connection is away is not repeated.
 */
export class Bell {
  readonly #settings: ConnectionSettings;
  readonly #rung: () => void;
  #connection: Connection | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(settings: ConnectionSettings, rung: () => void) {
    this.#settings = settings;
    this.#rung = rung;
    void this.#listen();
  }

  close(): void {
    this.#isClosed = true;
    if (this.#timer) clearTimeout(this.#timer);
    this.#connection?.destroy();
  }

  async #listen(): Promise<void> {
    try {
      const connection = await Connection.open(this.#settings);
      this.#connection = connection;
      connection.onNotification(this.#rung);
      connection.onEnd(() => this.#retry());
      if (this.#isClosed) connection.destroy();
      else await connection.run(LISTEN, []);
      // something may have changed before
      this.#rung();
    } catch {
      // the looks tell that the database is away
      this.#retry();
    }
  }

  #retry(): void {
    if (this.#isClosed || this.#timer) return;
    this.#connection?.destroy();
    this.#timer = setTimeout(() => {
      this.#timer = null;
      void this.#listen();
    }, RETRY_MS).unref();
  }
}
