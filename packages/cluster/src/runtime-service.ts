import type { ServerResponse } from 'node:http';
import { type Logger, type Runtime, RuntimeError, silentLogger } from '@worker-runtime/core';
import type { Service } from './service.ts';

/** The time that requests in progress have to be answered when a runtime is left. */
const SETTLE_MS = 1_000;
/** The time that a fenced runtime may take to release what it has. */
const RELEASE_MS = 5_000;

/** The service of a runtime of core, whose store opens under the claim. */
export class RuntimeService implements Service {
  readonly runtime: Runtime;
  readonly lost: Promise<unknown>;
  readonly #log: Logger;
  /** The commands over HTTP that are in progress. */
  readonly #commands = new Set<ServerResponse>();
  #settled: () => void = () => {};

  constructor(runtime: Runtime, log: Logger = silentLogger) {
    this.runtime = runtime;
    this.lost = runtime.lost;
    this.#log = log;
  }

  start(): Promise<void> {
    return this.runtime.start();
  }

  /** Notes a command in progress, until its response is closed. */
  began(response: ServerResponse): void {
    this.#commands.add(response);
    response.once('close', () => {
      this.#commands.delete(response);
      if (this.#commands.size === 0) this.#settled();
    });
  }

  async handOver(waitMs: number, leaving: () => void): Promise<void> {
    try {
      await this.runtime.handOver({
        waitMs,
        // requests that come from now on wait for the next host, and those that came before are answered here
        leaving: async () => {
          leaving();
          await this.#commandsSettled();
        },
      });
    } catch (error) {
      this.#log.warn({ err: RuntimeError.from(error) }, 'a Runtime was not handed over in order');
    }
  }

  fence(): void {
    this.runtime.fence();
    this.runtime.stop({ reason: 'fence', deadlineMs: RELEASE_MS }).catch((error: unknown) => {
      this.#log.warn({ err: RuntimeError.from(error) }, 'a fenced Runtime did not stop in order');
    });
  }

  #commandsSettled(): Promise<void> {
    if (this.#commands.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, SETTLE_MS);
      this.#settled = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
