import { hash } from 'node:crypto';
import type { Clock, JsonValue, PluginHost } from '@worker-runtime/core';
import { StateWriter } from '@worker-runtime/core/plugin-kit';
import type { EndpointSettings } from './webhooks-options.ts';

/** The stored form of an endpoint: a digest of its URL, and the last delivered number of each log. */
interface StoredEndpoint {
  readonly url: string;
  readonly isDisabled: boolean;
  readonly logs: Readonly<Record<string, number>>;
}

/** The position of a Worker: its log, and the number of the last event that is delivered or not wanted. */
interface Position {
  readonly log: string;
  readonly seq: number;
}

/** The positions of one endpoint. */
export interface EndpointPositions {
  readonly url: string;
  isDisabled: boolean;
  readonly workers: Map<string, Position>;
}

/** Returns what is stored by the name of the endpoint. Any text is a name, also one that all objects have. */
const storedIn = (value: JsonValue): ReadonlyMap<string, StoredEndpoint> =>
  new Map(
    typeof value === 'object' && value !== null && 'endpoints' in value
      ? Object.entries(value.endpoints as unknown as Record<string, StoredEndpoint>)
      : [],
  );

/** The id of a log, with which each cursor of the log begins. */
export const logOf = ({ asOf }: { readonly asOf: string }): string => asOf.split('.', 1)[0] as string;

/**
 * The positions of all endpoints, which are the state of the plugin. After a crash, events that were delivered since the last write are
 * delivered again.
 */
export class Positions {
  readonly #host: PluginHost;
  readonly #writer: StateWriter;
  readonly #endpoints = new Map<string, EndpointPositions>();

  constructor(host: PluginHost, clock: Clock) {
    this.#host = host;
    this.#writer = new StateWriter({
      host,
      clock,
      name: 'the positions of webhooks',
      read: () => this.#stored,
    });
  }

  /**
   * Reads the positions of the last process. An endpoint that is new begins after the present events of all Workers, which is stored on
   * return. Calls `found` with each Worker that has later events than its position.
   */
  async read(
    endpoints: readonly EndpointSettings[],
    found: (endpoint: string, workerId: string) => void,
  ): Promise<void> {
    const stored = storedIn(await this.#host.state.read());
    for (const { name, url } of endpoints) {
      const digest = hash('sha256', url.href, 'hex');
      const { isDisabled = false, url: last } = stored.get(name) ?? {};
      this.#endpoints.set(name, {
        url: digest,
        isDisabled: isDisabled && last === digest,
        workers: new Map(),
      });
    }
    for (let after: string | null = 'start'; after !== null; ) {
      const page = await this.#host.runtime.listWorkers({ after });
      for (const worker of page.items)
        for (const [name, { workers }] of this.#endpoints) {
          const log = logOf(worker);
          const known = stored.get(name);
          const seq = known ? (known.logs[log] ?? 0) : worker.lastSeq;
          if (seq > 0) workers.set(worker.workerId, { log, seq });
          if (seq < worker.lastSeq) found(name, worker.workerId);
        }
      after = page.next;
    }
    this.#writer.changed();
    await this.#writer.flush();
  }

  of(endpoint: string): EndpointPositions {
    return this.#endpoints.get(endpoint) as EndpointPositions;
  }

  /** Stores changes within a second. */
  changed(): void {
    this.#writer.changed();
  }

  /** Writes what has changed. Resolves when all is stored, or its failure is logged. */
  close(): Promise<void> {
    return this.#writer.close();
  }

  get #stored(): JsonValue {
    const endpoints = [...this.#endpoints].map(([name, { url, isDisabled, workers }]) => {
      const logs = Object.fromEntries([...workers.values()].map(({ log, seq }) => [log, seq]));
      return [name, { url, isDisabled, logs }] as const;
    });
    return { endpoints: Object.fromEntries(endpoints) };
  }
}
