import { hash } from 'node:crypto';
import type { Clock, JsonValue, PluginHost } from '@worker-runtime/core';
import type { EndpointSettings } from './webhooks-options.ts';

/** The time between two writes at least. After a crash, what was delivered since the last one is delivered again. */
const WRITE_MS = 1_000;

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

const storedIn = (value: JsonValue): Readonly<Record<string, StoredEndpoint>> =>
  typeof value === 'object' && value !== null && 'endpoints' in value
    ? (value.endpoints as unknown as Record<string, StoredEndpoint>)
    : {};

/** The id of a log, with which each cursor of the log begins. */
export const logOf = ({ asOf }: { readonly asOf: string }): string => asOf.split('.', 1)[0] as string;

/** The positions of all endpoints, which are the state of the plugin. */
export class Positions {
  readonly #host: PluginHost;
  readonly #clock: Clock;
  readonly #endpoints = new Map<string, EndpointPositions>();
  #isChanged = false;
  #cancelTimer: (() => void) | null = null;
  #writing: Promise<void> = Promise.resolve();

  constructor(host: PluginHost, clock: Clock) {
    this.#host = host;
    this.#clock = clock;
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
      const { isDisabled = false, url: last } = stored[name] ?? {};
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
          const known = stored[name];
          const seq = known ? (known.logs[log] ?? 0) : worker.lastSeq;
          if (seq > 0) workers.set(worker.workerId, { log, seq });
          if (seq < worker.lastSeq) found(name, worker.workerId);
        }
      after = page.next;
    }
    this.#isChanged = true;
    this.#write();
    await this.#writing;
  }

  of(endpoint: string): EndpointPositions {
    return this.#endpoints.get(endpoint) as EndpointPositions;
  }

  /** Stores changes within a second. */
  changed(): void {
    this.#isChanged = true;
    this.#cancelTimer ??= this.#clock.after(WRITE_MS, () => {
      this.#cancelTimer = null;
      this.#write();
    });
  }

  /** Writes what has changed. Resolves when all is stored, or its failure is logged. */
  async close(): Promise<void> {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#write();
    await this.#writing;
  }

  #write(): void {
    if (!this.#isChanged) return;
    this.#isChanged = false;
    const endpoints: Record<string, JsonValue> = {};
    for (const [name, { url, isDisabled, workers }] of this.#endpoints) {
      const logs = Object.fromEntries([...workers.values()].map(({ log, seq }) => [log, seq]));
      endpoints[name] = { url, isDisabled, logs };
    }
    this.#writing = this.#host.state.write({ endpoints }).catch((error: unknown) => {
      this.#isChanged = true;
      this.#host.log.warn(
        { err: error },
        'the positions of webhooks could not be stored; the next change tries again',
      );
    });
  }
}
